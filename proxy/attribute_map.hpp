#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"

namespace spindle::proxy {

struct Attribute {
  std::string_view name;
  Bytes value;  // one msgpack value

  static Attribute text(std::string_view name, std::string_view value);
  static Attribute number(std::string_view name, std::uint64_t value);
  static Attribute time(std::string_view name, WallNs value);
};

/// The bytes of the value under that name in an event's attributes (a msgpack map, or empty); empty when it has none.
BytesView attribute_in(BytesView attributes, std::string_view name);
/// The same read as what it is; nothing when it is something else.
std::optional<std::string> text_in(BytesView attributes, std::string_view name);
std::optional<std::uint64_t> number_in(BytesView attributes, std::string_view name);

/// The attributes of an event (a msgpack map, or empty) with `added`, which replace those of the same names. When all
/// together would be beyond the limits of the wire, those of the event are left out.
Bytes with_attributes(BytesView attributes, std::span<const Attribute> added);

}  // namespace spindle::proxy
