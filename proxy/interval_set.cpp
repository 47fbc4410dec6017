#include "proxy/interval_set.hpp"

#include <algorithm>
#include <limits>

namespace spindle::proxy {

/// Index of the first interval whose end is above `offset`.
std::size_t IntervalSet::first_ending_after(std::uint64_t offset) const {
  auto found =
      std::partition_point(intervals_.begin(), intervals_.end(), [&](const Interval& i) { return i.end <= offset; });
  return static_cast<std::size_t>(found - intervals_.begin());
}

void IntervalSet::add(Interval range) {
  if (range.begin >= range.end) return;
  if (!intervals_.empty() && intervals_.back().end == range.begin) {  // the usual case: the next one in order
    intervals_.back().end = range.end;
    return;
  }
  // From the first that touches the range to the first that begins behind it: those become one.
  auto first = std::partition_point(intervals_.begin(), intervals_.end(),
                                    [&](const Interval& i) { return i.end < range.begin; });
  auto last = std::partition_point(first, intervals_.end(), [&](const Interval& i) { return i.begin <= range.end; });
  if (first == last) {
    intervals_.insert(first, range);
    return;
  }
  first->begin = std::min(first->begin, range.begin);
  first->end = std::max(std::prev(last)->end, range.end);
  intervals_.erase(std::next(first), last);
}

void IntervalSet::remove(Interval range) {
  if (range.begin >= range.end) return;
  std::size_t i = first_ending_after(range.begin);
  while (i < intervals_.size() && intervals_[i].begin < range.end) {
    Interval& hit = intervals_[i];
    if (hit.begin < range.begin && hit.end > range.end) {
      const Interval rest{range.end, hit.end};
      hit.end = range.begin;
      intervals_.insert(intervals_.begin() + static_cast<std::ptrdiff_t>(i) + 1, rest);
      return;
    }
    if (hit.begin < range.begin) {
      hit.end = range.begin;
      ++i;
    } else if (hit.end > range.end) {
      hit.begin = range.end;
      return;
    } else {
      intervals_.erase(intervals_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

bool IntervalSet::contains(std::uint64_t offset) const { return contains(Interval{offset, offset + 1}); }

bool IntervalSet::contains(Interval range) const {
  const std::size_t i = first_ending_after(range.begin);
  return i < intervals_.size() && intervals_[i].begin <= range.begin && intervals_[i].end >= range.end;
}

bool IntervalSet::intersects(Interval range) const { return next_in(range.begin) < range.end; }

std::uint64_t IntervalSet::end_of(std::uint64_t offset) const {
  const std::size_t i = first_ending_after(offset);
  return i < intervals_.size() && intervals_[i].begin <= offset ? intervals_[i].end : offset;
}

std::uint64_t IntervalSet::next_in(std::uint64_t offset) const {
  const std::size_t i = first_ending_after(offset);
  if (i == intervals_.size()) return std::numeric_limits<std::uint64_t>::max();
  return std::max(offset, intervals_[i].begin);
}

std::vector<Interval> IntervalSet::gaps(Interval range) const {
  std::vector<Interval> gaps;
  std::uint64_t at = range.begin;
  for (std::size_t i = first_ending_after(at); at < range.end; ++i) {
    const bool more = i < intervals_.size() && intervals_[i].begin < range.end;
    const std::uint64_t gap_end = more ? intervals_[i].begin : range.end;
    if (gap_end > at) gaps.push_back({at, gap_end});
    if (!more) break;
    at = intervals_[i].end;
  }
  return gaps;
}

std::uint64_t IntervalSet::total() const {
  std::uint64_t total = 0;
  for (const Interval& i : intervals_) total += i.size();
  return total;
}

}  // namespace spindle::proxy
