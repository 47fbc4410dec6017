#pragma once

#include <string>
#include <string_view>

#include "spindle/base/bytes.hpp"

namespace spindle {

/// An event of any type, undecoded: for audits and bridges (on_raw). Views valid until the handler returns.
struct RawEvent {
  std::string_view topic;
  /// One msgpack value.
  BytesView data;
  /// A msgpack map, or empty.
  BytesView attributes;
};

}  // namespace spindle
