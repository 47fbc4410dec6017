#include "spindle/wire/cloud_event.hpp"

#include <algorithm>

#include "spindle/wire/limits.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::wire {
namespace {

/// The bytes of the value at `offset`, which is moved behind it.
Result<BytesView> value_at(BytesView bytes, std::size_t& offset) {
  const std::size_t begin = offset;
  if (auto skipped = skip_value(bytes, offset); !skipped) return fail(skipped.error());
  return bytes.substr(begin, offset - begin);
}

Result<std::string_view> text_of(BytesView value, std::string_view member) {
  Values values;
  if (auto read = values.read_whole(value); !read) return fail(read.error());
  Cursor at(values);
  std::string_view text = at.str(member);
  if (!at.ok()) return fail(at.error());
  return text;
}

}  // namespace

Result<CloudEvent> CloudEvent::parse(std::string_view topic, BytesView bytes) {
  if (bytes.size() > limits::packet_bytes_max)
    return fail(ErrorCode::too_large, "a CloudEvent is larger than a packet may be");
  std::size_t offset = 0;
  const auto members = map_head(bytes, offset);
  if (!members) return fail(ErrorCode::malformed, "a live message is neither a packet nor a CloudEvent map");
  CloudEvent event;
  std::string_view version;
  std::vector<std::string_view> seen;
  for (std::uint32_t i = 0; i < *members; ++i) {
    auto key = value_at(bytes, offset);
    if (!key) return fail(key.error());
    auto member = text_of(*key, "a CloudEvent's member name");
    if (!member) return fail(member.error());
    if (std::find(seen.begin(), seen.end(), *member) != seen.end()) {
      return fail(ErrorCode::malformed, "CloudEvent member '" + std::string(*member) + "' stands twice");
    }
    seen.push_back(*member);
    auto value = value_at(bytes, offset);
    if (!value) return fail(value.error());
    std::string_view* text = *member == "specversion" ? &version
                             : *member == "id"        ? &event.id
                             : *member == "source"    ? &event.source
                             : *member == "type"      ? &event.type
                                                      : nullptr;
    if (text != nullptr) {
      auto read = text_of(*value, *member);
      if (!read) return fail(read.error());
      *text = *read;
    } else if (*member == "data") {
      event.data = *value;
    } else {
      event.attributes.push_back({*member, *value});
    }
  }
  if (offset != bytes.size()) return fail(ErrorCode::malformed, "bytes follow the CloudEvent map");
  if (version != "1.0") return fail(ErrorCode::malformed, "a CloudEvent's specversion is not \"1.0\"");
  if (event.id.empty() || event.source.empty())
    return fail(ErrorCode::malformed, "a CloudEvent has no id or no source");
  if (event.type != topic) return fail(ErrorCode::malformed, "a CloudEvent's type is not the topic it was sent on");
  if (event.data.size() > limits::event_bytes_max) {
    return fail(ErrorCode::too_large, "a CloudEvent's data is larger than event_bytes_max");
  }
  return event;
}

Bytes attribute_map(const std::vector<CloudEvent::Attribute>& attributes) {
  if (attributes.empty()) return {};
  Bytes out;
  Writer to(out);
  to.map(attributes.size());
  for (const CloudEvent::Attribute& attribute : attributes) to.str(attribute.name).raw(attribute.value);
  return out;
}

}  // namespace spindle::wire
