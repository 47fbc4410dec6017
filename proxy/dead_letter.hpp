#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::spool {
struct Record;
}

namespace spindle::proxy {

/// A dead letter as it stands in the log (PROTOCOL.md, "Dead letters"). Its views point into the record.
struct DeadLetter {
  std::uint64_t letter_offset = 0;
  WallNs died_ns = 0;
  /// Why, and after how many attempts.
  std::string reason;
  std::uint64_t attempts = 0;
  /// Of the event: its topic, offset, id, when it was published, and how often it was replayed before this letter.
  std::string topic;
  std::uint64_t offset = 0;
  std::string id;
  WallNs published_ns = 0;
  std::uint64_t replays = 0;
  wire::PacketEvent event;
  std::optional<std::uint32_t> key;
  BytesView packet_attributes;

  /// Fails on a record that is no letter of that group.
  static Result<DeadLetter> read(const spool::Record& record, std::string_view group, wire::Values& scratch);

  /// The packet that replays the event: with its own source, epoch and place, and so with its own id.
  Result<Bytes> replay_packet(wire::Values& scratch) const;
};

}  // namespace spindle::proxy
