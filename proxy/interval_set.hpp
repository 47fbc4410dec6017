#pragma once

#include <cstdint>
#include <vector>

namespace spindle::proxy {

/// A half-open range of offsets.
struct Interval {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  friend bool operator==(const Interval&, const Interval&) = default;
};

/// A set of offsets kept as sorted, disjoint, non-adjacent intervals. A group's settled offsets are nearly one
/// interval, so a vector serves best.
class IntervalSet {
 public:
  void add(Interval range);
  void remove(Interval range);
  bool contains(std::uint64_t offset) const;
  bool contains(Interval range) const;
  bool intersects(Interval range) const;
  /// The end of the interval that holds `offset`; `offset` itself when none does.
  std::uint64_t end_of(std::uint64_t offset) const;
  /// The first offset at or after `offset` that is in the set; UINT64_MAX when there is none.
  std::uint64_t next_in(std::uint64_t offset) const;
  /// The parts of `range` that are not in the set.
  std::vector<Interval> gaps(Interval range) const;

  bool empty() const { return intervals_.empty(); }
  std::uint64_t total() const;
  const std::vector<Interval>& intervals() const { return intervals_; }

 private:
  std::size_t first_ending_after(std::uint64_t offset) const;

  std::vector<Interval> intervals_;
};

}  // namespace spindle::proxy
