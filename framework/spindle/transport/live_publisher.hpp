#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/outgoing_event.hpp"
#include "spindle/transport/socket.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::transport {

class Context;

/// Live events that may wait for a busy socket; beyond it publish() says outbox_full.
inline constexpr std::size_t live_backlog_bytes_max = 16 * 1024 * 1024;
/// Silence after which a source states the totals of the topics that changed.
inline constexpr Duration live_totals_after = std::chrono::seconds(1);

/// A source's live events on their way to the proxy's publish port: coalesced into a packet per topic, numbered, and
/// followed by totals when the source falls silent. At most once: what is published while there is no connection
/// waits in a bounded queue, and what a lost connection swallows shows in topic_count. One thread.
class LivePublisher {
 public:
  /// `epoch` is welcome's. Counts begin at 0: make a new one for a new epoch.
  static Result<LivePublisher> open(Context& context, const std::string& endpoint, std::string source,
                                    std::uint64_t epoch);

  /// Adds the event to its topic's packet, which leaves at flush() or when it is full. Errors: outbox_full (flush and
  /// try later), too_large, invalid_argument, too_many.
  Result<void> publish(const OutgoingEvent& event, Now now);
  /// Sends what waits. False when some still does, since the socket is busy: call again.
  Result<bool> flush(Now now);
  /// States totals when they are due.
  Result<void> on_tick(Now now);
  /// When on_tick has something to do.
  std::optional<Instant> next_deadline() const;

  /// A packet without events on `topic` whose sequence is `nonce`: it comes back when the path is whole. It goes
  /// after all that was published before; false when the socket is busy.
  Result<bool> send_echo(std::string_view topic, std::uint64_t nonce, WallNs now);
  /// Replaces the connection by a new one; counts go on.
  Result<void> reconnect();

  /// How long closing may go on sending what is queued.
  void set_linger(Duration time) { socket_.set_linger(time); }

 private:
  struct Topic {
    std::string name;
    wire::PacketBuilder events;
    WallNs time_ns = 0;
    std::uint64_t published = 0;  // sent or queued in ready_
    bool listed = false;          // in filling_
    bool changed = false;         // in changed_
  };
  struct Ready {
    std::string_view topic;  // the Topic's name
    SharedBytes packet;
  };

  LivePublisher(Context& context, std::string endpoint, std::string source, std::uint64_t epoch, Socket socket);
  Result<Topic*> topic_of(std::string_view name);
  void close_packet(Topic& topic);
  wire::PacketHeader header(WallNs now);
  Result<bool> send_ready();

  Context* context_;
  std::string endpoint_;
  std::string source_;
  std::uint64_t epoch_;
  Socket socket_;
  std::unordered_map<std::string_view, Topic*> index_;
  std::deque<Topic> topics_;
  Topic* last_ = nullptr;
  std::vector<Topic*> filling_;  // with events that are not in a packet yet, in the order they got the first
  std::vector<Topic*> changed_;  // since the last totals
  std::deque<Ready> ready_;      // packets that wait for the socket
  std::size_t waiting_bytes_ = 0;
  std::uint64_t sequence_ = 0;
  Instant last_published_{};
};

}  // namespace spindle::transport
