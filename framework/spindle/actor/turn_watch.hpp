#pragma once

#include <atomic>
#include <cstdint>

namespace spindle::actor {

/// What a worker's thread is doing, for the keeper to look at from outside: a handler that blocks cannot tell by
/// itself. The keeper has the clock: turns are counted here, for reading the time costs more than a small turn.
struct TurnWatch {
  /// Turns begun and ended: odd while one runs.
  std::atomic<std::uint64_t> count{0};
  /// The actor's type (std::type_info::name) and the topic or pattern at hand, or "a timer". They live as long as the
  /// runtime.
  std::atomic<const char*> actor{""};
  std::atomic<const char*> what{""};
  /// Of the event, if it is a delivery.
  std::atomic<std::uint64_t> offset{0};
};

}  // namespace spindle::actor
