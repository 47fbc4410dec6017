#pragma once

#include <span>
#include <string_view>

#include "spindle/base/bytes.hpp"

namespace spindle::proxy {

struct Attribute {
  std::string_view name;
  Bytes value;  // one msgpack value

  static Attribute text(std::string_view name, std::string_view value);
  static Attribute number(std::string_view name, std::uint64_t value);
};

/// The attributes of an event (a msgpack map, or empty) with `added`, which replace those of the same names. When all
/// together would be beyond the limits of the wire, those of the event are left out.
Bytes with_attributes(BytesView attributes, std::span<const Attribute> added);

}  // namespace spindle::proxy
