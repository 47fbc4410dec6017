// Who is in a group and what each member holds.
#include <algorithm>

#include "proxy/group.hpp"

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
  blocked_ = false;
  Member* member = find(joining.key);
  if (member == nullptr) {
    member = &members_.emplace_back();
    member->key = joining.key;
  }
  member->patterns = joining.patterns;
  member->credit_events = joining.credit_events;
  member->credit_bytes = joining.credit_bytes;
  member->suspended = false;
  const std::deque<std::uint64_t> before = std::exchange(member->handouts, {});
  for (std::uint64_t handout : before) give_back(handout, now);
  std::vector<wire::Claim> granted;
  for (const wire::Claim& asked : joining.claims) {
    for (wire::Claim& part : claim(*member, asked, now)) granted.push_back(part);
  }
  expected_.erase(joining.key);
  // Topics that nobody wanted before may be this member's.
  auto parked = std::exchange(parked_, {});
  for (auto& [topic, ranges] : parked) {
    for (const auto& [range, attempt] : ranges) hand_out_again(range, attempt);
  }
  return granted;
}

/// Grants the parts of the claim that are neither settled nor with somebody else.
std::vector<wire::Claim> Group::claim(Member& member, const wire::Claim& asked, Now now) {
  std::vector<wire::Claim> granted;
  if (asked.first.generation != identity_.generation || handouts_.contains(asked.first.handout)) return granted;
  Handout handout{member.key, {}, asked.attempt, 0};
  const std::uint64_t end = asked.first.offset + std::min<std::uint64_t>(asked.count, 1u << 20);
  for (std::uint64_t offset = asked.first.offset; offset < end; ++offset) {
    if (!available(offset)) continue;
    take_available(offset);
    handout.left.add({offset, offset + 1});
  }
  for (const Interval& range : handout.left.intervals()) {
    wire::Claim part = asked;
    part.first.offset = range.begin;
    part.count = range.size();
    granted.push_back(part);
  }
  if (!handout.left.empty()) remember(member, std::move(handout), asked.first.handout, now);
  return granted;
}

bool Group::available(std::uint64_t offset) const {
  if (offset >= cursor_ && !ahead_.contains(offset)) return true;
  auto run = ready_.upper_bound(offset);
  return run != ready_.begin() && std::prev(run)->second.end > offset;
}

void Group::take_available(std::uint64_t offset) {
  auto run = ready_.upper_bound(offset);
  if (run != ready_.begin() && std::prev(run)->second.end > offset) {
    const auto [begin, again] = *std::prev(run);
    ready_.erase(begin);
    if (begin < offset) ready_[begin] = {offset, again.attempt};
    if (offset + 1 < again.end) ready_[offset + 1] = again;
    return;
  }
  ahead_.add({offset, offset + 1});
}

void Group::suspend(const MemberKey& key) {
  if (Member* member = find(key)) member->suspended = true;
}

void Group::set_credit(const MemberKey& key, std::uint64_t events, std::uint64_t bytes) {
  Member* member = find(key);
  if (member == nullptr) return;
  member->credit_events = events;
  member->credit_bytes = bytes;
  blocked_ = false;
}

std::vector<GroupEffect> Group::leave(const MemberKey& key, bool lost, Now now) {
  std::vector<GroupEffect> effects;
  Member* member = find(key);
  if (member == nullptr) return effects;
  if (const auto working_on = oldest(*member); lost && working_on) {
    Handout& handout = handouts_.at(member->handouts.front());
    const std::uint64_t attempt = handout.attempt;
    take(handout, {working_on->begin, working_on->begin + 1}, now);
    fail_attempt(working_on->begin, attempt, "member lost", Duration::zero(), now, effects);
  }
  const std::deque<std::uint64_t> held = member->handouts;
  members_.erase(members_.begin() + (member - members_.data()));
  for (std::uint64_t handout : held) give_back(handout, now);
  blocked_ = false;
  return effects;
}

/// Everything that is left of a hand-out goes back to be handed out again, uncounted.
void Group::give_back(std::uint64_t handout_number, Now) {
  auto found = handouts_.find(handout_number);
  if (found == handouts_.end()) return;
  const Handout handout = std::move(found->second);
  handouts_.erase(found);
  std::uint64_t events = 0;
  for (const Interval& range : handout.left.intervals()) {
    events += range.size();
    hand_out_again(range, handout.attempt);
  }
  if (Member* member = find(handout.member)) {
    member->pending_events -= events;
    member->pending_bytes -= events * handout.bytes_each;
  }
}

void Group::hand_out_again(Interval range, std::uint64_t attempt) {
  blocked_ = false;
  ready_[range.begin] = {range.end, attempt};
}

std::optional<Interval> Group::oldest(const Member& member) const {
  if (member.handouts.empty()) return std::nullopt;
  return handouts_.at(member.handouts.front()).left.intervals().front();  // settled ones never stay at the front
}

bool Group::holds(const MemberKey& key, const wire::Settlement& settlement) const {
  auto found = handouts_.find(settlement.first.handout);
  return settlement.count > 0 && settlement.first.generation == identity_.generation && found != handouts_.end() &&
         found->second.member == key && settlement.first.offset + settlement.count > settlement.first.offset &&
         found->second.left.contains(Interval{settlement.first.offset, settlement.first.offset + settlement.count});
}

std::vector<GroupEffect> Group::settle(const MemberKey& key, const wire::Settlement& settlement, Now now) {
  std::vector<GroupEffect> effects;
  if (!holds(key, settlement)) return effects;
  Handout& handout = handouts_.at(settlement.first.handout);
  const std::uint64_t attempt = handout.attempt;
  const Interval range{settlement.first.offset, settlement.first.offset + settlement.count};
  take(handout, range, now);
  blocked_ = false;
  if (settlement.verdict == wire::Verdict::ack) {
    effects.push_back({GroupEffect::What::done, identity_.id, range, 0, 0, {}});
    return effects;
  }
  std::optional<Duration> delay;
  if (settlement.retry_after_ms) {
    delay = std::chrono::milliseconds(std::min<std::uint64_t>(*settlement.retry_after_ms, 365ull * 86'400'000));
  }
  for (std::uint64_t offset = range.begin; offset < range.end; ++offset) {
    // Rejected: no attempt is left, whatever the group allows.
    const bool reject = settlement.verdict == wire::Verdict::reject;
    fail_attempt(offset, attempt, settlement.reason, delay, now, effects);
    if (reject) effects.back().what = GroupEffect::What::bury;
  }
  return effects;
}

bool Group::extend(const MemberKey& key, const wire::DeliveryId& delivery, Now now) {
  wire::Settlement named;
  named.first = delivery;
  if (!holds(key, named)) return false;
  Member& member = *find(key);
  if (member.handouts.front() == delivery.handout && oldest(member)->begin == delivery.offset) {
    member.oldest_since = now.instant;
  }
  return true;
}

/// Takes settled or failed events out of a hand-out.
void Group::take(Handout& handout, Interval range, Now now) {
  Member& member = *find(handout.member);
  const auto before = oldest(member);
  handout.left.remove(range);
  member.pending_events -= range.size();
  member.pending_bytes -= range.size() * handout.bytes_each;
  while (!member.handouts.empty() && handouts_.at(member.handouts.front()).left.empty()) {
    handouts_.erase(member.handouts.front());
    member.handouts.pop_front();
  }
  const auto after = oldest(member);
  if (!after || !before || after->begin != before->begin) member.oldest_since = now.instant;
}

void Group::remember(Member& member, Handout handout, std::uint64_t number, Now now) {
  std::uint64_t events = 0;
  for (const Interval& range : handout.left.intervals()) events += range.size();
  if (member.handouts.empty()) member.oldest_since = now.instant;
  member.pending_events += events;
  member.pending_bytes += events * handout.bytes_each;
  member.handouts.push_back(number);
  handouts_.emplace(number, std::move(handout));
}

}  // namespace spindle::proxy
