#pragma once

#include <string_view>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle::wire {

/// A live message whose second frame is one msgpack map: a CloudEvent (CloudEvents 1.0, modelled on its JSON format),
/// so that a client in any language can publish with a msgpack library and a PUB socket. Points into the bytes.
struct CloudEvent {
  std::string_view id;
  std::string_view source;
  /// Spindle uses the topic as the type; a map whose type differs from its topic frame is malformed.
  std::string_view type;
  /// The bytes of the `data` member's msgpack value; empty when there is none.
  BytesView data;
  struct Attribute {
    std::string_view name;
    BytesView value;  // one msgpack value
  };
  /// Every member besides specversion, id, source, type and data.
  std::vector<Attribute> attributes;

  /// Fails on a map without specversion "1.0", id, source and type, on a key given twice, on trailing bytes, and
  /// beyond event_bytes_max (data), attributes_max and attributes_bytes_max (all the rest).
  static Result<CloudEvent> parse(std::string_view topic, BytesView bytes);
};

/// The attributes as the msgpack map that an event in a packet carries.
Bytes attribute_map(const std::vector<CloudEvent::Attribute>& attributes);

}  // namespace spindle::wire
