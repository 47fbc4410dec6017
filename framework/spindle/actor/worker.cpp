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
/// Turns between two looks at the clock, which cost a few small events' worth of handling.
constexpr std::size_t turns_per_look_max = 16;
constexpr Duration tell_missed_every = std::chrono::seconds(1);

}  // namespace

Worker::Worker() { runtime_.set_port(*this); }

Worker::~Worker() {
  if (thread_.joinable()) {
    ask_to_stop();
    join();
  }
}

Result<void> Worker::start(transport::Context& context, Settings settings) {
  if (auto registered = runtime_.finish_registration(); !registered) return registered;
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
  // Who publishes now is told why the service ended: a fence is not the same as a stop.
  queue_.close(status().failure.value_or(Error{ErrorCode::closed, "the service has stopped; publish before stop()"}));
  drain_and_close();
  const Error closed =
      status().failure.value_or(Error{ErrorCode::closed, "the service stopped before the event was durable"});
  promises_.give_up([&](const Promise& promise) { promise.receipts->close(closed); });
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
  // A session that is over has no deliveries: what is still here is at work elsewhere, and nothing of it counts.
  if (!draining_ && !link_->session().failed()) {
    runtime_.tick(now_);
    run_turns();
  }
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
    // What ends for good says why itself.
    if (!link_->session().failed()) {
      log::warn(concat("lost the proxy at ", settings_.proxy, ", trying again: ", lost->why.text));
    }
  } else if (auto* halted = std::get_if<ev::Halted>(&event)) {
    log::warn(concat("the proxy takes no events for now: ", halted->why.message()));
  } else if (auto* gone = std::get_if<ev::DeliveriesLost>(&event)) {
    runtime_.lose(gone->member, gone->deliveries);
  } else if (auto* lost_events = std::get_if<ev::EventsLost>(&event)) {
    runtime_.tell_lost(lost_events->lost);
  } else if (auto* refused = std::get_if<ev::AttachRefused>(&event)) {
    on_attach_refused(refused->member, refused->why);
  } else if (auto* anew = std::get_if<ev::StartedAnew>(&event)) {
    log::error(concat(settings_.source, " goes on: ", transport::describe(*anew)));
  } else if (auto* trouble = std::get_if<ev::Trouble>(&event)) {
    log::warn(trouble->what.message());
  } else if (auto* failed = std::get_if<ev::Failed>(&event)) {
    fail_with(failed->why);
  }
}

void Worker::on_welcome(const wire::Welcome& welcome) {
  session_.store(link_->session().session(), std::memory_order_relaxed);
  lease_ms_.store(welcome.lease_ms, std::memory_order_relaxed);
  const bool same = live_ && live_welcome_.epoch == welcome.epoch && live_welcome_.host == welcome.host &&
                    live_welcome_.publish_port == welcome.publish_port &&
                    live_welcome_.subscribe_port == welcome.subscribe_port;
  if (!same) open_live_path(welcome);
  if (live_) live_->confirm(now_);
}

void Worker::open_live_path(const wire::Welcome& welcome) {
  auto live = transport::LivePath::open(*context_, settings_.proxy, welcome, settings_.source);
  if (!live) return fail_with(live.error());
  live_ = std::move(*live);
  live_welcome_ = welcome;
  for (const Runtime::Subscription& subscription : runtime_.live()) {
    if (auto subscribed = live_->subscriber().subscribe(subscription.pattern); !subscribed) {
      return fail_with(subscribed.error());
    }
  }
}

void Worker::on_attach_refused(std::uint64_t member, const Error& why) {
  for (const Runtime::Group& group : runtime_.groups()) {
    if (group.member != member) continue;
    const std::string name = concat("group ", group.name);
    return fail_with({why.code, why.text.starts_with(name) ? why.text : concat(name, ": ", why.text)});
  }
  fail_with(why);
}

/// Ready: the groups are joined, and an echo has shown that live events go out and come in.
void Worker::become_ready() {
  if (status_.ready || !link_->session().ready() || !live_ || !live_->confirmed()) return;
  change_status([](WorkerStatus& status) { status.ready = true; });
  runtime_.start(now_);
}

void Worker::receive_live() {
  if (!live_ || !live_inbox_.empty()) return;
  auto messages = live_->receive(live_messages_at_once, now_);
  // Before it is ready the service has promised nothing, and what its handlers publish live would be lost.
  if (status_.ready && !draining_) live_inbox_.add(std::move(messages));
  become_ready();
}

void Worker::report_missed() {
  if (now_.instant < tell_missed_at_) return;
  const LiveInbox::Missed missed = live_inbox_.take_missed();
  if (missed.count == 0) return;
  tell_missed_at_ = now_.instant + tell_missed_every;
  log::warn(concat(missed.count, " live events were missed, the newest on ", missed.of,
                   ": publishers or this service are faster than what lies between"));
}

/// Runs turns until nothing waits or it is time to look at the sockets.
void Worker::run_turns() {
  working_ = false;
  if (!status_.ready) return;
  const Instant until = now_.instant + turns_at_once;
  for (std::size_t turns = 1;; turns = std::min(2 * turns, turns_per_look_max)) {
    for (std::size_t i = 0; i < turns; ++i) {
      const bool live = live_inbox_.step(runtime_, now_);
      if (!runtime_.step(now_) && !live) return report_missed();
    }
    now_ = Now::read();
    if (now_.instant >= until) break;
  }
  working_ = !live_inbox_.empty() || (!runtime_.idle() && has_room());
  report_missed();
}

bool Worker::drained() { return link_->session().unanswered() == 0 && !sending_ && (!live_ || live_->confirmed()); }

/// Everything that was published and settled becomes durable, or the time for it is up.
void Worker::drain_and_close() {
  // What was delivered and not handled goes back with the session.
  draining_ = true;
  working_ = true;  // the first turn of the loop does not wait: there may be nothing to wait for
  runtime_.drop_inbox();
  live_inbox_.clear();
  const Instant until = monotonic_now() + settings_.drain;
  if (live_ && status_.ready) live_->confirm(Now::read());
  while (!link_->session().failed() && monotonic_now() < until) {
    stop_wakeup_.clear();
    turn_of_loop();
    working_ = false;
    runtime_.drop_inbox();
    if (drained()) break;
  }
  if (link_->session().unanswered() > 0) {
    log::warn(
        concat("commits that were not acknowledged before the service stopped: ", link_->session().unanswered()));
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

bool Worker::has_room() { return link_->session().has_room(); }

Result<Ticket> Worker::settle(std::span<const wire::Settlement> settlements,
                              std::span<const transport::OutgoingEvent> events) {
  return link_->session().settle(settlements, events, now_.wall_ns);
}

Result<Ticket> Worker::acknowledge_each(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count) {
  return link_->session().acknowledge_each(member, first, count);
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

void Worker::forget(std::uint64_t member, const wire::DeliveryId& delivery) {
  link_->session().forget(member, delivery);
}

}  // namespace spindle::actor
