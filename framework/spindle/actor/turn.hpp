#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/outgoing_event.hpp"
#include "spindle/wire/group_messages.hpp"

namespace spindle::actor {

/// Why a delivery comes again is told in so many bytes.
inline constexpr std::size_t reason_bytes_max = 200;

/// Whether a service may publish on the topic: it is one, and not Spindle's own. The error is invalid_argument.
Result<void> check_own_topic(std::string_view topic);

/// What one run of a handler wants to happen: nothing does before it has returned, and then all of it or nothing.
/// One for each worker, used again and again; its thread only.
class Turn {
 public:
  void begin();
  /// The handler failed: forgets what it published, and the deliveries that it settled come again.
  void undo(const std::string& reason);
  void end() { open_ = false; }
  bool open() const { return open_; }

  /// Encode an event's msgpack at the end of buffer(), then add() it; or truncate the buffer again.
  Bytes& buffer() { return buffer_; }
  /// `start` is where its bytes begin in buffer(). Errors: invalid_argument outside a turn or for a topic that is
  /// none, too_large.
  Result<void> add(std::string_view topic, std::size_t start, std::optional<std::uint32_t> key, bool durable);
  /// `key` is that of the delivered event, if it has one.
  Result<void> settle(wire::Settlement settlement, std::optional<std::uint32_t> key = {});
  /// Settles it so, whatever the turn said of this delivery before.
  void settle_instead(wire::Settlement settlement, std::optional<std::uint32_t> key = {});

  bool empty() const { return publications_.empty() && settlements_.empty(); }
  bool has_durable() const { return durable_count_ > 0; }
  const std::vector<wire::Settlement>& settlements() const { return settlements_; }
  /// The events with keys that are to come again.
  struct Retried {
    std::uint64_t member = 0;
    std::uint64_t offset = 0;
    std::uint32_t key = 0;
  };
  std::vector<Retried> retried() const;
  std::vector<wire::Settlement> take_settlements() { return std::exchange(settlements_, {}); }
  /// Valid until the turn changes.
  std::vector<transport::OutgoingEvent> durable() const { return select(true); }
  std::vector<transport::OutgoingEvent> live() const { return select(false); }

 private:
  struct Publication {
    std::string_view topic;
    std::size_t begin = 0;
    std::size_t end = 0;
    std::optional<std::uint32_t> key;
    bool durable = false;
  };
  void forget_publications();
  std::vector<transport::OutgoingEvent> select(bool durable) const;

  bool open_ = false;
  Bytes buffer_;
  std::deque<std::string> topics_;  // stay where they are: publications point at them
  std::vector<Publication> publications_;
  std::size_t durable_count_ = 0;
  std::vector<wire::Settlement> settlements_;
  std::vector<Retried> keys_;  // of what is settled
};

}  // namespace spindle::actor
