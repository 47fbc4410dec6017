#include <catch2/catch.hpp>
#include <random>
#include <set>

#include "proxy/interval_set.hpp"

using spindle::proxy::Interval;
using spindle::proxy::IntervalSet;

TEST_CASE("an interval set is the set of its offsets") {
  std::mt19937_64 random(GENERATE(as<std::uint64_t>{}, 1, 2, 3, 4, 5));
  IntervalSet intervals;
  std::set<std::uint64_t> offsets;
  for (int step = 0; step < 2'000; ++step) {
    Interval range{random() % 100, 0};
    range.end = range.begin + random() % 12;
    const bool adds = random() % 2 == 0;
    adds ? intervals.add(range) : intervals.remove(range);
    for (std::uint64_t i = range.begin; i < range.end; ++i) {
      if (adds) {
        offsets.insert(i);
      } else {
        offsets.erase(i);
      }
    }
    REQUIRE(intervals.total() == offsets.size());
    for (std::uint64_t i = 0; i < 115; ++i) REQUIRE(intervals.contains(i) == offsets.contains(i));
    for (std::size_t i = 1; i < intervals.intervals().size(); ++i) {
      REQUIRE(intervals.intervals()[i - 1].end < intervals.intervals()[i].begin);
    }
    const std::uint64_t at = random() % 100;
    auto next = offsets.lower_bound(at);
    REQUIRE(intervals.next_in(at) == (next == offsets.end() ? ~std::uint64_t{0} : *next));
    std::uint64_t gaps = 0;
    for (const Interval& gap : intervals.gaps({at, at + 20})) {
      REQUIRE_FALSE(intervals.intersects(gap));
      gaps += gap.size();
    }
    std::uint64_t missing = 0;
    for (std::uint64_t i = at; i < at + 20; ++i) missing += offsets.contains(i) ? 0 : 1;
    REQUIRE(gaps == missing);
    std::uint64_t end = at;
    while (offsets.contains(end)) ++end;
    REQUIRE(intervals.end_of(at) == end);
  }
}
