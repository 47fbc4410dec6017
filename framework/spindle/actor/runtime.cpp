// Handling: what comes in becomes turns, and turns become commits.
#include "spindle/actor/runtime.hpp"

#include <algorithm>
#include <exception>

#include "spindle/actor/log.hpp"
#include "spindle/base/concat.hpp"

namespace spindle::actor {

/// Outlives the runtime in the hands of kept deliveries; then it settles nothing.
class Runtime::Desk final : public DeliveryDesk {
 public:
  explicit Desk(Runtime* runtime) : runtime_(runtime) {}
  void close() { runtime_ = nullptr; }

  Result<void> settle(wire::Settlement settlement) override {
    if (runtime_ == nullptr) return fail(ErrorCode::closed, "the service has stopped; the event comes again");
    return runtime_->turn_.settle(std::move(settlement));
  }
  void extend(std::uint64_t member, const wire::DeliveryId& delivery) override {
    if (runtime_ != nullptr) runtime_->port_->extend(member, delivery);
  }

 private:
  Runtime* runtime_;
};

namespace {

/// The text of what a handler threw.
std::string what_was_thrown() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "something that is not a std::exception";
  }
}

/// Marks the turn for the keeper while it lives.
class Watched {
 public:
  Watched(TurnWatch& watch, const char* what, std::uint64_t offset, Instant began) : watch_(watch) {
    watch_.what.store(what, std::memory_order_relaxed);
    watch_.offset.store(offset, std::memory_order_relaxed);
    watch_.began.store(began.time_since_epoch().count(), std::memory_order_release);
  }
  ~Watched() { watch_.began.store(0, std::memory_order_release); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

 private:
  TurnWatch& watch_;
};

}  // namespace

Runtime::Runtime() : desk_(std::make_shared<Desk>(this)) {}

Runtime::~Runtime() {
  actors_.clear();
  desk_->close();
}

void Runtime::deliver(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count, std::uint64_t attempt,
                      wire::TopicPacket events) {
  Parcel parcel;
  parcel.member = member;
  parcel.first = first;
  parcel.count = count;
  parcel.attempt = attempt;
  parcel.message = std::move(events);
  inbox_.push_back(std::move(parcel));
}

void Runtime::lose(std::uint64_t member, const std::vector<wire::Claim>& deliveries) {
  for (const wire::Claim& lost : deliveries) {
    for (auto parcel = inbox_.begin(); parcel != inbox_.end();) {
      const bool same = parcel->member == member && parcel->first.handout == lost.first.handout &&
                        parcel->first.offset + parcel->next < lost.first.offset + lost.count &&
                        lost.first.offset < parcel->first.offset + parcel->count;
      parcel = same ? inbox_.erase(parcel) : std::next(parcel);
    }
  }
}

bool Runtime::step(Now now) {
  if (inbox_.empty() || !port_->has_room()) return false;
  now_ = now;
  Parcel& parcel = inbox_.front();
  if (parcel.opened || open(parcel)) {
    handle(parcel, parcel.next, now);
    ++parcel.next;
  } else {
    parcel.next = parcel.count;
  }
  if (!inbox_.empty() && inbox_.front().next >= inbox_.front().count) inbox_.pop_front();
  return true;
}

/// Reads the packet and looks up who handles its topic, once for all its events.
bool Runtime::open(Parcel& parcel) {
  auto packet = wire::Packet::parse(parcel.message.packet.view, values_);
  if (!packet || packet->header().count != parcel.count) {
    log::error(concat("a delivery at offset ", parcel.first.offset, " is not what it says it is: ",
                      packet ? "its packet has another number of events" : packet.error().message()));
    return false;
  }
  parcel.packet = std::move(*packet);
  parcel.events = parcel.packet->events();
  if (Group* group = group_of(parcel.member)) {
    for (const Subscription& subscription : group->subscriptions) {
      if (subscription.pattern.matches(parcel.message.topic.view)) parcel.subscriptions.push_back(&subscription);
    }
  }
  parcel.opened = true;
  return true;
}

void Runtime::handle(Parcel& parcel, std::uint64_t index, Now now) {
  Incoming incoming;
  incoming.topic = parcel.message.topic.view;
  incoming.data = parcel.events[index].data;
  incoming.attributes = parcel.events[index].attributes;
  incoming.header = &parcel.packet->header();
  incoming.index = index;
  incoming.member = parcel.member;
  incoming.delivery = parcel.first;
  incoming.delivery->offset += index;
  incoming.attempt = parcel.attempt;
  turn_.begin();
  bool kept = false;
  for (const Subscription* subscription : parcel.subscriptions) kept = kept || subscription->takes_delivery;
  Actor* actor = parcel.subscriptions.empty() ? nullptr : parcel.subscriptions.front()->actor;
  const Watched watched(watch_,
                        parcel.subscriptions.empty() ? "" : parcel.subscriptions.front()->pattern.text().c_str(),
                        incoming.delivery->offset, now.instant);
  const bool plain_ack = run_handlers(parcel.subscriptions, incoming) && !kept;
  finish_turn(actor, &incoming, plain_ack);
}

bool Runtime::run_handlers(const std::vector<const Subscription*>& subscriptions, const Incoming& incoming) {
  wire::Verdict verdict = wire::Verdict::retry;
  std::string reason;
  try {
    const Call call{incoming, values_, desk_};
    bool decoded = true;
    for (const Subscription* subscription : subscriptions) {
      if (auto called = subscription->handler(call); !called) {
        decoded = false;
        reason = called.error().message();
        break;
      }
    }
    if (decoded) return true;
    verdict = wire::Verdict::reject;  // it will not decode the next time either
  } catch (...) {
    reason = what_was_thrown();
    ++thrown_;
  }
  turn_.discard();
  if (incoming.delivery) {
    log::warn(
        concat(incoming.topic, " offset ", incoming.delivery->offset, " attempt ", incoming.attempt, ": ", reason,
               verdict == wire::Verdict::reject ? "; it goes to the dead letters" : "; it will be tried again"));
    settle_input(incoming, verdict, std::move(reason));
  } else {
    log::warn(concat(incoming.topic, ": ", reason, "; a live event is not tried again"));
  }
  return false;
}

void Runtime::settle_input(const Incoming& incoming, wire::Verdict verdict, std::string reason) {
  wire::Settlement settlement;
  settlement.member = incoming.member;
  settlement.first = *incoming.delivery;
  settlement.verdict = verdict;
  settlement.reason = reason.substr(0, 200);
  (void)turn_.settle(std::move(settlement));
}

/// Turns what the handlers asked for into one commit.
void Runtime::finish_turn(Actor* actor, const Incoming* input, bool plain_ack) {
  const bool input_acks = plain_ack && input != nullptr && input->delivery.has_value();
  if (input_acks && !turn_.has_durable() && !turn_.has_live() && turn_.settlements().empty()) {
    add_ack(input->member, *input->delivery);
    return turn_.end();
  }
  flush_acks();
  if (input_acks) settle_input(*input, wire::Verdict::ack, {});
  Result<Ticket> ticket = fail(ErrorCode::not_found, "nothing to commit");
  if (!turn_.settlements().empty()) {
    ticket = port_->settle(turn_.settlements(), turn_.durable());
  } else if (turn_.has_durable()) {
    ticket = port_->publish(turn_.durable());
  } else {
    for (const transport::OutgoingEvent& event : turn_.live()) {
      if (auto published = port_->publish_live(event); !published) {
        log::warn(concat(event.topic, ": a live event was not sent: ", published.error().message()));
      }
    }
    return turn_.end();
  }
  if (ticket) {
    note(*ticket, actor, input);
    return turn_.end();
  }
  turn_.end();
  log::warn(concat("a turn was refused before it was sent: ", ticket.error().message()));
  if (actor == nullptr) return;
  const Refusal refusal{ticket.error(), input != nullptr ? std::string(input->topic) : std::string(),
                        input != nullptr && input->delivery ? input->delivery->offset : 0};
  run_task(actor, "on_refused", [&] { actor->on_refused(refusal); });
}

void Runtime::note(Ticket ticket, Actor* actor, const Incoming* input) {
  Note note{ticket, actor, {}, 0, {}};
  if (input != nullptr) {
    note.topic = input->topic;
    note.offset = input->delivery ? input->delivery->offset : 0;
  }
  for (const transport::OutgoingEvent& event : turn_.live()) {
    note.live.push_back({std::string(event.topic), Bytes(event.data), event.key});
  }
  notes_.push_back(std::move(note));
}

void Runtime::add_ack(std::uint64_t member, const wire::DeliveryId& id) {
  const bool follows = acks_.count > 0 && acks_.member == member && acks_.first.handout == id.handout &&
                       acks_.first.offset + acks_.count == id.offset;
  if (!follows) {
    flush_acks();
    acks_ = {member, id, 0};
  }
  ++acks_.count;
}

void Runtime::flush_acks() {
  if (acks_.count == 0) return;
  const Acks acks = std::exchange(acks_, {});
  if (auto sent = port_->acknowledge_each(acks.member, acks.first, acks.count); !sent) {
    log::warn(concat("acknowledgements from offset ", acks.first.offset, " were not sent: ", sent.error().message()));
  }
}

void Runtime::on_live(const Incoming& incoming, Now now) {
  now_ = now;
  std::vector<const Subscription*> subscriptions;
  for (const Subscription& subscription : live_) {
    if (subscription.pattern.matches(incoming.topic)) subscriptions.push_back(&subscription);
  }
  // Each handler is a turn of its own: one that throws does not take another's publications with it.
  for (const Subscription* subscription : subscriptions) {
    turn_.begin();
    const Watched watched(watch_, subscription->pattern.text().c_str(), 0, now.instant);
    if (run_handlers({subscription}, incoming)) {
      finish_turn(subscription->actor, &incoming, false);
    } else {
      turn_.end();
    }
  }
}

void Runtime::on_outcome(Ticket first, const wire::Outcome& outcome, Now now) {
  now_ = now;
  while (!notes_.empty() && notes_.front().ticket < first + outcome.run) {
    const Note note = std::move(notes_.front());
    notes_.pop_front();
    if (note.ticket < first) continue;
    if (outcome.status != wire::OutcomeStatus::refused) {
      for (const LiveEvent& event : note.live) {
        (void)port_->publish_live({event.topic, event.data, {}, event.key});
      }
      continue;
    }
    const Error why{outcome.code, outcome.text};
    log::warn(concat("the proxy refused a turn of ", note.topic.empty() ? "a timer" : note.topic, " offset ",
                     note.offset, ": ", why.message()));
    if (note.actor == nullptr) continue;
    const Refusal refusal{why, note.topic, note.offset};
    run_task(note.actor, "on_refused", [&] { note.actor->on_refused(refusal); });
  }
}

void Runtime::start(Now now) {
  now_ = now;
  if (std::exchange(started_, true)) return;
  for (std::uint64_t id : std::exchange(unstarted_, {})) timers_.set(now.instant + unstarted_delay_.at(id), id);
  unstarted_delay_.clear();
}

void Runtime::tick(Now now) {
  now_ = now;
  for (std::uint64_t id : timers_.expired(now.instant)) {
    auto found = timer_tasks_.find(id);
    if (found == timer_tasks_.end()) continue;  // cancelled
    const TimerTask task = found->second;
    if (task.interval) {
      timers_.set(now.instant + *task.interval, id);
    } else {
      timer_tasks_.erase(found);
    }
    run_task(task.actor, "timer", task.run);
  }
}

std::uint64_t Runtime::set_timer(Actor& actor, Duration delay, std::optional<Duration> interval,
                                 std::function<void()> run) {
  const std::uint64_t id = ++last_timer_;
  timer_tasks_[id] = {&actor, interval, std::move(run), id};
  if (started_) {
    timers_.set(now_.instant + delay, id);
  } else {
    unstarted_.push_back(id);
    unstarted_delay_[id] = delay;
  }
  return id;
}

/// A turn without an input.
void Runtime::run_task(Actor* actor, std::string_view what, const std::function<void()>& run) {
  turn_.begin();
  const Watched watched(watch_, what.data(), 0, now_.instant);
  try {
    run();
  } catch (...) {
    ++thrown_;
    turn_.discard();
    log::warn(concat(what, ": ", what_was_thrown(), "; what it published is dropped"));
  }
  finish_turn(actor, nullptr, false);
}

}  // namespace spindle::actor
