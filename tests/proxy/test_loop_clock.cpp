#include <catch2/catch.hpp>

#include "proxy/log.hpp"
#include "proxy/loop_clock.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

namespace {
const Now start{Instant(1h), 1000};
Now after(Duration passed) { return {start.instant + passed, start.wall_ns + passed.count()}; }
}  // namespace

TEST_CASE("loop time passes as real time does") {
  LoopClock clock(start);
  CHECK(clock.turn(after(500ms)).instant == start.instant + 500ms);
  CHECK(clock.turn(after(1s)).instant == start.instant + 1s);
  CHECK(clock.last_pause() == 0s);
}

TEST_CASE("a pause of the loop counts for nothing, so it extends every lease") {
  LoopClock clock(start);
  clock.turn(after(100ms));
  const Now resumed = clock.turn(after(60s));
  CHECK(resumed.instant == start.instant + 100ms);
  CHECK(resumed.wall_ns == start.wall_ns + Duration(60s).count());
  CHECK(clock.last_pause() == 60s - 100ms);
  CHECK(clock.turn(after(60s + 200ms)).instant == start.instant + 300ms);
  CHECK(clock.last_pause() == 0s);
}

TEST_CASE("the wait for a deadline is in loop time and never long enough to look like a pause") {
  LoopClock clock(start);
  CHECK(clock.wait_for(start.instant + 20ms) == 20ms);
  CHECK(clock.wait_for(start.instant - 20ms) == 0ms);
  CHECK(clock.wait_for(start.instant + 1h) == LoopClock::wait_max);
  CHECK(LoopClock::wait_max < LoopClock::pause_min);
}

TEST_CASE("a throttled log line says how many it stands for, once a second") {
  log::Throttle throttle;
  CHECK(throttle.due(start.instant) == 0);
  throttle.add(3);
  CHECK(throttle.due(start.instant) == 3);
  throttle.add();
  CHECK(throttle.due(start.instant + 900ms) == 0);
  throttle.add();
  CHECK(throttle.due(start.instant + 1s) == 2);
}
