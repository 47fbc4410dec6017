// Who gets which event next.
#include <algorithm>

#include "proxy/group.hpp"
#include "spindle/spool/record.hpp"

namespace spindle::proxy {

std::optional<std::uint64_t> Group::wants(std::uint64_t durable_end, Now now) const {
  if (!read_error_.empty()) return std::nullopt;
  if (!to_bury_.empty() && !burials_wait) return *to_bury_.begin();
  if (holding(now)) return std::nullopt;
  if (std::none_of(members_.begin(), members_.end(), [](const Member& m) { return m.has_room(); })) {
    return std::nullopt;
  }
  auto again = ready_.lower_bound(ready_from_);
  if (again != ready_.begin() && std::prev(again)->second.end > ready_from_) return ready_from_;
  if (again != ready_.end()) return again->first;
  if (!blocked_ && cursor_ < durable_end && reads_on()) return cursor_;
  return std::nullopt;
}

Group::Offered Group::offer(std::uint64_t from, const std::vector<spool::Record>& records, std::uint64_t next,
                            Now now) {
  Offered out;
  const std::uint64_t cursor_before = cursor_;
  const bool reaches_cursor = cursor_ >= from && cursor_ < next;
  bool room = reaches_cursor && !holding(now) && reads_on();
  std::size_t records_left = records.size();
  for (const spool::Record& record : records) {
    for (auto due = to_bury_.lower_bound(record.offset);
         !burials_wait && due != to_bury_.end() && *due < record.next_offset();) {
      const Failure& failure = failures_.at(*due);
      out.burials.push_back({*due, failure.attempts, failure.reason, &record});
      due = to_bury_.erase(due);
    }
    if (!holding(now)) offer_again(record, records_left, now, out);
    if (room && record.next_offset() > cursor_) room = offer_new(record, records_left, now, out);
    --records_left;
  }
  if (room && cursor_ < next) cursor_ = next;
  if (out.handed.empty() && out.burials.empty() && cursor_ == cursor_before) {
    if (reaches_cursor) blocked_ = true;
    ready_from_ = std::max(ready_from_, next);
  }
  return out;
}

/// Hands out what waits for another attempt in this record, as far as somebody has room.
void Group::offer_again(const spool::Record& record, std::size_t records_left, Now now, Offered& out) {
  auto run = ready_.lower_bound(record.offset);
  if (run != ready_.begin() && std::prev(run)->second.end > record.offset) --run;
  while (run != ready_.end() && run->first < record.next_offset()) {
    const std::uint64_t begin = run->first;
    const Again again = run->second;
    const Interval here{std::max(begin, record.offset), std::min(again.end, record.next_offset())};
    const std::uint64_t handed_end = hand_out(record, here, again.attempt, records_left, now, out.handed);
    if (handed_end == here.begin) {
      ++run;
      continue;
    }
    run = ready_.erase(run);
    if (begin < here.begin) ready_[begin] = {here.begin, again.attempt};
    if (handed_end < again.end) {
      run = ready_.insert_or_assign(handed_end, again).first;
      if (handed_end < here.end) ++run;  // nobody has room for the rest
    }
  }
}

/// Moves the cursor through the record; false when it stopped because nobody has room.
bool Group::offer_new(const spool::Record& record, std::size_t records_left, Now now, Offered& out) {
  const bool wanted = std::any_of(patterns_.begin(), patterns_.end(),
                                  [&](const wire::Pattern& p) { return p.matches(record.topic); });
  while (cursor_ < record.next_offset()) {
    const std::uint64_t known_end = ahead_.end_of(cursor_);
    if (known_end > cursor_) {
      ahead_.remove({cursor_, known_end});
      cursor_ = known_end;
      continue;
    }
    const Interval fresh{cursor_, std::min(record.next_offset(), ahead_.next_in(cursor_))};
    if (!wanted) {
      done_.add(fresh);
      cursor_ = fresh.end;
      passed_over_ = true;
      continue;
    }
    const std::uint64_t handed_end = hand_out(record, fresh, 1, records_left, now, out.handed);
    if (handed_end == cursor_) return false;
    cursor_ = handed_end;
  }
  return true;
}

/// Hands events of one record to members with room, in turn; returns where it had to stop.
std::uint64_t Group::hand_out(const spool::Record& record, Interval range, std::uint64_t attempt,
                              std::size_t records_left, Now now, std::vector<HandedOut>& out) {
  const std::uint64_t bytes_each = std::max<std::uint64_t>(1, record.body.size() / std::max(1u, record.count));
  // One packet and several members: everybody gets a part of it instead of one all.
  const std::uint64_t sharers = records_left == 1 ? std::max<std::size_t>(1, members_.size()) : 1;
  const std::uint64_t share = (range.size() + sharers - 1) / sharers;
  while (range.begin < range.end) {
    bool anybody = false;
    Member* member = next_with_room(record.topic, anybody);
    if (member == nullptr) return !anybody && park(record.topic, range, attempt) ? range.end : range.begin;
    const std::uint64_t room_events =
        member->credit_events > member->pending_events ? member->credit_events - member->pending_events : 1;
    const std::uint64_t room_bytes =
        member->credit_bytes > member->pending_bytes ? member->credit_bytes - member->pending_bytes : 1;
    const std::uint64_t count =
        std::min({range.size(), share, room_events, std::max<std::uint64_t>(1, room_bytes / bytes_each)});
    const Interval part{range.begin, range.begin + count};
    const std::uint64_t number = ++last_handout_;
    remember(*member, number, part, attempt, bytes_each, now);
    out.push_back({member->key, number, part, attempt, &record});
    range.begin = part.end;
  }
  return range.end;
}

/// Puts events aside that the group wants but no present member does; false when there are too many.
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

/// The next member in turn that wants the topic and has room; `anybody` says whether one wants it at all.
Group::Member* Group::next_with_room(std::string_view topic, bool& anybody) {
  for (std::size_t i = 0; i < members_.size(); ++i) {
    Member& member = members_[(next_member_ + i) % members_.size()];
    if (!member.matches(topic)) continue;
    anybody = true;
    if (!member.has_room()) continue;
    next_member_ = (next_member_ + i + 1) % members_.size();
    return &member;
  }
  return nullptr;
}

}  // namespace spindle::proxy
