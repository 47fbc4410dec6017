// Who gets which event next.
#include <algorithm>

#include "proxy/group.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::proxy {

std::optional<Group::Wanted> Group::wants(std::uint64_t durable_end, Now now) const {
  if (read_failed_) return std::nullopt;
  if (!to_bury_.empty() && !waits_for_space_) return Wanted{*to_bury_.begin(), true};
  if (!to_learn_.empty() && to_learn_.intervals().front().begin < durable_end) {
    return Wanted{to_learn_.intervals().front().begin, true};
  }
  if (holding(now)) return std::nullopt;
  if (std::none_of(members_.begin(), members_.end(), [](const Member& m) { return m.has_room(); })) {
    return std::nullopt;
  }
  auto again = ready_.lower_bound(ready_from_);
  if (again != ready_.begin() && std::prev(again)->second.end > ready_from_) return Wanted{ready_from_, true};
  if (again != ready_.end()) return Wanted{again->first, true};
  if (!blocked_ && cursor_ < durable_end && reads_on()) return Wanted{cursor_, false};
  return std::nullopt;
}

Group::Offered Group::offer(std::uint64_t from, const std::vector<spool::Record>& records, std::uint64_t next,
                            Now now) {
  Offered out;
  if (from <= read_error_at_ && read_error_at_ < next) read_error_.clear();
  const std::uint64_t cursor_before = cursor_;
  const bool reaches_cursor = cursor_ >= from && cursor_ < next;
  bool room = reaches_cursor && !holding(now) && reads_on();
  std::size_t records_left = records.size();
  bool learned = false;
  for (const spool::Record& record : records) {
    keys_.clear();
    for (auto due = to_bury_.lower_bound(record.offset);
         !waits_for_space_ && due != to_bury_.end() && *due < record.next_offset();) {
      const Failure& failure = failures_.at(*due);
      out.burials.push_back({*due, failure.attempts, failure.reason, &record});
      due = to_bury_.erase(due);
    }
    learned = learn(record, now) || learned;
    if (!holding(now) && !pass_unwanted(record, out)) offer_again(record, records_left, now, out);
    if (room) pass_over(record.offset, nullptr, out);
    if (room && record.next_offset() > cursor_) room = offer_new(record, records_left, now, out);
    --records_left;
  }
  if (room) pass_over(next, nullptr, out);
  pass_settled();  // what was lost there cannot be read
  const bool idle = out.handed.empty() && out.burials.empty() && out.unwanted.empty() && !learned;
  if (idle && cursor_ == cursor_before) {
    if (reaches_cursor) blocked_ = true;
    ready_from_ = std::max(ready_from_, next);
  }
  let_go();
  unpark_for_room();
  return out;
}

/// Hands out what waits for another attempt in this record, as far as somebody has room.
void Group::offer_again(const spool::Record& record, std::size_t records_left, Now now, Offered& out) {
  auto run = ready_.lower_bound(record.offset);
  if (run != ready_.begin() && std::prev(run)->second.end > record.offset) --run;
  if (run == ready_.end() || run->first >= record.next_offset()) return;
  read_keys_of(record);
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

/// Moves the cursor over what no pattern wants; `record` holds it, or it was not even read.
void Group::pass_over(std::uint64_t end, const spool::Record* record, Offered& out) {
  while (cursor_ < end) {
    if (pass_known(end, record)) continue;
    const Interval fresh = next_fresh(end);
    cursor_ = fresh.end;
    if (failures_.contains(fresh.begin)) {  // its pattern was dropped
      if (waits_for_space_) {
        again(fresh);
        continue;
      }
      settle_unwanted(fresh, out);
    }
    done_.add(fresh);
    passed_over_ = true;
  }
}

/// Moves the cursor through the record; false when it stopped because nobody has room.
bool Group::offer_new(const spool::Record& record, std::size_t records_left, Now now, Offered& out) {
  if (!wants_topic(record.topic)) {
    pass_over(record.next_offset(), &record, out);
    return true;
  }
  read_keys_of(record);
  while (cursor_ < record.next_offset()) {
    if (pass_known(record.next_offset(), &record)) continue;
    const Interval fresh = next_fresh(record.next_offset());
    const std::uint64_t handed_end = hand_out(record, fresh, attempt_of(fresh.begin), records_left, now, out.handed);
    if (handed_end == cursor_) return false;
    cursor_ = handed_end;
  }
  return true;
}

/// Passes over what is settled, out, to be buried or not due at the cursor; false when it is to be handed out.
bool Group::pass_known(std::uint64_t until, const spool::Record* record) {
  if (const std::uint64_t end = done_.end_of(cursor_); end > cursor_) {
    cursor_ = end;
    return true;
  }
  if (const std::uint64_t end = claimed_.end_of(cursor_); end > cursor_) {
    const Interval here{cursor_, std::min(end, until)};
    claimed_.remove(here);
    cursor_ = here.end;
    return true;
  }
  const auto failure = failures_.find(cursor_);
  if (failure == failures_.end()) return false;
  if (!failure->second.bury && !waiting_until_.contains(cursor_)) return false;
  if (!failure->second.bury && record != nullptr && !keys_.empty()) {
    order_.hold(key_in(*record, cursor_), cursor_, KeyOrder::Until::due);
  }
  ++cursor_;
  return true;
}

/// From the cursor on, as far as all of it fares alike.
Interval Group::next_fresh(std::uint64_t end) const {
  end = std::min({end, done_.next_in(cursor_), claimed_.next_in(cursor_)});
  const auto failure = failures_.lower_bound(cursor_);
  if (failure == failures_.end() || failure->first >= end) return {cursor_, end};
  return {cursor_, failure->first == cursor_ ? cursor_ + 1 : failure->first};
}

std::uint32_t Group::key_in(const spool::Record& record, std::uint64_t offset) const {
  return keys_[static_cast<std::size_t>(offset - record.offset)];
}

void Group::read_keys_of(const spool::Record& record) {
  if (keys_.empty()) wire::read_keys(record.body, keys_);
}

/// After a restart: the keys of what has failed or is out, so that nothing of their keys overtakes them. Whether
/// there was anything to learn.
bool Group::learn(const spool::Record& record, Now now) {
  if (to_learn_.empty() || !to_learn_.intersects({record.offset, record.next_offset()})) return false;
  read_keys_of(record);
  for (std::uint64_t offset = to_learn_.next_in(record.offset); !keys_.empty() && offset < record.next_offset();
       offset = to_learn_.next_in(offset + 1)) {
    if (failures_.contains(offset) && !claimed_.contains(offset)) {
      order_.hold(key_in(record, offset), offset, KeyOrder::Until::due);
    } else {
      learn_claimed(offset, key_in(record, offset), now);
    }
  }
  to_learn_.remove({record.offset, record.next_offset()});
  return true;
}

/// It was handed out before the restart, and claimed since.
void Group::learn_claimed(std::uint64_t offset, std::uint32_t key, Now now) {
  for (Member& member : members_) {
    auto found = std::find_if(member.handouts.begin(), member.handouts.end(),
                              [&](const auto& entry) { return entry.second.left.contains(offset); });
    if (found == member.handouts.end()) continue;
    auto& [number, handout] = *found;
    handout.keyed = true;
    if (order_.may_keep(key, offset, member.seat)) return order_.hand_out(offset, {key, member.seat, number});
    take(member, number, {offset, offset + 1}, now);  // one of its key before it failed or went to another meanwhile
    claimed_.remove({offset, offset + 1});
    return;
  }
}

/// Hands events of one record to members; returns where it had to stop. What cannot be handed out yet for another
/// reason than room waits elsewhere and is passed over.
std::uint64_t Group::hand_out(const spool::Record& record, Interval range, std::uint64_t attempt,
                              std::size_t records_left, Now now, std::vector<HandedOut>& out) {
  return keys_.empty() ? hand_out_free(record, range, attempt, records_left, now, out)
                       : hand_out_keyed(record, range, records_left, now, out);
}

/// A row of events of one record for one member.
struct Group::Run {
  Member* member = nullptr;
  std::uint64_t number = 0;
  Interval range{};
  Handout like{};
};

namespace {

std::uint64_t bytes_each(const spool::Record& record) {
  return std::max<std::uint64_t>(1, record.body.size() / std::max(1u, record.count));
}

/// One packet and several members: everybody gets a part of it instead of one all.
std::uint64_t share_of(std::uint64_t events, std::size_t records_left, std::size_t members) {
  const std::uint64_t sharers = records_left == 1 ? std::max<std::size_t>(1, members) : 1;
  return (events + sharers - 1) / sharers;
}

}  // namespace

/// Events without keys go to the members with room, in turn.
std::uint64_t Group::hand_out_free(const spool::Record& record, Interval range, std::uint64_t attempt,
                                   std::size_t records_left, Now now, std::vector<HandedOut>& out) {
  const std::string_view topic = topic_for_members(record.topic);
  const Handout like{{}, attempt, bytes_each(record), false, pattern_of(topic)};
  const std::uint64_t share = share_of(range.size(), records_left, members_.size());
  while (range.begin < range.end) {
    bool anybody = false;
    const bool queue = range.end > cursor_ && !parked_.empty() && parked_.contains(topic);
    Member* member = next_with_room(topic, anybody);
    if (member == nullptr || queue) {  // behind those of its topic that wait already
      const bool aside = !anybody || queue || has_room_besides(topic);
      return aside && park(topic, range, attempt) ? range.end : range.begin;
    }
    const std::uint64_t room_bytes =
        member->credit_bytes > member->pending_bytes ? member->credit_bytes - member->pending_bytes : 1;
    const std::uint64_t count = std::min(
        {range.size(), share, member->room_events(), std::max<std::uint64_t>(1, room_bytes / like.bytes_each)});
    const Interval part{range.begin, range.begin + count};
    const std::uint64_t number = ++last_handout_;
    remember(*member, number, part, like, now);
    out.push_back({member->key, number, part, attempt, &record});
    range.begin = part.end;
  }
  return range.end;
}

/// Events with keys: each to whoever has one of its key, or to the next in turn; one that may not go yet waits.
std::uint64_t Group::hand_out_keyed(const spool::Record& record, Interval range, std::size_t records_left, Now now,
                                    std::vector<HandedOut>& out) {
  const std::string_view topic = topic_for_members(record.topic);
  const bool fresh = range.begin >= cursor_;
  const std::uint16_t pattern = pattern_of(topic);
  const std::uint64_t share = share_of(range.size(), records_left, members_.size());
  Run run;
  auto finish_run = [&] {
    if (run.member != nullptr) out.push_back({run.member->key, run.number, run.range, run.like.attempt, &record});
    run.member = nullptr;
  };
  auto add = [&](Member& member, std::uint64_t offset, std::uint32_t key) {
    const std::uint64_t attempt = attempt_of(offset);
    const bool joins = run.member == &member && run.range.end == offset && run.like.attempt == attempt;
    if (!joins) {
      finish_run();
      run = {&member, ++last_handout_, {offset, offset}, {{}, attempt, bytes_each(record), true, pattern}};
    }
    remember(member, run.number, {offset, offset + 1}, run.like, now);
    order_.hand_out(offset, {key, member.seat, run.number});
    run.range.end = offset + 1;
  };
  std::uint64_t offset = range.begin;
  for (; offset < range.end; ++offset) {
    if (fresh && !reads_on()) break;
    const std::uint32_t key = key_in(record, offset);
    const KeyOrder::Leave leave = order_.leave(key, offset);
    if (!leave.now) {
      order_.hold(key, offset, KeyOrder::Until::turn);
      continue;
    }
    if (leave.only) {
      Member* holder = at_seat(*leave.only);
      if (holder != nullptr && holder->matches(topic)) {
        if (holder->has_room()) {
          add(*holder, offset, key);
        } else if (fresh && members_.size() == 1) {
          break;
        } else {
          order_.hold(key, offset, KeyOrder::Until::room);
        }
      } else {
        order_.hold(key, offset, KeyOrder::Until::alone);
      }
      continue;
    }
    bool anybody = true;
    Member* member = run.member;
    if (member == nullptr || !member->has_room() || run.range.size() >= share) {
      member = next_with_room(topic, anybody);
    }
    if (member != nullptr) {
      add(*member, offset, key);
      continue;
    }
    if (anybody && !has_room_besides(topic)) break;
    if (!park(topic, {offset, offset + 1}, attempt_of(offset))) break;
    order_.hold(key, offset, KeyOrder::Until::due);
  }
  finish_run();
  return offset;
}

/// The next member in turn that handles the topic and has room; `anybody` says whether one handles it at all.
Group::Member* Group::next_with_room(std::string_view topic, bool& anybody) {
  anybody = false;
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

/// Whether somebody who does not handle the topic has room: then what is on the topic must not hold up the rest.
bool Group::has_room_besides(std::string_view topic) const {
  return std::any_of(members_.begin(), members_.end(),
                     [&](const Member& member) { return member.has_room() && !member.matches(topic); });
}

}  // namespace spindle::proxy
