#pragma once

#include "spindle/base/clock.hpp"

namespace spindle {

/// A flag that another thread can raise and a poll set can wait for (an eventfd).
class Wakeup {
 public:
  Wakeup();
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  /// Raises the flag. Safe in a signal handler.
  void signal() const;
  void clear() const;
  void wait(Duration timeout) const;
  int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace spindle
