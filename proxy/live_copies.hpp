#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "proxy/bounded_mailbox.hpp"
#include "spindle/base/bytes.hpp"
#include "spindle/spool/batch.hpp"

namespace spindle::proxy {

/// Durable batches on their way to live subscribers: the control thread offers them, the forwarder sends their
/// events. The batches are shared, not copied. A forwarder that falls behind misses whole batches, which a subscriber
/// sees by topic_count.
class LiveCopies {
 public:
  static constexpr std::size_t bytes_max = 16 * 1024 * 1024;

  /// Control thread: false when the batch is skipped because too much waits.
  bool offer(std::shared_ptr<const spool::Batch> batch);

  /// Forwarder: readable when take() has something to do.
  int fd() const { return offered_.fd(); }
  /// Forwarder: makes what was offered available to next().
  void take();
  /// A durable packet; `owner` keeps both views alive.
  struct Copy {
    std::shared_ptr<const void> owner;
    BytesView topic;
    BytesView packet;
  };
  /// Forwarder: the next one in log order.
  std::optional<Copy> next();
  /// Forwarder: forgets all that was taken: nobody subscribes.
  void drop_taken();
  bool empty() const { return taken_.empty(); }

  /// Any thread: bytes of batches that were offered and not yet sent or dropped.
  std::size_t bytes_held() const { return offered_.bytes(); }

 private:
  void drop_front();

  BoundedMailbox<std::shared_ptr<const spool::Batch>> offered_{bytes_max};
  std::deque<std::shared_ptr<const spool::Batch>> taken_;
  // in the first of taken_
  std::size_t step_ = 0;
  std::size_t position_ = 0;
};

}  // namespace spindle::proxy
