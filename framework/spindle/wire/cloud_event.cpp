#include "spindle/wire/cloud_event.hpp"

#include "spindle/wire/attributes.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::wire {
namespace {

Result<std::string_view> text_at(BytesView bytes, std::size_t& offset, std::string_view member) {
  if (const auto text = str_at(bytes, offset)) return *text;
  return fail(ErrorCode::malformed, "CloudEvent member '" + std::string(member) + "' is not UTF-8 text");
}

/// What must hold of the members that every CloudEvent has.
Result<void> check(const CloudEvent& event, std::string_view version, std::string_view topic) {
  if (version != "1.0") return fail(ErrorCode::malformed, "a CloudEvent's specversion is not \"1.0\"");
  if (event.id.empty() || event.source.empty()) {
    return fail(ErrorCode::malformed, "a CloudEvent has no id or no source");
  }
  if (event.type != topic) {
    return fail(ErrorCode::malformed, "a CloudEvent's type is not the topic it was sent on");
  }
  return {};
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
  AttributeNames names;
  for (std::uint32_t i = 0; i < *members; ++i) {
    auto member = names.read(bytes, offset);
    if (!member) return fail(member.error());
    std::string_view* text = *member == "specversion" ? &version
                             : *member == "id"        ? &event.id
                             : *member == "source"    ? &event.source
                             : *member == "type"      ? &event.type
                                                      : nullptr;
    const std::size_t begin = offset;
    if (text != nullptr) {
      auto read = text_at(bytes, offset, *member);
      if (!read) return fail(read.error());
      *text = *read;
      continue;
    }
    if (auto value = skip_value(bytes, offset); !value) return fail(value.error());
    const BytesView value = bytes.substr(begin, offset - begin);
    if (*member == "data") {
      event.data = value;
    } else {
      event.attributes.push_back({*member, value});
    }
  }
  if (offset != bytes.size()) return fail(ErrorCode::malformed, "bytes follow the CloudEvent map");
  if (event.data.size() > limits::event_bytes_max) {
    return fail(ErrorCode::too_large, "a CloudEvent's data is larger than event_bytes_max");
  }
  if (bytes.size() - event.data.size() > limits::attributes_bytes_max) {
    return fail(ErrorCode::too_large, "a CloudEvent is larger without its data than attributes_bytes_max");
  }
  if (auto good = check(event, version, topic); !good) return fail(good.error());
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
