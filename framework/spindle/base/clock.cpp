#include "spindle/base/clock.hpp"

namespace spindle {

Instant monotonic_now() { return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now()); }

WallNs wall_now_ns() {
  auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

}  // namespace spindle
