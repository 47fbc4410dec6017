#include "spindle/testing/virtual_proxy.hpp"

#include <algorithm>

#include "spindle/base/concat.hpp"

namespace spindle::testing {
namespace {

// The proxy's defaults (PROTOCOL.md, "attach").
constexpr std::uint64_t max_attempts_default = 8;
constexpr std::chrono::milliseconds backoff_min_default = std::chrono::seconds(1);
constexpr std::chrono::milliseconds backoff_max_default = std::chrono::seconds(60);
constexpr std::chrono::milliseconds ack_deadline_default = std::chrono::seconds(30);

constexpr std::uint64_t run = 1;
constexpr std::uint64_t generation = 1;

Duration backoff(const GroupOptions& options, std::uint64_t attempt) {
  Duration delay = options.backoff_min.value_or(backoff_min_default);
  const Duration most = std::max<Duration>(options.backoff_max.value_or(backoff_max_default), delay);
  for (std::uint64_t i = 1; i < attempt && delay < most; ++i) delay *= 2;
  return std::min(delay, most);
}

}  // namespace

Bytes VirtualEvent::packet(wire::EventClass event_class) const {
  wire::PacketHeader header;
  header.source = "harness/virtual/0";
  header.epoch = 1;
  header.event_class = event_class;
  header.sequence = offset + 1;
  header.topic_count = topic_count;
  header.time_ns = time_ns;
  wire::PacketBuilder builder;
  builder.add(data, {}, key);
  return builder.finish(header);
}

void VirtualProxy::hand_out(std::size_t group, const VirtualEvent& event, std::uint64_t attempt, Now now) {
  now_ = now;
  if (Held held{group, event, attempt}; waits_for_its_key(held)) {
    record(held, Verdict::waits, {});
    held_back_.emplace(event.offset, std::move(held));
    return;
  }
  const std::uint64_t handout = ++last_handout_;
  held_.emplace(handout, Held{group, event, attempt});
  watch_oldest();
  at_hand_ = handout;
  runtime_.deliver(runtime_.groups()[group].member, {run, generation, handout, event.offset}, 1, attempt,
                   {SharedBytes::own(event.topic), SharedBytes::own(event.packet(wire::EventClass::durable))});
  while (runtime_.step(now)) {
  }
  runtime_.flush_acks();
  at_hand_.reset();
  if (auto kept = held_.find(handout); kept != held_.end()) record(kept->second, Verdict::kept, {});
  tell_outcomes(now);
  release(now);
}

/// Whether one of its key before it is to come again first.
bool VirtualProxy::waits_for_its_key(const Held& held) const {
  if (!held.event.key) return false;
  auto before = [&](const Held& other) {
    return other.group == held.group && other.event.key == held.event.key && other.event.offset < held.event.offset;
  };
  return std::any_of(retries_.begin(), retries_.end(), [&](const auto& retry) { return before(retry.second); }) ||
         std::any_of(held_back_.begin(), held_back_.end(), [&](const auto& back) { return before(back.second); });
}

void VirtualProxy::release(Now now) {
  const auto next = std::find_if(held_back_.begin(), held_back_.end(),
                                 [&](const auto& back) { return !waits_for_its_key(back.second); });
  if (next == held_back_.end()) return;
  const Held held = held_back_.extract(next).mapped();
  hand_out(held.group, held.event, held.attempt, now);  // which releases the next
}

void VirtualProxy::tell_outcomes(Now now) {
  now_ = now;
  while (!outcomes_.empty()) {  // what is told may commit again
    for (const wire::Outcome& outcome : std::exchange(outcomes_, {})) {
      runtime_.on_outcome(outcome.number, outcome, now);
    }
  }
}

void VirtualProxy::tick(Now now) {
  now_ = now;
  for (const auto& [group, oldest] : std::map(oldest_)) {
    if (oldest.since + ack_deadline(group) > now.instant) continue;
    auto late = held_.extract(oldest.handout);
    const Held& held = late.mapped();
    runtime_.lose(runtime_.groups()[group].member,
                  {{{run, generation, oldest.handout, held.event.offset}, 1, held.attempt}});
    fail_attempt(held, std::nullopt, "its ack deadline passed");
  }
  watch_oldest();
  while (!retries_.empty() && retries_.begin()->first <= now.instant) {
    const auto again = retries_.extract(retries_.begin());
    hand_out(again.mapped().group, again.mapped().event, again.mapped().attempt, now);
  }
  release(now);
}

std::optional<Instant> VirtualProxy::next_deadline() const {
  std::optional<Instant> next;
  auto consider = [&](Instant when) { next = next ? std::min(*next, when) : when; };
  if (!retries_.empty()) consider(retries_.begin()->first);
  for (const auto& [group, oldest] : oldest_) consider(oldest.since + ack_deadline(group));
  return next;
}

Duration VirtualProxy::ack_deadline(std::size_t group) const {
  return options(group).ack_deadline.value_or(ack_deadline_default);
}

std::uint64_t VirtualProxy::oldest_in(std::size_t group) const {
  auto found = std::find_if(held_.begin(), held_.end(), [&](const auto& h) { return h.second.group == group; });
  return found == held_.end() ? 0 : found->first;
}

/// The deadline runs from when a delivery became the oldest.
void VirtualProxy::watch_oldest() {
  for (std::size_t group = 0; group < runtime_.groups().size(); ++group) {
    const std::uint64_t handout = oldest_in(group);
    if (handout == 0) {
      oldest_.erase(group);
    } else if (oldest_[group].handout != handout) {
      oldest_[group] = {handout, now_.instant};
    }
  }
}

void VirtualProxy::record(const Held& held, Verdict verdict, std::string reason) {
  settled.push_back({runtime_.groups()[held.group].name, held.event.topic, held.event.offset, held.attempt, verdict,
                     std::move(reason)});
}

void VirtualProxy::fail_attempt(const Held& held, std::optional<std::uint64_t> retry_after_ms, std::string reason) {
  if (held.attempt >= options(held.group).max_attempts.value_or(max_attempts_default)) {
    return bury(held, reason);
  }
  record(held, Verdict::retried, std::move(reason));
  const Duration delay = retry_after_ms ? std::chrono::milliseconds(static_cast<std::int64_t>(*retry_after_ms))
                                        : backoff(options(held.group), held.attempt);
  Held again = held;
  ++again.attempt;
  retries_.emplace(now_.instant + delay, std::move(again));
}

void VirtualProxy::bury(const Held& held, const std::string& reason) {
  record(held, Verdict::rejected, reason);
  dead_letters.push_back({runtime_.groups()[held.group].name, held.event.topic, held.event.offset, held.attempt,
                          reason, held.event.data});
}

void VirtualProxy::apply(const wire::Settlement& settlement) {
  const auto taken = held_.extract(settlement.first.handout);
  const Held& held = taken.mapped();
  switch (settlement.verdict) {
    case wire::Verdict::ack: return record(held, Verdict::acked, {});
    case wire::Verdict::retry: return fail_attempt(held, settlement.retry_after_ms, settlement.reason);
    case wire::Verdict::reject: return bury(held, settlement.reason);
  }
}

/// Carries it out, or refuses it as asked; its outcome is told when the turn has ended.
actor::Ticket VirtualProxy::commit(std::span<const wire::Settlement> settlements,
                                   std::span<const transport::OutgoingEvent> events) {
  wire::Outcome outcome;
  outcome.number = ++last_ticket_;
  if (auto why = std::exchange(refuse_next_, std::nullopt)) {
    outcome.status = wire::OutcomeStatus::refused;
    outcome.code = why->code;
    outcome.text = why->text;
    for (const wire::Settlement& settlement : settlements) {
      const auto taken = held_.extract(settlement.first.handout);
      if (why->code == ErrorCode::stale) {
        record(taken.mapped(), Verdict::refused, why->message());
      } else {
        fail_attempt(taken.mapped(), std::nullopt, "its turn was refused: " + why->text);
      }
    }
  } else {
    for (const wire::Settlement& settlement : settlements) apply(settlement);
    for (const transport::OutgoingEvent& event : events)
      published.push_back({std::string(event.topic), Bytes(event.data)});
  }
  watch_oldest();
  outcomes_.push_back(std::move(outcome));
  return last_ticket_;
}

void VirtualProxy::check_publications(std::span<const wire::Settlement> settlements,
                                      std::span<const transport::OutgoingEvent> events) {
  if (!at_hand_ || events.empty() || !fault.empty()) return;
  const bool settles_input = std::any_of(settlements.begin(), settlements.end(), [&](const wire::Settlement& each) {
    return each.first.handout == *at_hand_;
  });
  if (settles_input) return;
  const Held& held = held_.at(*at_hand_);
  fault = concat("the turn for ", held.event.topic, " of group ", runtime_.groups()[held.group].name, " publishes ",
                 events[0].topic,
                 " while it keeps its Delivery: if the process dies before the delivery is settled, the event comes "
                 "again and is published again; publish in the turn that settles it");
}

Result<actor::Ticket> VirtualProxy::settle(std::span<const wire::Settlement> settlements,
                                           std::span<const transport::OutgoingEvent> events) {
  for (const wire::Settlement& settlement : settlements) {
    if (held_.contains(settlement.first.handout)) continue;
    at_hand_.reset();  // what follows is not the turn any more
    return fail(ErrorCode::stale, "a delivery of this turn is not held any more");
  }
  check_publications(settlements, events);
  return commit(settlements, events);
}

Result<actor::Ticket> VirtualProxy::acknowledge_each(std::uint64_t member, const wire::DeliveryId& first,
                                                     std::uint64_t count) {
  wire::Settlement settlement;  // hand-outs are of one event each
  settlement.member = member;
  settlement.first = first;
  settlement.count = count;
  return settle({&settlement, 1}, {});
}

Result<actor::Ticket> VirtualProxy::publish(std::span<const transport::OutgoingEvent> events) {
  check_publications({}, events);
  return commit({}, events);
}

Result<void> VirtualProxy::publish_live(const transport::OutgoingEvent& event) {
  check_publications({}, {&event, 1});
  published.push_back({std::string(event.topic), Bytes(event.data)});
  return {};
}

void VirtualProxy::extend(std::uint64_t, const wire::DeliveryId& delivery) {
  for (auto& [group, oldest] : oldest_) {
    if (oldest.handout == delivery.handout) oldest.since = now_.instant;
  }
}

/// Its hand-outs are of one event each and handled at once, so none is taken back.
void VirtualProxy::forget(std::uint64_t, const wire::DeliveryId& delivery) { held_.erase(delivery.handout); }

}  // namespace spindle::testing
