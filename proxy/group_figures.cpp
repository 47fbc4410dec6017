// What is told of a group to people who look after it.
#include <algorithm>

#include "proxy/group.hpp"

namespace spindle::proxy {
namespace {

/// Topics that nobody handles times patterns: beyond it each such topic counts for every pattern, an upper bound.
constexpr std::size_t figures_matches_max = 1'000'000;

}  // namespace

void Group::stall(std::uint64_t offset, std::string why) {
  read_error_ = std::move(why);
  read_error_at_ = offset;
  read_failed_ = true;
}

std::string Group::stalled() const {
  if (paused_) return "paused by an operator";
  if (!read_error_.empty() && !done_.contains(read_error_at_)) return read_error_;
  if (failures_.size() >= group_failures_max) {
    return "group_failures_max (" + std::to_string(group_failures_max) +
           ") failed events wait for another attempt; new ones wait until some succeed or become dead letters";
  }
  if (!reads_on()) {
    return "group_held_events_max (" + std::to_string(group_held_events_max) +
           ") events wait behind others of their keys, the oldest at offset " +
           std::to_string(order_.oldest_held().value_or(0)) + "; new ones wait until some of these are settled";
  }
  if (parked_ranges_ >= group_parked_max) {
    return "too many events of topic " + parked_.begin()->first + " and others wait for a member that handles them";
  }
  return {};
}

std::vector<MemberKey> Group::member_keys() const {
  std::vector<MemberKey> keys;
  for (const Member& member : members_) keys.push_back(member.key);
  return keys;
}

std::vector<Group::MemberFigures> Group::members(Now now) const {
  std::vector<MemberFigures> figures;
  for (const Member& member : members_) {
    MemberFigures& of = figures.emplace_back();
    of.key = member.key;
    of.pending = member.pending_events;
    of.suspended = member.suspended;
    if (member.handouts.empty()) continue;
    const Handout& first = member.handouts.begin()->second;
    of.oldest = Oldest{now.instant - first.since, first.attempt, first.left.intervals().front().begin};
  }
  return figures;
}

std::uint64_t Group::pending() const {
  std::uint64_t pending = 0;
  for (const Member& member : members_) pending += member.pending_events;
  return pending;
}

std::vector<Group::Failed> Group::failed(std::size_t most) const {
  std::vector<Failed> failed;
  for (auto at = failures_.begin(); at != failures_.end() && failed.size() < most; ++at) {
    const auto waits = waiting_until_.find(at->first);
    const auto due = waits == waiting_until_.end() ? std::nullopt : std::optional(waits->second);
    failed.push_back({at->first, at->second.attempts, at->second.reason, due});
  }
  return failed;
}

std::uint64_t Group::pending_of(const MemberKey& member) const {
  const Member* found = find(member);
  return found != nullptr ? found->pending_events : 0;
}

std::uint64_t Group::lag(std::uint64_t end) const {
  std::uint64_t lag = order_.held_by_others();
  for (auto waiting = waiting_until_.begin(); waiting != waiting_until_.lower_bound(cursor_); ++waiting) ++lag;
  for (const auto& [begin, again] : ready_) lag += again.end - begin;
  for (const auto& [topic, ranges] : parked_) {
    for (const auto& [range, attempt] : ranges) lag += range.size();
  }
  if (cursor_ < end) {
    for (const Interval& gap : done_.gaps({cursor_, end})) lag += gap.size();
    lag -= std::min(lag, claimed_.total());
  }
  return lag;
}

std::uint64_t Group::unsettled_below(std::uint64_t offset) const {
  std::uint64_t events = 0;
  for (const Interval& gap : done_.gaps({0, offset})) events += gap.size();
  return events;
}

std::uint64_t Group::settled_from(std::uint64_t offset, std::uint64_t end) const {
  std::uint64_t events = end - offset;
  for (const Interval& gap : done_.gaps({offset, end})) events -= gap.size();
  return events;
}

bool Group::is_handled(std::string_view topic) const {
  return std::any_of(members_.begin(), members_.end(), [&](const Member& member) { return member.matches(topic); });
}

std::vector<Group::Unhandled> Group::unhandled() const {
  std::vector<Unhandled> topics;
  for (const auto& [topic, ranges] : parked_) {
    if (is_handled(topic)) continue;  // they wait for room
    Unhandled& of = topics.emplace_back();
    of.topic = topic;
    for (const auto& [range, attempt] : ranges) of.events += range.size();
  }
  std::stable_sort(topics.begin(), topics.end(),
                   [](const Unhandled& a, const Unhandled& b) { return a.events > b.events; });
  return topics;
}

std::vector<Group::PatternFigures> Group::by_pattern(std::uint64_t end) const {
  const std::vector<Unhandled> topics = unhandled();
  const bool too_many = topics.size() * patterns_.size() > figures_matches_max;
  std::uint64_t of_unhandled = 0;
  for (const Unhandled& topic : topics) of_unhandled += topic.events;
  const std::uint64_t others = lag(end) - of_unhandled;
  std::vector<PatternFigures> figures;
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    PatternFigures& of = figures.emplace_back();
    of.pattern = patterns_[i].text();
    of.pending = i < pending_by_pattern_.size() ? pending_by_pattern_[i] : 0;
    if (too_many) of.unhandled = of_unhandled;
    for (std::size_t k = 0; k < topics.size() && !too_many; ++k) {
      if (patterns_[i].matches(topics[k].topic)) of.unhandled += topics[k].events;
    }
    of.lag = others + of.unhandled;
  }
  return figures;
}

std::uint16_t Group::pattern_of(std::string_view topic) const {
  if (patterns_.size() == 1) return 0;
  const auto found =
      std::find_if(patterns_.begin(), patterns_.end(), [&](const wire::Pattern& p) { return p.matches(topic); });
  return found == patterns_.end() ? no_pattern : static_cast<std::uint16_t>(found - patterns_.begin());
}

void Group::count_pending(std::uint16_t pattern, std::int64_t events) {
  if (pattern == no_pattern) return;
  if (pending_by_pattern_.size() <= pattern) pending_by_pattern_.resize(pattern + std::size_t{1});
  pending_by_pattern_[pattern] += static_cast<std::uint64_t>(events);
}

/// They are out no more.
void Group::uncount(const Handouts& handouts) {
  for (const auto& [number, handout] : handouts) {
    count_pending(handout.pattern, -static_cast<std::int64_t>(handout.left.total()));
  }
}

void Group::note_handed(const std::vector<HandedOut>& handed) {
  for (const HandedOut& part : handed) {
    if (part.attempt > 1) redelivered_ += part.range.size();
  }
}

}  // namespace spindle::proxy
