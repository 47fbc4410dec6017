// Handling: what comes in becomes turns.
#include "spindle/actor/runtime.hpp"

#include <algorithm>
#include <exception>
#include <typeinfo>

#include "spindle/actor/log.hpp"
#include "spindle/base/concat.hpp"

namespace spindle::actor {

/// Outlives the runtime in the hands of kept deliveries; then it settles nothing.
class Runtime::Desk final : public DeliveryDesk {
 public:
  explicit Desk(Runtime* runtime) : runtime_(runtime) {}
  void close() { runtime_ = nullptr; }

  Result<void> settle(wire::Settlement settlement, std::optional<std::uint32_t> key) override {
    if (runtime_ == nullptr) return fail(ErrorCode::closed, "the service has stopped; the event comes again");
    return runtime_->turn_.settle(std::move(settlement), key);
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

}  // namespace

Runtime::Runtime() : desk_(std::make_shared<Desk>(this)) {}

Runtime::~Runtime() {
  actors_.clear();
  desk_->close();
}

bool Runtime::Parcel::is_lost(std::uint64_t offset) const {
  for (const auto& [begin, end] : lost) {
    if (begin <= offset && offset < end) return true;
  }
  return false;
}

void Runtime::Parcel::skip_lost() {
  while (!lost.empty() && next < count && is_lost(first.offset + next)) ++next;
}

void Runtime::deliver(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count, std::uint64_t attempt,
                      wire::TopicPacket events) {
  if (count == 0) return;
  if (Group* group = group_of(member); group != nullptr && group->generation != first.generation) {
    group->generation = first.generation;
    retried_keys_.forget(member);
  }
  Parcel& parcel = inbox_.emplace_back();
  parcel.number = ++last_parcel_;
  parcel.member = member;
  parcel.first = first;
  parcel.count = count;
  parcel.attempt = attempt;
  parcel.message = std::move(events);
}

void Runtime::lose(std::uint64_t member, const std::vector<wire::Claim>& deliveries) {
  for (const wire::Claim& lost : deliveries) {
    for (Parcel& parcel : inbox_) {
      if (parcel.member != member || parcel.first.run != lost.first.run ||
          parcel.first.handout != lost.first.handout) {
        continue;
      }
      parcel.lost.emplace_back(lost.first.offset, lost.first.offset + lost.count);
      parcel.skip_lost();
    }
  }
  std::erase_if(inbox_, [](const Parcel& parcel) { return parcel.next >= parcel.count; });
}

bool Runtime::step(Now now) {
  if (inbox_.empty() || !port_->has_room()) return false;
  now_ = now;
  Parcel& parcel = inbox_.front();
  if (parcel.opened || open(parcel)) {
    if (!took_back(parcel, parcel.next)) handle(parcel, parcel.next);
    ++parcel.next;
    parcel.skip_lost();
  } else {
    parcel.next = parcel.count;
  }
  if (parcel.next >= parcel.count) inbox_.pop_front();
  return true;
}

/// Whether the proxy has taken this event back because one of its key before it is to come again.
bool Runtime::took_back(const Parcel& parcel, std::uint64_t index) {
  if (retried_keys_.empty()) return false;
  retried_keys_.forget_before(parcel.number);
  const auto key = parcel.packet->key(index);
  if (!key || !retried_keys_.took_back(parcel.member, *key, parcel.first.offset + index, parcel.number)) return false;
  wire::DeliveryId delivery = parcel.first;
  delivery.offset += index;
  port_->forget(parcel.member, delivery);
  return true;
}

/// Reads the packet and looks up who handles its topic, once for all its events.
bool Runtime::open(Parcel& parcel) {
  auto packet = wire::Packet::parse(parcel.message.packet.view, values_);
  if (!packet || packet->header().count != parcel.count) {
    reject_unreadable(parcel,
                      packet ? "its packet has another number of events" : "its packet: " + packet.error().message());
    return false;
  }
  parcel.packet = std::move(*packet);
  parcel.events = parcel.packet->events();
  if (Group* group = group_of(parcel.member)) {
    for (const Subscription& subscription : group->subscriptions) {
      if (!subscription.pattern.matches(parcel.message.topic.view)) continue;
      parcel.subscriptions.push_back(&subscription);
      parcel.kept = parcel.kept || subscription.takes_delivery;
      const bool known =
          std::find(parcel.actors.begin(), parcel.actors.end(), subscription.actor) != parcel.actors.end();
      if (!known) parcel.actors.push_back(subscription.actor);
    }
  }
  parcel.opened = true;
  return true;
}

/// It would come again for ever.
void Runtime::reject_unreadable(const Parcel& parcel, const std::string& reason) {
  log::error(concat("a delivery at offset ", parcel.first.offset, " is not what it says it is: ", reason));
  wire::Settlement settlement;
  settlement.member = parcel.member;
  settlement.first = parcel.first;
  settlement.count = parcel.count;
  settlement.verdict = wire::Verdict::reject;
  settlement.reason = reason;
  turn_.begin();
  (void)turn_.settle(std::move(settlement));
  finish_turn({}, nullptr, false);
}

void Runtime::handle(Parcel& parcel, std::uint64_t index) {
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
  incoming.key = parcel.packet->key(index);
  turn_.begin();
  watch_.begin(incoming.delivery->offset);
  if (parcel.subscriptions.empty()) {  // acknowledging would lose it for the members that do handle it
    (void)turn_.settle(settlement_of(incoming, wire::Verdict::retry, "this member has no handler for the topic"),
                       incoming.key);
    finish_turn({}, &incoming, false);
  } else {
    const bool through = run_handlers(parcel.subscriptions, incoming);
    static const Actors nobody;  // has lost anything when a turn that failed anyway is refused
    finish_turn(through ? parcel.actors : nobody, &incoming, through && !parcel.kept);
  }
  watch_.end();
}

bool Runtime::run_handlers(std::span<const Subscription* const> subscriptions, const Incoming& incoming) {
  wire::Verdict verdict = wire::Verdict::retry;
  std::string reason;
  try {
    const Call call{incoming, values_, desk_};
    bool decoded = true;
    for (const Subscription* subscription : subscriptions) {
      watch_.busy(typeid(*subscription->actor).name(), subscription->pattern.text().c_str());
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
  turn_.undo(reason);
  if (incoming.delivery) {
    log::warn(concat(incoming.topic, " offset ", incoming.delivery->offset, " attempt ", incoming.attempt, ": ",
                     reason,
                     verdict == wire::Verdict::reject
                         ? "; it goes to the dead letters"
                         : "; it comes again, or goes to the dead letters if this was its last attempt"));
    turn_.settle_instead(settlement_of(incoming, verdict, std::move(reason)), incoming.key);
  } else {
    log::warn(concat(incoming.topic, ": ", reason, "; a live event is not tried again"));
  }
  return false;
}

wire::Settlement Runtime::settlement_of(const Incoming& incoming, wire::Verdict verdict, std::string reason) const {
  wire::Settlement settlement;
  settlement.member = incoming.member;
  settlement.first = *incoming.delivery;
  settlement.verdict = verdict;
  settlement.reason = std::move(reason);
  return settlement;
}

void Runtime::on_live(const Incoming& incoming, Now now) {
  now_ = now;
  // Each handler is a turn of its own: one that throws does not take another's publications with it.
  for (const Subscription& subscription : live_) {
    if (!subscription.pattern.matches(incoming.topic)) continue;
    turn_.begin();
    watch_.begin(0);
    const Subscription* const only[] = {&subscription};
    run_handlers(only, incoming);
    if (turn_.empty()) {
      turn_.end();
    } else {
      finish_turn({subscription.actor}, &incoming, false);
    }
    watch_.end();
  }
}

/// A turn without an input.
void Runtime::run_task(Actor* actor, const char* what, const std::function<void()>& run, bool told_of_refusal) {
  turn_.begin();
  watch_.begin(0);
  watch_.busy(typeid(*actor).name(), what);
  try {
    run();
  } catch (...) {
    ++thrown_;
    const std::string reason = what_was_thrown();
    turn_.undo(reason);
    log::warn(concat(what, ": ", reason, "; what it published is dropped"));
  }
  finish_turn(told_of_refusal ? Actors{actor} : Actors{}, nullptr, false);
  watch_.end();
}

}  // namespace spindle::actor
