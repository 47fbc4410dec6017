#pragma once

#include <atomic>
#include <cstdint>

namespace spindle::actor {

/// What a worker's thread is doing, for the keeper to look at from outside: a handler that blocks cannot tell by
/// itself. The keeper has the clock: turns are counted here, for reading the time costs more than a small turn.
struct TurnWatch {
  /// Turns begun and ended: odd while one runs.
  std::atomic<std::uint64_t> count{0};
  /// The actor's type (std::type_info::name), and the pattern at hand or "a timer". They live as long as the runtime.
  std::atomic<const char*> actor{""};
  std::atomic<const char*> what{""};
  /// Of the event, if it is a delivery.
  std::atomic<std::uint64_t> offset{0};

  // For the one thread that runs the turns.
  void begin(std::uint64_t of) {
    offset.store(of, std::memory_order_relaxed);
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  void busy(const char* type, const char* with) {
    actor.store(type, std::memory_order_relaxed);
    what.store(with, std::memory_order_relaxed);
  }
  void end() { count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_release); }
};

}  // namespace spindle::actor
