#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "spindle/base/clock.hpp"

namespace spindle {

/// Deadlines in order, without a clock: the caller says what time it is. Not thread-safe.
/// `Key` says what a deadline is for; equal deadlines come out in the order they were set.
template <class Key>
class Timers {
 public:
  using Id = std::uint64_t;

  Id set(Instant when, Key key) {
    Id id = ++last_;
    due_.emplace(Order{when, id}, std::move(key));
    return id;
  }

  /// Takes out the keys of all deadlines at or before `now`, earliest first.
  std::vector<Key> expired(Instant now) {
    std::vector<Key> keys;
    while (!due_.empty() && due_.begin()->first.first <= now) {
      keys.push_back(std::move(due_.begin()->second));
      due_.erase(due_.begin());
    }
    return keys;
  }

  std::optional<Instant> next() const {
    if (due_.empty()) return std::nullopt;
    return due_.begin()->first.first;
  }

  std::size_t size() const { return due_.size(); }

 private:
  using Order = std::pair<Instant, Id>;
  std::map<Order, Key> due_;
  Id last_ = 0;
};

}  // namespace spindle
