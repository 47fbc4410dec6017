#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"

namespace spindle::wire {

class Values;

/// Live events travel at most once; durable ones are stored before anyone sees them. Numbered apart.
enum class EventClass : std::uint8_t { live = 0, durable = 1 };

/// What stands before the events of a packet (PROTOCOL.md, "Packets").
struct PacketHeader {
  std::string_view source;
  std::uint64_t epoch = 0;
  EventClass event_class = EventClass::live;
  /// Live: the packet's number in its source, class and epoch. Durable: the number of the (first) commit in it.
  std::uint64_t sequence = 0;
  /// Events of this class that the source published on this topic in this epoch before this packet.
  std::uint64_t topic_count = 0;
  std::uint32_t count = 0;
  WallNs time_ns = 0;
  /// The packet's own attributes, a msgpack map, or empty.
  BytesView attributes;
};

/// One event of a packet: attributes (a msgpack map, or empty) and data (the event's msgpack value).
struct PacketEvent {
  BytesView attributes;
  BytesView data;
};

/// A packet that was checked whole: the header's fields, as many events as it says, nothing behind them.
/// Points into the bytes it was parsed from.
class Packet {
 public:
  /// `scratch` is reused between calls and not referred to afterwards.
  static Result<Packet> parse(BytesView bytes, Values& scratch);

  /// Whether the bytes begin as a packet does (an array), not as a CloudEvent map.
  static bool looks_like_one(BytesView bytes);

  const PacketHeader& header() const { return header_; }
  /// 32-bit hash of each event's key, or empty when the events have none.
  const std::vector<std::uint32_t>& keys() const { return keys_; }
  /// Hash of the event's key, if it has one.
  std::optional<std::uint32_t> key(std::size_t index) const;
  BytesView bytes() const { return bytes_; }

  /// All events, in order. O(count).
  std::vector<PacketEvent> events() const;

  /// A packet that holds only the events [first, first + count) of this one and keeps their identity.
  Bytes slice(std::size_t first, std::size_t count) const;

 private:
  BytesView bytes_;
  PacketHeader header_;
  std::vector<std::uint32_t> keys_;
  std::size_t events_at_ = 0;
};

/// The key hashes of a packet that was checked before, one for each event; `keys` is empty when it has none, or is no
/// packet. Reads no event.
void read_keys(BytesView packet, std::vector<std::uint32_t>& keys);

/// Collects events of one topic and makes a packet of them.
class PacketBuilder {
 public:
  /// `data` is one msgpack value; `attributes` a msgpack map or empty. Either all events of a packet have a key or
  /// none: the caller starts another packet otherwise (see has_keys()).
  void add(BytesView data, BytesView attributes = {}, std::optional<std::uint32_t> key = std::nullopt);
  std::uint32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  bool has_keys() const { return !keys_.empty(); }
  /// Bytes of the events so far; the header adds at most a few hundred.
  std::size_t size() const { return events_.size(); }

  /// The packet with this header (its count is filled in), leaving the builder empty and its memory reused.
  Bytes finish(PacketHeader header);

 private:
  Bytes events_;
  std::vector<std::uint32_t> keys_;
  std::uint32_t count_ = 0;
};

/// A packet without events that states how many the source has published on the topic: sent when a source falls
/// silent so that the loss of its last packet is noticed.
Bytes totals_packet(PacketHeader header);

/// The name of an event that is unique across sources and for ever: "source@epoch/topic/n", with "live-n" for live
/// ones; n is topic_count plus the event's index in its packet. The idempotency key for effects outside the log.
std::string event_id(std::string_view source, std::uint64_t epoch, std::string_view topic, EventClass event_class,
                     std::uint64_t n);

}  // namespace spindle::wire
