// Who is in a group and what each member holds.
#include <algorithm>

#include "proxy/group.hpp"
#include "proxy/text.hpp"

namespace spindle::proxy {

bool Group::Member::has_room() const {
  if (suspended) return false;
  return pending_events == 0 || (pending_events < credit_events && pending_bytes < credit_bytes);
}

bool Group::Member::matches(std::string_view topic) const {
  return std::any_of(patterns.begin(), patterns.end(), [&](const wire::Pattern& p) { return p.matches(topic); });
}

Group::Member* Group::find(const MemberKey& key) {
  auto found = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.key == key; });
  return found == members_.end() ? nullptr : &*found;
}

const Group::Member* Group::find(const MemberKey& key) const { return const_cast<Group*>(this)->find(key); }

std::vector<wire::Claim> Group::join(const Joining& joining, Now now) {
  unblock();
  Member* member = find(joining.key);
  if (member == nullptr) {
    member = &members_.emplace_back();
    member->key = joining.key;
  }
  member->patterns = joining.patterns;
  member->credit_events = std::min(joining.credit_events, member_events_max);
  member->credit_bytes = joining.credit_bytes;
  member->suspended = false;
  give_back_all(*member);
  std::vector<wire::Claim> granted;
  for (const wire::Claim& asked : joining.claims) {
    if (granted.size() >= granted_claims_max) break;
    for (wire::Claim& part : claim(*member, asked, now)) granted.push_back(part);
  }
  expected_.erase(joining.key);
  // Topics that nobody wanted before may be this member's.
  parked_ranges_ = 0;
  const auto parked = std::exchange(parked_, {});
  for (const auto& [topic, ranges] : parked) {
    for (const auto& [range, attempt] : ranges) hand_out_again(range, attempt);
  }
  return granted;
}

/// Grants the parts of the claim that are neither settled nor with somebody else.
std::vector<wire::Claim> Group::claim(Member& member, const wire::Claim& asked, Now now) {
  std::vector<wire::Claim> granted;
  const IntervalSet free = available(asked);
  for (const Interval& range : free.intervals()) {
    wire::Claim part = asked;
    part.first.offset = range.begin;
    part.count = range.size();
    withdraw(range);
    if (range.end > cursor_) ahead_.add({std::max(range.begin, cursor_), range.end});
    remember(member, asked.first.handout, range, part.attempt, 0, now);
    granted.push_back(part);
  }
  return granted;
}

/// What of the claim nobody holds: it waits to be handed out again, or was handed out by an earlier run of the proxy
/// and not since. Another attempt is another delivery: what the client claims because it does not know yet that its
/// retry was stored is not its own any more.
IntervalSet Group::available(const wire::Claim& claim) const {
  IntervalSet free;
  const std::uint64_t begin = claim.first.offset;
  const std::uint64_t end = begin + std::min(claim.count, member_events_max);
  if (end < begin || claim.first.generation != identity_.generation || claim.first.handout > last_handout_)
    return free;
  auto run = ready_.upper_bound(begin);
  if (run != ready_.begin()) --run;
  for (; run != ready_.end() && run->first < end; ++run) {
    free.add({std::max(begin, run->first), std::min(end, run->second.end)});
  }
  if (claim.first.handout >> 40 < run_) {
    const Interval unseen{std::max(begin, cursor_), std::min(end, claimable_end_)};
    if (unseen.begin < unseen.end) {
      for (const Interval& gap : ahead_.gaps(unseen)) free.add(gap);
    }
  }
  IntervalSet failed;
  IntervalSet failed_as_claimed;
  for (auto at = failures_.lower_bound(begin); at != failures_.end() && at->first < end; ++at) {
    failed.add({at->first, at->first + 1});
    if (at->second.attempts + 1 == claim.attempt) failed_as_claimed.add({at->first, at->first + 1});
  }
  const std::vector<Interval> others = claim.attempt == 1 ? failed.intervals() : failed_as_claimed.gaps({begin, end});
  for (const Interval& range : others) free.remove(range);
  return free;
}

void Group::suspend(const MemberKey& key) {
  if (Member* member = find(key)) member->suspended = true;
}

void Group::set_credit(const MemberKey& key, std::uint64_t events, std::uint64_t bytes) {
  Member* member = find(key);
  if (member == nullptr) return;
  member->credit_events = std::min(events, member_events_max);
  member->credit_bytes = bytes;
  unblock();
}

std::vector<GroupEffect> Group::leave(const MemberKey& key, bool lost, Now now) {
  std::vector<GroupEffect> effects;
  Member* member = find(key);
  if (member == nullptr) return effects;
  if (const auto working_on = oldest(*member); lost && working_on) {
    const auto& [number, handout] = *member->handouts.begin();
    const Interval first{working_on->begin, working_on->begin + 1};
    fail_attempt(first, handout.attempt, "member lost", Duration::zero(), now, effects);
    take(*member, number, first, now);
  }
  give_back_all(*member);
  members_.erase(members_.begin() + (member - members_.data()));
  unblock();
  return effects;
}

/// Everything that the member holds goes back to be handed out again, uncounted.
void Group::give_back_all(Member& member) {
  for (const auto& [number, handout] : member.handouts) {
    for (const Interval& range : handout.left.intervals()) hand_out_again(range, handout.attempt);
  }
  member.handouts.clear();
  member.pending_events = 0;
  member.pending_bytes = 0;
}

void Group::hand_out_again(Interval range, std::uint64_t attempt) {
  unblock();
  auto next = ready_.lower_bound(range.begin);
  if (next != ready_.begin()) {
    auto& [begin, before] = *std::prev(next);
    if (before.end == range.begin && before.attempt == attempt) {
      before.end = range.end;
      return;
    }
  }
  ready_[range.begin] = {range.end, attempt};
}

/// Something changed that may make what was useless to read before useful now.
void Group::unblock() {
  blocked_ = false;
  ready_from_ = 0;
  read_error_.clear();
}

std::optional<Interval> Group::oldest(const Member& member) const {
  if (member.handouts.empty()) return std::nullopt;
  return member.handouts.begin()->second.left.intervals().front();
}

const Group::Handout* Group::handout_of(const MemberKey& key, const wire::DeliveryId& delivery) const {
  if (delivery.generation != identity_.generation) return nullptr;
  const Member* member = find(key);
  if (member == nullptr) return nullptr;
  auto found = member->handouts.find(delivery.handout);
  return found == member->handouts.end() ? nullptr : &found->second;
}

bool Group::holds(const MemberKey& key, const wire::Settlement& settlement) const {
  const std::uint64_t begin = settlement.first.offset;
  if (settlement.count == 0 || begin + settlement.count < begin) return false;
  const Handout* handout = handout_of(key, settlement.first);
  return handout != nullptr && handout->left.contains(Interval{begin, begin + settlement.count});
}

std::vector<Interval> Group::held_of(const MemberKey& key, const wire::Settlement& settlement) const {
  const std::uint64_t begin = settlement.first.offset;
  const std::uint64_t end = begin + settlement.count;
  std::vector<Interval> held;
  const Handout* handout = handout_of(key, settlement.first);
  if (handout == nullptr || end < begin) return held;
  for (const Interval& range : handout->left.intervals()) {
    const Interval part{std::max(begin, range.begin), std::min(end, range.end)};
    if (part.begin < part.end) held.push_back(part);
  }
  return held;
}

void Group::settle(const MemberKey& key, const wire::Settlement& settlement, Now now,
                   std::vector<GroupEffect>& effects) {
  Member& member = *find(key);
  const std::uint64_t attempt = member.handouts.at(settlement.first.handout).attempt;
  const Interval range{settlement.first.offset, settlement.first.offset + settlement.count};
  take(member, settlement.first.handout, range, now);
  unblock();
  if (settlement.verdict == wire::Verdict::ack) {
    return add_effect(effects, {GroupEffect::What::done, identity_.id, range, 0, 0, {}});
  }
  const std::string reason = clean_text(settlement.reason, reason_bytes_max);
  if (settlement.verdict == wire::Verdict::reject) {  // no attempt is left, whatever the group allows
    return add_effect(effects, {GroupEffect::What::bury, identity_.id, range, attempt, 0, reason});
  }
  std::optional<Duration> delay;
  if (settlement.retry_after_ms) {
    delay = std::chrono::milliseconds(std::min<std::uint64_t>(*settlement.retry_after_ms, 365ull * 86'400'000));
  }
  fail_attempt(range, attempt, reason, delay, now, effects);
}

bool Group::extend(const MemberKey& key, const wire::DeliveryId& delivery, Now now) {
  wire::Settlement named;
  named.first = delivery;
  if (!holds(key, named)) return false;
  Member& member = *find(key);
  if (oldest(member)->begin == delivery.offset) member.oldest_since = now.instant;
  return true;
}

/// Takes settled or failed events out of a hand-out.
void Group::take(Member& member, std::uint64_t handout, Interval range, Now now) {
  const std::uint64_t oldest_before = oldest(member)->begin;
  auto found = member.handouts.find(handout);
  member.pending_events -= range.size();
  member.pending_bytes -= range.size() * found->second.bytes_each;
  found->second.left.remove(range);
  if (found->second.left.empty()) member.handouts.erase(found);
  const auto after = oldest(member);
  if (after && after->begin != oldest_before) member.oldest_since = now.instant;
}

void Group::remember(Member& member, std::uint64_t number, Interval range, std::uint64_t attempt,
                     std::uint64_t bytes_each, Now now) {
  if (member.handouts.empty()) member.oldest_since = now.instant;
  Handout& handout = member.handouts[number];
  handout.left.add(range);
  handout.attempt = attempt;
  handout.bytes_each = bytes_each;
  member.pending_events += range.size();
  member.pending_bytes += range.size() * bytes_each;
}

}  // namespace spindle::proxy
