#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace spindle::bench {

/// What several forked processes have handled, in memory that they share. Make it before the first fork.
class Tally {
 public:
  static constexpr std::size_t processes_max = 16;
  using Clock = std::chrono::steady_clock;

  Tally();
  ~Tally();
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  /// One process's part; only that process writes it.
  struct alignas(64) Part {
    std::atomic<std::uint64_t> handled{0};
    std::atomic<std::int64_t> begin{0};
    std::atomic<std::int64_t> end{0};

    /// One more event; the first begins the time.
    void add() {
      const std::uint64_t before = handled.load(std::memory_order_relaxed);
      if (before == 0) begin = now();
      handled.store(before + 1, std::memory_order_relaxed);
    }
    void finish() { end = now(); }
    static std::int64_t now() { return Clock::now().time_since_epoch().count(); }
  };
  Part& part(std::size_t process) { return shared_->parts[process]; }

  /// Until all parts together have handled so many; false when that takes longer than 5 minutes.
  bool wait_for(std::uint64_t events) const;
  /// Tells the processes that nothing more comes, for who waits for that.
  void stop() { shared_->stopped = true; }
  void wait_for_stop() const;
  /// Events a second from the first that was handled until the last process had finished.
  double per_second() const;

 private:
  struct Shared {
    std::array<Part, processes_max> parts;
    std::atomic<bool> stopped{false};
  };
  Shared* shared_;
};

}  // namespace spindle::bench
