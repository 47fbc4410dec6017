#include "spindle/actor/worker.hpp"

#include <algorithm>

#include "spindle/actor/log.hpp"
#include "spindle/base/concat.hpp"
#include "spindle/transport/context.hpp"

namespace spindle::actor {
namespace {

/// Turns run for this long before the sockets are looked at again.
constexpr Duration turns_at_once = std::chrono::milliseconds(2);
constexpr std::size_t live_messages_at_once = 256;
/// Events published from outside that share a commit, so that a receipt never waits for a large one.
constexpr std::size_t queued_commit_bytes = 256 * 1024;

}  // namespace

Worker::Worker() { runtime_.set_port(*this); }

Worker::~Worker() {
  if (thread_.joinable()) {
    ask_to_stop();
    join();
  }
}

Result<void> Worker::start(transport::Context& context, Settings settings) {
  settings_ = std::move(settings);
  context_ = &context;
  transport::SessionOptions options;
  options.source = settings_.source;
  auto link = transport::Link::open(context, settings_.proxy, options);
  if (!link) return fail(link.error());
  link_ = std::move(*link);
  for (Runtime::Group& group : runtime_.groups()) group.member = link_->session().attach(group.attach());
  thread_ = std::thread([this] { run(); });
  return {};
}

void Worker::ask_to_stop() {
  stopping_.store(true, std::memory_order_relaxed);
  stop_wakeup_.signal();
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  while (!stopping_.load(std::memory_order_relaxed) && !link_->session().failed()) turn_of_loop();
  queue_.close();
  drain_and_close();
  const Error closed{ErrorCode::closed, "the service stopped before the event was durable"};
  for (const Promise& promise : promises_) promise.receipts->close(closed);
  if (sending_) sending_->receipts->close(closed);
  if (auto left = queue_.take()) left->receipts->close(closed);
  session_.store(0, std::memory_order_relaxed);
  change_status([](WorkerStatus& status) { status.finished = true; });
}

void Worker::change_status(const std::function<void(WorkerStatus&)>& change) {
  {
    std::lock_guard lock(status_mutex_);
    change(status_);
  }
  status_changed_.notify_all();
  settings_.news->signal();
}

void Worker::turn_of_loop() {
  wait_for_input();
  now_ = Now::read();
  link_->process(now_);
  handle_session_events();
  receive_live();
  runtime_.tick(now_);
  run_turns();
  take_queue();
  runtime_.flush_acks();
  if (live_) {
    if (auto sent = live_->process(now_); !sent) log::warn(concat("live path: ", sent.error().message()));
  }
  link_->flush();
}

void Worker::wait_for_input() {
  poll_.clear();
  link_->watch(poll_);
  if (live_) live_->watch(poll_);
  if (!sending_) poll_.add(queue_.wakeup().fd());  // else it is looked at when there is room again
  poll_.add(stop_wakeup_.fd());
  const auto deadline = live_ ? live_->next_deadline() : std::nullopt;
  const Instant now = monotonic_now();
  Duration longest = transport::time_until(link_->next_deadline(), deadline, now, std::chrono::seconds(1));
  longest = std::min(longest, transport::time_until(runtime_.next_deadline(), std::nullopt, now, longest));
  if (working_) longest = Duration::zero();
  if (auto waited = poll_.wait(longest); !waited) log::error(waited.error().message());
}

void Worker::handle_session_events() {
  for (transport::SessionEvent& event : link_->session().take_events()) handle(event);
  become_ready();
}

void Worker::handle(transport::SessionEvent& event) {
  namespace ev = transport::session_event;
  if (auto* delivered = std::get_if<ev::Delivered>(&event)) {
    runtime_.deliver(delivered->member, delivered->first, delivered->count, delivered->attempt,
                     std::move(delivered->events));
  } else if (auto* committed = std::get_if<ev::Committed>(&event)) {
    on_committed(*committed);
  } else if (auto* welcomed = std::get_if<ev::Welcomed>(&event)) {
    on_welcome(welcomed->welcome);
  } else if (auto* lost = std::get_if<ev::Lost>(&event)) {
    session_.store(0, std::memory_order_relaxed);
    log::warn(concat("connection to ", settings_.proxy, " lost: ", lost->why.text, "; reconnecting"));
  } else if (auto* halted = std::get_if<ev::Halted>(&event)) {
    log::warn(concat("the proxy takes no events for now: ", halted->why.message()));
  } else if (auto* gone = std::get_if<ev::DeliveriesLost>(&event)) {
    runtime_.lose(gone->member, gone->deliveries);
  } else if (auto* refused = std::get_if<ev::AttachRefused>(&event)) {
    fail_with(refused->why);
  } else if (auto* trouble = std::get_if<ev::Trouble>(&event)) {
    log::warn(trouble->what.message());
  } else if (auto* failed = std::get_if<ev::Failed>(&event)) {
    fail_with(failed->why);
  }
}

void Worker::on_welcome(const wire::Welcome& welcome) {
  session_.store(link_->session().session(), std::memory_order_relaxed);
  lease_ms_.store(welcome.lease_ms, std::memory_order_relaxed);
  if (live_ && live_epoch_ == welcome.epoch) return live_->confirm(now_);
  auto live = transport::LivePath::open(*context_, settings_.proxy, welcome, settings_.source);
  if (!live) return fail_with(live.error());
  live_ = std::move(*live);
  live_epoch_ = welcome.epoch;
  for (const Runtime::Subscription& subscription : runtime_.live()) {
    if (auto subscribed = live_->subscriber().subscribe(subscription.pattern); !subscribed) {
      return fail_with(subscribed.error());
    }
  }
  live_->confirm(now_);
}

/// Ready: the groups are joined, and an echo has shown that live events go out and come in.
void Worker::become_ready() {
  if (status_.ready || !link_->session().ready() || !live_ || !live_->confirmed()) return;
  change_status([](WorkerStatus& status) { status.ready = true; });
  runtime_.start(now_);
}

void Worker::receive_live() {
  if (!live_) return;
  for (const transport::LiveMessage& message : live_->receive(live_messages_at_once, now_)) {
    Incoming incoming;
    incoming.topic = message.topic_name();
    incoming.missed = message.missed;
    if (const auto* cloud_event = std::get_if<wire::CloudEvent>(&message.content)) {
      incoming.cloud_event = cloud_event;
      incoming.data = cloud_event->data;
      runtime_.on_live(incoming, now_);
      continue;
    }
    const wire::Packet& packet = std::get<wire::Packet>(message.content);
    incoming.header = &packet.header();
    for (const wire::PacketEvent& event : packet.events()) {
      incoming.data = event.data;
      incoming.attributes = event.attributes;
      runtime_.on_live(incoming, now_);
      ++incoming.index;
      incoming.missed = 0;
    }
  }
  become_ready();
}

/// Runs turns until nothing waits or it is time to look at the sockets.
void Worker::run_turns() {
  const Instant until = monotonic_now() + turns_at_once;
  working_ = false;
  if (!status_.ready) return;  // what a turn publishes live would be lost
  for (std::size_t i = 1; runtime_.step(now_); ++i) {
    // Reading the clock costs a few events' worth of handling when handlers are small.
    if (i % 16 != 0) continue;
    now_ = Now::read();
    if (now_.instant >= until) {
      working_ = !runtime_.idle();
      return;
    }
  }
}

void Worker::take_queue() {
  while (true) {
    if (!sending_) {
      sending_ = queue_.take();
      sent_events_ = 0;
    }
    if (!sending_ || !send_queued()) return;
    sending_.reset();
  }
}

/// Gives what was published from outside to the session and the live path; false when they have no room for now.
bool Worker::send_queued() {
  std::vector<transport::OutgoingEvent> commit;
  const std::vector<PublishQueue::Event>& events = sending_->events;
  while (sent_events_ < events.size()) {
    const std::size_t first = sent_events_;
    if (!events[first].durable) {
      if (!live_) return false;
      auto published = live_->publisher().publish(sending_->event(first), now_);
      if (!published && published.error().code == ErrorCode::outbox_full) return false;
      published ? sending_->receipts->stored(first, 1, 0) : sending_->receipts->refused(first, 1, published.error());
      ++sent_events_;
      continue;
    }
    if (!has_room()) return false;
    commit.clear();
    std::size_t bytes = 0;
    std::size_t end = first;
    for (; end < events.size() && events[end].durable && (end == first || bytes < queued_commit_bytes); ++end) {
      commit.push_back(sending_->event(end));
      bytes += commit.back().data.size();
    }
    auto ticket = publish(commit);
    if (!ticket && ticket.error().code == ErrorCode::outbox_full) return false;
    if (ticket) {
      promises_.push_back({*ticket, sending_->receipts, first, end - first});
    } else {
      sending_->receipts->refused(first, end - first, ticket.error());
    }
    sent_events_ = end;
  }
  return true;
}

void Worker::on_committed(const transport::session_event::Committed& committed) {
  const wire::Outcome& outcome = committed.outcome;
  while (!promises_.empty() && promises_.front().ticket < committed.first + outcome.run) {
    const Promise promise = std::move(promises_.front());
    promises_.pop_front();
    if (promise.ticket < committed.first) continue;
    if (outcome.status == wire::OutcomeStatus::refused) {
      promise.receipts->refused(promise.first, promise.count, {outcome.code, outcome.text});
    } else {
      promise.receipts->stored(promise.first, promise.count, outcome.first_offset);
    }
  }
  runtime_.on_outcome(committed.first, outcome, now_);
}

bool Worker::drained() { return link_->session().unanswered() == 0 && !sending_ && (!live_ || live_->confirmed()); }

/// Everything that was published and settled becomes durable, or the time for it is up.
void Worker::drain_and_close() {
  runtime_.drop_inbox();
  const Instant until = monotonic_now() + settings_.drain;
  if (live_ && status_.ready) live_->confirm(Now::read());
  while (!link_->session().failed() && monotonic_now() < until) {
    stop_wakeup_.clear();
    turn_of_loop();
    runtime_.drop_inbox();
    if (drained()) break;
  }
  if (link_->session().unanswered() > 0) {
    log::warn(concat(link_->session().unanswered(), " commits were not acknowledged before the service stopped"));
  }
  link_->close("the service stops", std::chrono::milliseconds(500));
}

void Worker::fail_with(Error why) {
  log::error(concat(settings_.source, ": ", why.message()));
  change_status([&](WorkerStatus& status) {
    if (!status.failure) status.failure = std::move(why);
  });
  ask_to_stop();
}

WorkerStatus Worker::status() const {
  std::lock_guard lock(status_mutex_);
  return status_;
}

WorkerStatus Worker::wait_until_ready(Instant deadline) const {
  std::unique_lock lock(status_mutex_);
  status_changed_.wait_until(lock, deadline, [&] { return status_.ready || status_.finished || status_.failure; });
  return status_;
}

WorkerStatus Worker::wait_until_finished() const {
  std::unique_lock lock(status_mutex_);
  status_changed_.wait(lock, [&] { return status_.finished; });
  return status_;
}

bool Worker::has_room() { return link_->session().has_room(); }

Result<Ticket> Worker::settle(std::span<const wire::Settlement> settlements,
                              std::span<const transport::OutgoingEvent> events) {
  return link_->session().settle(settlements, events, now_.wall_ns);
}

Result<void> Worker::acknowledge_each(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count) {
  auto ticket = link_->session().acknowledge_each(member, first, count);
  if (!ticket) return fail(ticket.error());
  return {};
}

Result<Ticket> Worker::publish(std::span<const transport::OutgoingEvent> events) {
  return link_->session().publish(events, now_.wall_ns);
}

Result<void> Worker::publish_live(const transport::OutgoingEvent& event) {
  if (!live_) return fail(ErrorCode::unavailable, "there is no connection to the proxy yet");
  return live_->publisher().publish(event, now_);
}

void Worker::extend(std::uint64_t member, const wire::DeliveryId& delivery) {
  link_->session().extend(member, delivery);
}

}  // namespace spindle::actor
