// Timers: turns without an event.
#include <algorithm>
#include <stdexcept>

#include "spindle/actor/runtime.hpp"

namespace spindle::actor {
namespace {

/// Longer than any process runs, and far from overflowing an Instant.
constexpr Duration longest_delay = std::chrono::hours(24 * 365 * 10);

}  // namespace

void Runtime::start(Now now) {
  now_ = now;
  started_ = true;
}

std::uint64_t Runtime::set_timer(Actor& actor, Duration delay, std::optional<Duration> interval,
                                 std::function<void()> run) {
  if (interval && *interval <= Duration::zero()) throw std::logic_error("every() needs an interval above zero");
  const std::uint64_t id = ++last_timer_;
  delay = std::clamp(delay, Duration::zero(), longest_delay);
  if (interval) interval = std::min(*interval, longest_delay);
  timer_tasks_[id] = {&actor, delay, interval, {}, std::move(run)};
  // The time within a turn is not known: a handler may have run for long.
  new_timers_.push_back(id);
  return id;
}

std::optional<Instant> Runtime::next_deadline() const {
  if (!started_) return std::nullopt;
  return new_timers_.empty() ? timers_.next() : now_.instant;
}

void Runtime::tick(Now now) {
  now_ = now;
  if (!started_) return;
  for (std::uint64_t id : std::exchange(new_timers_, {})) {
    auto found = timer_tasks_.find(id);
    if (found == timer_tasks_.end()) continue;  // cancelled
    found->second.due = now.instant + found->second.delay;
    timers_.set(found->second.due, id);
  }
  for (std::uint64_t id : timers_.expired(now.instant)) {
    auto found = timer_tasks_.find(id);
    if (found == timer_tasks_.end()) continue;
    TimerTask& task = found->second;
    Actor* const actor = task.actor;
    const std::function<void()> run = task.interval ? task.run : std::move(task.run);
    if (task.interval) {
      task.due += *task.interval;
      if (task.due <= now.instant) task.due = now.instant + *task.interval;  // no burst after a pause
      timers_.set(task.due, id);
    } else {
      timer_tasks_.erase(found);
    }
    run_task(actor, "a timer", run, true);
  }
}

}  // namespace spindle::actor
