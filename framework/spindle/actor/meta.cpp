#include "spindle/actor/meta.hpp"

#include "spindle/actor/incoming.hpp"
#include "spindle/wire/values.hpp"

namespace spindle {
namespace {

/// The string under `name` in a msgpack map.
std::optional<std::string> string_in(BytesView map, std::string_view name) {
  wire::Values values;
  if (map.empty() || !values.read_whole(map)) return std::nullopt;
  wire::Cursor at(values);
  const std::uint32_t pairs = at.map("attributes");
  for (std::uint32_t i = 0; i < pairs && at.ok(); ++i) {
    const bool found = at.str("attribute name") == name;
    if (found && at.ok() && at.peek() == wire::ValueType::str) return std::string(at.str(name));
    at.skip();
  }
  return std::nullopt;
}

}  // namespace

std::string Meta::id() const {
  if (incoming_.cloud_event != nullptr) {
    return std::string(incoming_.cloud_event->source) + "#" + std::string(incoming_.cloud_event->id);
  }
  const wire::PacketHeader& header = *incoming_.header;
  return wire::event_id(header.source, header.epoch, incoming_.topic, header.event_class,
                        header.topic_count + incoming_.index);
}

std::string_view Meta::topic() const { return incoming_.topic; }

std::string_view Meta::source() const {
  return incoming_.cloud_event != nullptr ? incoming_.cloud_event->source : incoming_.header->source;
}

std::optional<std::uint64_t> Meta::offset() const {
  if (!incoming_.delivery) return std::nullopt;
  return incoming_.delivery->offset;
}

std::uint64_t Meta::attempt() const { return incoming_.attempt; }

std::chrono::system_clock::time_point Meta::time() const {
  const std::chrono::nanoseconds since_epoch(incoming_.header != nullptr ? incoming_.header->time_ns : 0);
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(since_epoch));
}

std::optional<std::string> Meta::attribute(std::string_view name) const {
  if (incoming_.cloud_event != nullptr)
    return string_in(wire::attribute_map(incoming_.cloud_event->attributes), name);
  if (auto own = string_in(incoming_.attributes, name)) return own;
  return string_in(incoming_.header->attributes, name);
}

std::uint64_t Meta::missed() const { return incoming_.missed; }

}  // namespace spindle
