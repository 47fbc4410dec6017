#pragma once

#include <cstdint>

#include "spindle/base/clock.hpp"

/// What concerns the process as a whole: main's business, never the library's.
namespace spindle::proxy {

/// Catches SIGTERM and SIGINT as something to wait for. Make it before any thread: threads inherit that the signals
/// do not interrupt them. One a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// Waits until a signal came or `other_fd` is readable; the number of the signal, or 0. After the first signal the
  /// next one ends the process at once, for the operator who does not want to wait any longer.
  int wait(int other_fd);

 private:
  int fd_;
};

/// Writing to a closed connection is an error to handle, not the end of the process.
void ignore_sigpipe();

/// Raises the number of files that may be open to the most that the system allows, and says how many that is: at the
/// limit libzmq's accept spins (FACTS.md), and each client takes up to three.
std::uint64_t raise_open_files_limit();

}  // namespace spindle::proxy
