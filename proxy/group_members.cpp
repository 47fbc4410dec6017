// Who is in a group and what each member holds.
#include <algorithm>
#include <functional>
#include <utility>

#include "proxy/group.hpp"
#include "proxy/text.hpp"

namespace spindle::proxy {

bool Group::Member::has_room() const {
  if (suspended) return false;
  return pending_events == 0 || (pending_events < credit_events && pending_bytes < credit_bytes);
}

/// At least 1: one event is always delivered to a member that holds none.
std::uint64_t Group::Member::room_events() const {
  return credit_events > pending_events ? credit_events - pending_events : 1;
}

bool Group::Member::matches(std::string_view topic) const {
  return std::any_of(patterns.begin(), patterns.end(), [&](const wire::Pattern& p) { return p.matches(topic); });
}

Group::Member* Group::find(const MemberKey& key) {
  auto found = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.key == key; });
  return found == members_.end() ? nullptr : &*found;
}

const Group::Member* Group::find(const MemberKey& key) const { return const_cast<Group*>(this)->find(key); }

Group::Member* Group::at_seat(KeyOrder::Seat seat) {
  auto found = std::find_if(members_.begin(), members_.end(), [&](const Member& m) { return m.seat == seat; });
  return found == members_.end() ? nullptr : &*found;
}

std::vector<wire::Claim> Group::join(const Joining& joining, Now now) {
  unblock();
  Member* member = find(joining.key);
  if (member == nullptr) {
    member = &members_.emplace_back();
    member->key = joining.key;
    member->seat = ++last_seat_;
  }
  member->patterns = joining.patterns;
  member->credit_events = std::min(joining.credit_events, member_events_max);
  member->credit_bytes = joining.credit_bytes;
  member->suspended = false;
  Handouts before = std::exchange(member->handouts, {});
  uncount(before);
  member->pending_events = 0;
  member->pending_bytes = 0;
  std::vector<wire::Claim> granted;
  for (const wire::Claim& asked : knows_member(joining.key) ? joining.claims : claims_of_one_who_left(joining)) {
    if (granted.size() >= granted_claims_max) break;
    const bool holds_it = asked.first.generation == identity_.generation && before.contains(asked.first.handout);
    for (wire::Claim& part : holds_it ? keep(*member, asked, before, now) : claim(*member, asked, now)) {
      granted.push_back(part);
    }
  }
  give_back(before);
  expected_.erase(joining.key);
  use_room(*member);
  return granted;
}

/// Of what it held before, the parts that it claims stay with it.
std::vector<wire::Claim> Group::keep(Member& member, const wire::Claim& asked, Handouts& before, Now now) {
  std::vector<wire::Claim> granted;
  const auto found = before.find(asked.first.handout);
  if (found == before.end() || found->second.attempt != asked.attempt) return granted;
  const std::uint64_t begin = asked.first.offset;
  const std::uint64_t end = begin + std::min(asked.count, member_events_max);
  const std::vector<Interval> held = found->second.left.intervals();
  for (const Interval& range : held) {
    const Interval part{std::max(begin, range.begin), std::min(end, range.end)};
    if (part.begin >= part.end) continue;
    wire::Claim kept = asked;
    kept.first.offset = part.begin;
    kept.count = part.size();
    remember(member, asked.first.handout, part, found->second, now);
    found->second.left.remove(part);
    granted.push_back(kept);
  }
  if (found->second.left.empty()) before.erase(found);
  return granted;
}

/// Grants the parts of the claim that are neither settled nor with somebody else.
std::vector<wire::Claim> Group::claim(Member& member, const wire::Claim& asked, Now now) {
  std::vector<wire::Claim> granted;
  const IntervalSet free = available(member.key, asked);
  for (const Interval& range : free.intervals()) {
    wire::Claim part = asked;
    part.first.offset = range.begin;
    part.count = range.size();
    withdraw(range);
    if (range.end > cursor_) {
      claimed_.add({std::max(range.begin, cursor_), range.end});
      to_learn_.add({std::max(range.begin, cursor_), range.end});
    }
    Handout like;
    like.attempt = part.attempt;
    remember(member, asked.first.handout, range, like, now);
    granted.push_back(part);
  }
  return granted;
}

/// Of its hand-outs, the newest until one of which others have something: the log says only from which one on they
/// are its own.
std::vector<wire::Claim> Group::claims_of_one_who_left(const Joining& joining) const {
  std::map<std::uint64_t, std::vector<wire::Claim>, std::greater<>> by_handout;
  for (const wire::Claim& claim : joining.claims) by_handout[claim.first.handout].push_back(claim);
  std::vector<wire::Claim> own;
  for (const auto& [number, claims] : by_handout) {
    if (std::any_of(claims.begin(), claims.end(), [&](const auto& claim) { return others_have(joining.key, claim); }))
      break;
    own.insert(own.end(), claims.begin(), claims.end());
  }
  return own;
}

/// Something of the claim is out. What has failed since is another delivery, which the log knows by its attempt.
bool Group::others_have(const MemberKey& key, const wire::Claim& claim) const {
  const std::uint64_t begin = claim.first.offset;
  const std::uint64_t end = begin + std::min(claim.count, member_events_max);
  if (end < begin) return true;
  const IntervalSet unheld = available(key, claim);
  IntervalSet theirs;
  for (const Interval& open : done_.gaps({begin, end})) theirs.add(open);
  for (const Interval& free : unheld.intervals()) theirs.remove(free);
  for (auto at = failures_.lower_bound(begin); at != failures_.end() && at->first < end; ++at) {
    if (at->second.attempts + 1 != claim.attempt) theirs.remove({at->first, at->first + 1});
  }
  return !theirs.empty();
}

std::uint64_t Group::own_from(const std::vector<wire::Claim>& granted) const {
  std::uint64_t from = last_handout_ + 1;
  for (const wire::Claim& claim : granted) from = std::min(from, claim.first.handout);
  return from;
}

/// What of the claim nobody holds: it waits to be handed out again, or was handed out by an earlier run of the proxy,
/// to a member that has not left since (what those held went to others, who may claim it, too), and not since.
/// Another attempt is another delivery: what the client claims because it does not know yet that its retry was stored
/// is not its own any more. Nor is what waits for others of its key.
IntervalSet Group::available(const MemberKey& key, const wire::Claim& claim) const {
  IntervalSet free;
  const std::uint64_t begin = claim.first.offset;
  const std::uint64_t end = begin + std::min(claim.count, member_events_max);
  if (end < begin || claim.first.generation != identity_.generation || claim.first.handout > last_handout_)
    return free;
  auto run = ready_.upper_bound(begin);
  if (run != ready_.begin()) --run;
  for (; run != ready_.end() && run->first < end; ++run) {
    const Interval part{std::max(begin, run->first), std::min(end, run->second.end)};
    if (part.begin < part.end && !order_.knows(part.begin)) free.add(part);
  }
  const auto then = members_then_.find(key);
  if (claim.first.handout >> 40 < run_ && then != members_then_.end() && claim.first.handout >= then->second) {
    const Interval unseen{std::max(begin, cursor_), std::min(end, claimable_end_)};
    if (unseen.begin < unseen.end) {
      for (const Interval& gap : done_.gaps(unseen)) free.add(gap);
      for (const Interval& taken : claimed_.intervals()) free.remove(taken);
    }
  }
  IntervalSet failed;
  IntervalSet failed_as_claimed;
  for (auto at = failures_.lower_bound(begin); at != failures_.end() && at->first < end; ++at) {
    const Interval one{at->first, at->first + 1};
    failed.add(one);
    const bool again = !at->second.bury && !waiting_until_.contains(at->first);
    if (again && at->second.attempts + 1 == claim.attempt) failed_as_claimed.add(one);
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
  use_room(*member);
}

std::vector<GroupEffect> Group::leave(const MemberKey& key, bool lost, Now now) {
  std::vector<GroupEffect> effects;
  Member* member = find(key);
  if (member == nullptr) return effects;
  if (const auto working_on = oldest(*member); lost && working_on) {
    const auto& [number, handout] = *member->handouts.begin();
    const Interval first{working_on->begin, working_on->begin + 1};
    const bool keyed = handout.keyed;
    fail_attempt(first, handout.attempt, "member lost", Duration::zero(), now, effects);
    const bool last = effects.back().what == GroupEffect::What::bury;
    take(*member, number, first, now);
    if (keyed) fail_keys(*member, first, last, now);
  }
  const Handouts handouts = std::exchange(member->handouts, {});
  uncount(handouts);
  order_.forget(member->seat);
  members_.erase(members_.begin() + (member - members_.data()));
  give_back(handouts);
  unblock();
  return effects;
}

/// Events that were out go back to be handed out again, uncounted.
void Group::give_back(const Handouts& handouts) {
  for (const auto& [number, handout] : handouts) {
    for (const Interval& range : handout.left.intervals()) {
      if (handout.keyed) {
        for (std::uint64_t offset = range.begin; offset < range.end; ++offset) give_back_keyed(offset);
        continue;
      }
      const Interval seen{range.begin, std::min(range.end, cursor_)};
      if (seen.begin < seen.end) hand_out_again(seen, handout.attempt);
      claimed_.remove(range);  // the cursor has not come to these yet, and finds them
      to_learn_.remove(range);
    }
  }
  let_go();
}

/// Something changed that may make what was useless to read before useful now.
void Group::unblock() {
  blocked_ = false;
  ready_from_ = 0;
  read_failed_ = false;
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
  const Handout& handout = member.handouts.at(settlement.first.handout);
  const std::uint64_t attempt = handout.attempt;
  const bool keyed = handout.keyed;
  const Interval range{settlement.first.offset, settlement.first.offset + settlement.count};
  take(member, settlement.first.handout, range, now);
  unblock();
  const std::string reason =
      settlement.verdict == wire::Verdict::ack ? "" : clean_text(settlement.reason, reason_bytes_max);
  if (settlement.verdict == wire::Verdict::retry) {
    std::optional<Duration> delay;
    if (settlement.retry_after_ms) {
      delay = std::chrono::milliseconds(std::min<std::uint64_t>(*settlement.retry_after_ms, 365ull * 86'400'000));
    }
    fail_attempt(range, attempt, reason, delay, now, effects);
    if (keyed) fail_keys(member, range, attempt >= settings_.max_attempts, now);
  } else {
    const bool ack = settlement.verdict == wire::Verdict::ack;  // else no attempt is left, whatever the group allows
    add_effect(effects, {ack ? GroupEffect::What::done : GroupEffect::What::bury, identity_.id, range,
                         ack ? 0 : attempt, 0, reason});
    if (keyed) settle_keys(range);
  }
  use_room(member);
}

bool Group::take_back(const MemberKey& key, const wire::Settlement& settlement, Now now) {
  const std::vector<Interval> held = held_of(key, settlement);
  if (held.empty()) return false;
  Member& member = *find(key);
  for (const Interval& range : held) {
    Handouts back;
    Handout& taken = back[settlement.first.handout];
    const Handout& handout = member.handouts.at(settlement.first.handout);
    taken.attempt = handout.attempt;
    taken.keyed = handout.keyed;
    taken.left.add(range);
    take(member, settlement.first.handout, range, now);
    for (std::uint64_t offset = range.begin; taken.keyed && offset < range.end; ++offset) {
      take_back_behind(member, offset, now);
    }
    give_back(back);
  }
  unblock();
  use_room(member);
  return true;
}

/// What the member got of the event's key after it comes back as well, uncounted, or it would overtake.
void Group::take_back_behind(Member& member, std::uint64_t offset, Now now) {
  for (std::uint64_t behind : order_.out_behind(offset)) {
    const KeyOrder::Out out = *order_.out(behind);
    if (out.seat == member.seat) take(member, out.handout, {behind, behind + 1}, now);
    give_back_keyed(behind);
  }
}

/// Those behind them in their keys need not wait for these any more.
void Group::settle_keys(Interval range) {
  for (std::uint64_t offset = range.begin; offset < range.end; ++offset) order_.settle(offset);
  let_go();
}

/// An attempt at these, taken from the member, has failed. When it was the `last` attempt, nothing waits for them,
/// but a member that asked for another has dropped those all the same.
void Group::fail_keys(Member& member, Interval range, bool last, Now now) {
  for (std::uint64_t offset = range.begin; !last && offset < range.end; ++offset) {
    if (const KeyOrder::Out* out = order_.out(offset)) order_.hold(out->key, offset, KeyOrder::Until::due);
  }
  for (std::uint64_t offset = range.begin; offset < range.end; ++offset) take_back_behind(member, offset, now);
  last ? settle_keys(range) : let_go();
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
  count_pending(found->second.pattern, -static_cast<std::int64_t>(range.size()));
  found->second.left.remove(range);
  if (found->second.left.empty()) member.handouts.erase(found);
  const auto after = oldest(member);
  if (after && after->begin != oldest_before) member.oldest_since = now.instant;
}

/// Adds to a hand-out that is `like` that one.
void Group::remember(Member& member, std::uint64_t number, Interval range, const Handout& like, Now now) {
  if (member.handouts.empty()) member.oldest_since = now.instant;
  Handout& handout = member.handouts[number];
  if (handout.left.empty()) handout.since = like.since != Instant{} ? like.since : now.instant;
  handout.pattern = like.pattern;
  count_pending(like.pattern, static_cast<std::int64_t>(range.size()));
  handout.left.add(range);
  handout.attempt = like.attempt;
  handout.bytes_each = like.bytes_each;
  handout.keyed = like.keyed;
  member.pending_events += range.size();
  member.pending_bytes += range.size() * like.bytes_each;
}

}  // namespace spindle::proxy
