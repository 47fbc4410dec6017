#pragma once

#include <atomic>
#include <cstdint>

#include "spindle/base/clock.hpp"

namespace spindle::actor {

/// What a worker's thread is doing, for the keeper to look at from outside: a handler that blocks cannot tell by
/// itself.
struct TurnWatch {
  /// When the turn began (Instant's count); 0 between turns.
  std::atomic<std::int64_t> began{0};
  /// The topic at hand or the word "timer"; lives as long as the runtime.
  std::atomic<const char*> what{""};
  std::atomic<std::uint64_t> offset{0};
};

}  // namespace spindle::actor
