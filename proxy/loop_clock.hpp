#pragma once

#include <algorithm>

#include "spindle/base/clock.hpp"

namespace spindle::proxy {

/// Time as the control loop counts it: monotonic time less the pauses of the loop. Clients' leases and deadlines run
/// on it, so that a proxy that was stopped (SIGSTOP, a frozen machine, a disk that blocks a read) does not take
/// everyone for dead when it goes on: the pause extends every one of them.
class LoopClock {
 public:
  /// A turn of the loop waits for less than this, so whatever takes longer is a pause and counts for nothing.
  static constexpr Duration pause_min = std::chrono::seconds(1);
  /// The longest a loop may wait in its poll.
  static constexpr Duration wait_max = std::chrono::milliseconds(500);

  explicit LoopClock(Now real) : real_(real.instant), loop_(real.instant) {}

  /// Once a turn, with the time as it really is: the time to give to the broker. Wall time is passed through.
  Now turn(Now real) {
    const Duration passed = real.instant - real_;
    real_ = real.instant;
    last_pause_ = passed > pause_min ? passed : Duration::zero();
    if (last_pause_ == Duration::zero()) loop_ += passed;
    return {loop_, real.wall_ns};
  }

  /// How long the pause before the last turn was; zero when there was none.
  Duration last_pause() const { return last_pause_; }

  /// How long to wait for a deadline in loop time: until then, but at most wait_max.
  Duration wait_for(Instant deadline) const { return std::clamp(deadline - loop_, Duration::zero(), wait_max); }

 private:
  Instant real_;
  Instant loop_;
  Duration last_pause_{};
};

}  // namespace spindle::proxy
