#pragma once

namespace spindle::cli {

/// SIGINT and SIGTERM as something to poll. Make it before any other thread, so that none of them gets the signals;
/// it also makes a closed pipe an error of write() instead of a signal. One in a process.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  int fd() const { return fd_; }
  /// How often it was asked to stop so far.
  int count();

 private:
  int fd_ = -1;
  int count_ = 0;
};

}  // namespace spindle::cli
