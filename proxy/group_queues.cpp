// What waits to be handed out again: ready, waiting for a delay, for its key, or for a member.
#include <algorithm>
#include <utility>

#include "proxy/group.hpp"

namespace spindle::proxy {

/// Takes the range out of the queues: it is settled, out, or has failed once more.
void Group::withdraw(Interval range) {
  waiting_until_.erase(waiting_until_.lower_bound(range.begin), waiting_until_.lower_bound(range.end));
  to_bury_.erase(to_bury_.lower_bound(range.begin), to_bury_.lower_bound(range.end));
  auto run = ready_.lower_bound(range.begin);
  if (run != ready_.begin() && std::prev(run)->second.end > range.begin) --run;
  while (run != ready_.end() && run->first < range.end) {
    const auto [begin, again] = *run;
    run = ready_.erase(run);
    if (begin < range.begin) ready_[begin] = {range.begin, again.attempt};
    if (range.end < again.end) ready_[range.end] = again;
  }
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

/// Nothing is in the way of these any more but those of their keys. What the cursor has not come to yet, it will
/// find.
void Group::again(Interval range) {
  unblock();
  range.end = std::min(range.end, cursor_);
  for (std::uint64_t offset = range.begin; offset < range.end; ++offset) {
    if (order_.knows(offset)) {
      order_.due(offset);
    } else {
      hand_out_again({offset, offset + 1}, attempt_of(offset));
    }
  }
  let_go();
}

/// Events whose turn it is among those of their key.
void Group::let_go() {
  for (std::uint64_t offset : order_.take_released()) hand_out_again({offset, offset + 1}, attempt_of(offset));
}

/// One that was out and is not any more.
void Group::give_back_keyed(std::uint64_t offset) {
  if (offset < cursor_) return order_.give_back(offset);
  order_.settle(offset);  // the cursor has not come to it yet, and finds it
  claimed_.remove({offset, offset + 1});
  to_learn_.remove({offset, offset + 1});
}

/// Puts events aside that the group wants but nobody can take who handles them; false when there are too many.
bool Group::park(std::string_view topic, Interval range, std::uint64_t attempt) {
  if (parked_ranges_ >= group_parked_max) return false;
  auto& ranges = parked_[std::string(topic)];
  if (!ranges.empty() && ranges.back().first.end == range.begin && ranges.back().second == attempt) {
    ranges.back().first.end = range.end;
  } else {
    ranges.emplace_back(range, attempt);
    ++parked_ranges_;
  }
  return true;
}

/// The oldest of a topic go back to where members get them.
void Group::unpark(std::string_view topic, std::uint64_t events_max) {
  const auto parked = parked_.find(topic);
  if (parked == parked_.end()) return;
  auto& ranges = parked->second;
  while (!ranges.empty() && events_max > 0) {
    auto& [range, attempt] = ranges.front();
    const Interval part{range.begin, range.begin + std::min(range.size(), events_max)};
    events_max -= part.size();
    range.begin = part.end;
    if (order_.knows(part.begin)) {
      again(part);
    } else {
      hand_out_again(part, attempt);
    }
    if (range.begin < range.end) continue;
    ranges.pop_front();
    --parked_ranges_;
  }
  if (ranges.empty()) parked_.erase(parked);
}

/// What is put aside there is lost: it must not be read when a member comes that wants it.
void Group::forget_parked(Interval range) {
  for (auto topic = parked_.begin(); topic != parked_.end();) {
    auto& ranges = topic->second;
    std::deque<std::pair<Interval, std::uint64_t>> kept;
    for (const auto& [parked, attempt] : ranges) {
      const Interval before{parked.begin, std::min(parked.end, range.begin)};
      const Interval behind{std::max(parked.begin, range.end), parked.end};
      if (before.begin < before.end) kept.emplace_back(before, attempt);
      if (behind.begin < behind.end) kept.emplace_back(behind, attempt);
    }
    parked_ranges_ = parked_ranges_ - ranges.size() + kept.size();
    ranges = std::move(kept);
    topic = ranges.empty() ? parked_.erase(topic) : std::next(topic);
  }
}

/// The member can take more than before: what waits for just that goes to it.
void Group::use_room(Member& member) {
  if (!member.has_room()) return;
  order_.room(member.seat, member.room_events());
  let_go();
  unpark_for_room();
}

/// What is put aside goes to members that have room now. What they cannot take for another reason waits elsewhere, so
/// this is looked at whenever something was handed out or given up.
void Group::unpark_for_room() {
  if (parked_.empty()) return;
  std::vector<std::pair<std::string, std::uint64_t>> rooms;
  for (const auto& [topic, ranges] : parked_) {
    for (const Member& member : members_) {
      if (!member.has_room() || !member.matches(topic)) continue;
      rooms.emplace_back(topic, member.room_events());
      break;
    }
  }
  for (const auto& [topic, events] : rooms) unpark(topic, events);
}

}  // namespace spindle::proxy
