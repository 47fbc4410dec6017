#pragma once

#include <mutex>
#include <utility>
#include <vector>

#include "spindle/base/wakeup.hpp"

namespace spindle {

/// How threads talk: one moves messages in, the other polls fd() and takes all of them at once.
/// Any number of threads may post; one takes. Unbounded by itself: whoever posts keeps the bound, since only it
/// knows what to do at the limit.
template <class Message>
class Mailbox {
 public:
  void post(Message message) {
    bool was_empty;
    {
      std::lock_guard lock(mutex_);
      was_empty = messages_.empty();
      messages_.push_back(std::move(message));
    }
    if (was_empty) wakeup_.signal();
  }

  /// Takes everything that waits, in order; empty when nothing does. Never blocks.
  std::vector<Message> take() {
    wakeup_.clear();
    std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

  /// Readable while messages wait (an eventfd); give it to a poll set.
  int fd() const { return wakeup_.fd(); }

  /// Blocks until a message waits or `timeout` has passed.
  void wait(Duration timeout) const { wakeup_.wait(timeout); }

 private:
  std::mutex mutex_;
  std::vector<Message> messages_;
  Wakeup wakeup_;
};

}  // namespace spindle
