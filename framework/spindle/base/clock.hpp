#pragma once

#include <chrono>
#include <cstdint>

namespace spindle {

using Duration = std::chrono::nanoseconds;

/// Monotonic time, for deadlines. State machines take it as a parameter; only loops read a clock.
using Instant = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Nanoseconds since 1970 UTC: what events and records are stamped with. Never used for order or deadlines.
using WallNs = std::int64_t;

Instant monotonic_now();
WallNs wall_now_ns();

/// Both times as a loop reads them once a turn.
struct Now {
  Instant instant;
  WallNs wall_ns;

  static Now read() { return {monotonic_now(), wall_now_ns()}; }
};

}  // namespace spindle
