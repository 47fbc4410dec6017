#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/cloud_event.hpp"
#include "spindle/wire/packet.hpp"
#include "tools/spindle/msgpack_to_json.hpp"

namespace spindle::cli {

/// How an event was handed to a group's member.
struct DeliveredAs {
  std::uint64_t first_offset = 0;            // of the packet's first event
  std::optional<std::uint64_t> attempt = 1;  // none: it was not handed out, but read where it is stored
};

/// The lines of one packet's events, as `spindle sub` prints them: a JSON object each with topic, source, epoch,
/// sequence, id, offset, attempt, time, attributes and data; offset and attempt are null without a group.
class PacketLines {
 public:
  /// The packet's bytes outlive it.
  PacketLines(std::string_view topic, const wire::Packet& packet, std::optional<DeliveredAs> delivered);

  /// Appends the line of event `index`. Malformed (and nothing is appended) when its data is not one msgpack value.
  Result<void> append(Bytes& out, std::uint64_t index, const wire::PacketEvent& event);

 private:
  const wire::PacketHeader& header_;
  std::optional<DeliveredAs> delivered_;
  Bytes begin_;   // the line up to the id's number
  Bytes middle_;  // from the attempt to the attributes
  MsgpackToJson to_json_;
};

/// The line of a CloudEvent: no epoch and no sequence, and as time what it says itself.
Result<void> append_line(Bytes& out, const wire::CloudEvent& event);

/// RFC 3339 with nanoseconds, UTC.
void append_time(Bytes& out, WallNs time);

}  // namespace spindle::cli
