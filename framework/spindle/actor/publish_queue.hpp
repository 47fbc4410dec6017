#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spindle/actor/receipt.hpp"
#include "spindle/actor/receipt_book.hpp"
#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/base/wakeup.hpp"
#include "spindle/transport/outgoing_event.hpp"

namespace spindle::actor {

/// What may wait between the threads that call Service::publish and the worker that sends it.
inline constexpr std::size_t publish_queue_bytes_max = 32 * 1024 * 1024;

/// Events on their way from any thread to a worker. Callers encode into it under its lock; the worker takes all at
/// once.
class PublishQueue {
 public:
  PublishQueue() = default;
  ~PublishQueue();

  struct Event {
    std::size_t topic;  // index into topics
    std::size_t end;    // of its bytes; they begin where the one before ends
    std::optional<std::uint32_t> key;
    bool durable;
  };
  struct Batch {
    Bytes data;
    std::vector<std::string> topics;
    std::vector<Event> events;
    std::shared_ptr<ReceiptBook> receipts;

    transport::OutgoingEvent event(std::size_t index) const;
  };

  /// `encode` appends the event's msgpack to the bytes it is given, under the lock.
  template <class Encode>
  Result<Receipt> add(std::string_view topic, std::optional<std::uint32_t> key, bool durable, Encode encode) {
    std::unique_lock lock(mutex_);
    if (auto open = check_open(); !open) return fail(open.error());
    batch_.data.resize(bytes_used());  // an encoder that threw may have left some
    if (auto encoded = encode(batch_.data); !encoded) return fail(encoded.error());
    return finish(std::move(lock), topic, key, durable);
  }

  /// Everything that waits, if something does.
  std::optional<Batch> take();
  /// Readable while something waits.
  const Wakeup& wakeup() const { return wakeup_; }
  /// From now on publishing fails with `why`. What waits may still be taken; its receipts end with the queue.
  void close(Error why);

 private:
  Result<void> check_open() const;
  std::size_t bytes_used() const { return batch_.events.empty() ? 0 : batch_.events.back().end; }
  Result<Receipt> finish(std::unique_lock<std::mutex> lock, std::string_view topic, std::optional<std::uint32_t> key,
                         bool durable);

  std::mutex mutex_;
  Batch batch_;
  std::optional<Error> closed_;
  Wakeup wakeup_;
};

}  // namespace spindle::actor
