#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "spindle/actor/port.hpp"

namespace spindle::actor {

/// What is remembered of commits until they have an outcome, by ticket. Outcomes come in any order: a proxy answers
/// publishes and turns in messages of their own.
template <class Value>
class Awaiting {
 public:
  /// `value` belongs to the commits [first, first + count); later than all before.
  void add(Ticket first, std::uint64_t count, Value value) {
    entries_.push_back({first, count, count, std::move(value)});
  }

  /// Commits [first, first + count) have an outcome, told once for each: calls `tell(value, index, count)` with the
  /// part of each entry's commits that are among them, oldest first. `tell` may add.
  template <class Tell>
  void answer(Ticket first, std::uint64_t count, Tell tell) {
    const Ticket end = first + count;
    const auto found = std::partition_point(entries_.begin(), entries_.end(),
                                            [&](const Entry& entry) { return entry.first + entry.count <= first; });
    for (auto i = static_cast<std::size_t>(found - entries_.begin()); i < entries_.size(); ++i) {
      Entry& entry = entries_[i];  // stays where it is while others are added behind it
      if (entry.first >= end) break;
      const Ticket from = std::max(first, entry.first);
      const Ticket to = std::min(end, entry.first + entry.count);
      entry.unanswered -= to - from;
      tell(entry.value, from - entry.first, to - from);
    }
    while (!entries_.empty() && entries_.front().unanswered == 0) entries_.pop_front();
  }

  /// Everything without an outcome, oldest first; forgets it.
  template <class Tell>
  void give_up(Tell tell) {
    for (Entry& entry : std::exchange(entries_, {})) {
      if (entry.unanswered > 0) tell(entry.value);
    }
  }

 private:
  struct Entry {
    Ticket first;
    std::uint64_t count;
    std::uint64_t unanswered;
    Value value;
  };
  std::deque<Entry> entries_;
};

}  // namespace spindle::actor
