#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "spindle/base/bytes.hpp"
#include "spindle/wire/cloud_event.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::actor {

/// One event on its way into a handler. Views into the message that brought it.
struct Incoming {
  std::string_view topic;
  BytesView data;
  BytesView attributes;
  /// The packet it came in, and its place there; or the CloudEvent that it is.
  const wire::PacketHeader* header = nullptr;
  std::size_t index = 0;
  const wire::CloudEvent* cloud_event = nullptr;
  /// Of a durable delivery.
  std::uint64_t member = 0;
  std::optional<wire::DeliveryId> delivery;
  std::uint64_t attempt = 1;
  std::optional<std::uint32_t> key = {};
  /// Of a live event: how many of its source and topic were missed just before it.
  std::uint64_t missed = 0;
};

}  // namespace spindle::actor
