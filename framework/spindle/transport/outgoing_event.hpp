#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle::transport {

/// An event on its way out; everything is borrowed for the call it is given to.
struct OutgoingEvent {
  std::string_view topic;
  /// One msgpack value.
  BytesView data;
  /// A msgpack map, or empty.
  BytesView attributes;
  /// Hash of the event's key, if it has one.
  std::optional<std::uint32_t> key;
};

/// Topics that one source may publish on while it lives: each costs a counter.
inline constexpr std::size_t topics_per_source_max = 100'000;

/// Whether the sizes of data and attributes are within the limits of the wire.
Result<void> check_sizes(const OutgoingEvent& event);

}  // namespace spindle::transport
