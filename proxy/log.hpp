#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spindle/base/clock.hpp"

/// The proxy's log: one event a line, on standard error. Any thread.
namespace spindle::proxy::log {

/// trace, debug, info, warn, error or off; info at first.
void set_level(std::string_view level);

void debug(std::string_view line);
void info(std::string_view line);
void warn(std::string_view line);
void error(std::string_view line);

/// Counts what would flood the log, and says when a line about it is due: at once, then once a second at most.
/// One thread.
class Throttle {
 public:
  void add(std::uint64_t count = 1) { waiting_ += count; }
  /// How many were added since the last line, when a line is due now; 0 when none is. Instant::max() makes one due.
  std::uint64_t due(Instant now);
  std::uint64_t waiting() const { return waiting_; }

 private:
  std::uint64_t waiting_ = 0;
  Instant next_{};
};

}  // namespace spindle::proxy::log
