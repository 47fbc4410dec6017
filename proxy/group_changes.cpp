// What operators change of a group, and what becomes of it by that; all of it stands in the log.
#include <algorithm>
#include <utility>

#include "proxy/group.hpp"
#include "spindle/spool/record.hpp"

namespace spindle::proxy {

void Group::set_paused(bool paused) {
  paused_ = paused;
  unblock();
}

void Group::seek(std::uint64_t position, std::uint64_t generation) {
  identity_.generation = generation;
  done_ = {};
  done_.add({0, position});
  passed_over_ = false;
  failures_.clear();
  to_bury_.clear();
  waiting_ = {};
  waiting_until_.clear();
  ready_.clear();
  parked_.clear();
  parked_ranges_ = 0;
  claimed_ = {};
  to_learn_ = {};
  order_.clear();
  cursor_ = position;
  claimable_end_ = 0;
  for (Member& member : members_) {
    member.handouts.clear();
    member.pending_events = 0;
    member.pending_bytes = 0;
  }
  pending_by_pattern_.clear();
  read_error_.clear();
  unblock();
}

void Group::alter(const GroupSettings& settings) {
  settings_ = settings;
  unblock();
}

void Group::drop_pattern(std::string_view pattern) {
  const auto found = std::find_if(patterns_.begin(), patterns_.end(),
                                  [&](const wire::Pattern& known) { return known.text() == pattern; });
  if (found == patterns_.end()) return;
  const auto index = static_cast<std::uint16_t>(found - patterns_.begin());
  patterns_.erase(found);
  topics_ = nullptr;
  if (index < pending_by_pattern_.size()) pending_by_pattern_.erase(pending_by_pattern_.begin() + index);
  for (Member& member : members_) {
    for (auto& [number, handout] : member.handouts) {
      if (handout.pattern == index) {
        handout.pattern = no_pattern;  // another one matches; which is not known any more
      } else if (handout.pattern != no_pattern && handout.pattern > index) {
        --handout.pattern;
      }
    }
  }
  unblock();
}

/// Whether this pattern matches and no other one of the group does.
bool Group::wanted_only_as(std::string_view topic, std::string_view pattern) const {
  return std::none_of(patterns_.begin(), patterns_.end(),
                      [&](const wire::Pattern& known) { return known.text() != pattern && known.matches(topic); });
}

std::vector<GroupEffect> Group::drop_waiting(std::string_view pattern) {
  const IntervalSet waiting = waiting_only_for(pattern);
  std::erase_if(parked_, [&](const auto& entry) {
    const bool dropped = wanted_only_as(entry.first, pattern);
    if (dropped) parked_ranges_ -= entry.second.size();
    return dropped;
  });
  std::vector<GroupEffect> effects;
  for (const Interval& range : waiting.intervals()) {
    for (std::uint64_t offset = range.begin; offset < range.end && !order_.empty(); ++offset) order_.settle(offset);
    effects.push_back({GroupEffect::What::done, identity_.id, range, 0, 0, {}});
  }
  let_go();
  return effects;
}

IntervalSet Group::waiting_only_for(std::string_view pattern) const {
  std::vector<Interval> ranges;
  for (const auto& [topic, parked] : parked_) {
    if (!wanted_only_as(topic, pattern)) continue;
    for (const auto& [range, attempt] : parked) ranges.push_back(range);
  }
  // In order, or adding many would take time by their square.
  std::sort(ranges.begin(), ranges.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  IntervalSet waiting;
  for (const Interval& range : ranges) waiting.add(range);
  return waiting;
}

const MemberKey* Group::present_member_with(std::string_view pattern) const {
  for (const Member& member : members_) {
    for (const wire::Pattern& asked : member.patterns) {
      if (asked.text() == pattern) return &member.key;
    }
  }
  return nullptr;
}

void Group::wait_for_space(bool waits) {
  if (std::exchange(waits_for_space_, waits) && !waits) unblock();
}

/// What waits to be handed out again and stands in this record, when its topic's pattern was dropped meanwhile: it is
/// for nobody. While there is no space to log that it is settled, it waits on.
bool Group::pass_unwanted(const spool::Record& record, Offered& out) {
  auto run = ready_.lower_bound(record.offset);
  if (run != ready_.begin() && std::prev(run)->second.end > record.offset) --run;
  if (run == ready_.end() || run->first >= record.next_offset()) return false;
  if (wants_topic(record.topic)) return false;
  if (waits_for_space_) return true;
  std::vector<Interval> ranges;
  for (; run != ready_.end() && run->first < record.next_offset(); ++run) {
    ranges.push_back({std::max(run->first, record.offset), std::min(run->second.end, record.next_offset())});
  }
  for (const Interval& range : ranges) {
    withdraw(range);
    settle_unwanted(range, out);
  }
  return true;
}

/// Of its keys nothing waits for these any more.
void Group::settle_unwanted(Interval range, Offered& out) {
  out.unwanted.push_back(range);
  for (std::uint64_t offset = range.begin; offset < range.end && !order_.empty(); ++offset) order_.settle(offset);
}

void Group::note_clock(std::uint64_t clock_ms) {
  if (!logged_members_.empty()) {
    memberless_since_ms_.reset();
  } else if (!memberless_since_ms_) {
    memberless_since_ms_ = clock_ms;
  }
}

bool Group::expired(std::uint64_t clock_ms) const {
  return expires() && memberless_since_ms_ && clock_ms >= *memberless_since_ms_ + settings_.expires_ms;
}

}  // namespace spindle::proxy
