#include "spindle/base/timers.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "spindle/base/clock.hpp"

using namespace spindle;
using namespace std::chrono_literals;

TEST_CASE("deadlines come out in order, equal ones as they were set") {
  Timers<std::string> timers;
  const Instant start{};
  timers.set(start + 2s, "second");
  timers.set(start + 1s, "first");
  timers.set(start + 2s, "third");
  CHECK(timers.next() == start + 1s);
  CHECK(timers.expired(start).empty());
  CHECK(timers.expired(start + 2s) == std::vector<std::string>{"first", "second", "third"});
  CHECK_FALSE(timers.next());
  CHECK(timers.size() == 0);
}
