#pragma once

#include <atomic>
#include <cstddef>
#include <utility>
#include <vector>

#include "spindle/base/mailbox.hpp"

namespace spindle::proxy {

/// A mailbox that holds a number of bytes: those that wait, and those taken and not yet released. One thread posts,
/// one takes.
template <class Message>
class BoundedMailbox {
 public:
  explicit BoundedMailbox(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// False, and nothing happened, when it would hold too much; a message of any size is taken while it holds nothing.
  bool post(Message message, std::size_t bytes) {
    const std::size_t held = bytes_.load(std::memory_order_relaxed);  // only grows here: this thread alone posts
    if (held != 0 && held + bytes > bytes_max_) return false;
    bytes_.fetch_add(bytes, std::memory_order_relaxed);
    messages_.post(std::move(message));
    return true;
  }

  std::vector<Message> take() { return messages_.take(); }
  /// These bytes, of messages taken before, are done with.
  void release(std::size_t bytes) { bytes_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  int fd() const { return messages_.fd(); }

 private:
  Mailbox<Message> messages_;
  std::atomic<std::size_t> bytes_ = 0;
  std::size_t bytes_max_;
};

}  // namespace spindle::proxy
