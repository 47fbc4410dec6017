#include "spindle/wire/packet.hpp"

#include "spindle/wire/attributes.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/topic.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::wire {
namespace {

constexpr std::uint64_t packet_version = 1;
constexpr std::size_t header_fields = 10;

void write_header(Bytes& out, const PacketHeader& header, const std::uint32_t* keys) {
  Writer to(out);
  to.array(header_fields).uint(packet_version).str(header.source).uint(header.epoch);
  to.uint(static_cast<std::uint64_t>(header.event_class)).uint(header.sequence).uint(header.topic_count);
  to.uint(header.count).sint(header.time_ns);
  if (keys != nullptr) {
    to.array(header.count);
    for (std::size_t i = 0; i < header.count; ++i) to.uint(keys[i]);
  } else {
    to.nil();
  }
  if (header.attributes.empty()) {
    to.nil();
  } else {
    to.raw(header.attributes);
  }
}

/// Where element `index` begins in the array at the front, which was read without error before.
std::size_t element_at(BytesView bytes, std::size_t index) {
  std::size_t offset = 0;
  array_head(bytes, offset);
  for (std::size_t i = 0; i < index; ++i) (void)skip_value(bytes, offset);
  return offset;
}

Result<BytesView> bin_at(BytesView bytes, std::size_t& offset) {
  auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[offset + i])); };
  const std::size_t left = bytes.size() - offset;
  std::size_t head = 0;
  std::size_t size = 0;
  if (left >= 2 && byte(0) == 0xc4) {
    head = 2;
    size = byte(1);
  } else if (left >= 3 && byte(0) == 0xc5) {
    head = 3;
    size = byte(1) << 8 | byte(2);
  } else if (left >= 5 && byte(0) == 0xc6) {
    head = 5;
    size = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
  } else {
    return fail(ErrorCode::malformed, "an event's data is not a msgpack bin");
  }
  if (size > left - head) return fail(ErrorCode::malformed, "an event's data ends too early");
  if (size > limits::event_bytes_max) {
    return fail(ErrorCode::too_large, "an event has " + std::to_string(size) + " bytes; event_bytes_max is " +
                                          std::to_string(limits::event_bytes_max) +
                                          ": store the payload elsewhere and publish a reference");
  }
  BytesView data = bytes.substr(offset + head, size);
  offset += head + size;
  return data;
}

Result<PacketEvent> event_at(BytesView bytes, std::size_t& offset) {
  if (array_head(bytes, offset) != 2u) return fail(ErrorCode::malformed, "an event is not [attributes, data]");
  auto attributes = attributes_at(bytes, offset);
  if (!attributes) return fail(attributes.error());
  auto data = bin_at(bytes, offset);
  if (!data) return fail(data.error());
  return PacketEvent{*attributes, *data};
}

}  // namespace

bool Packet::looks_like_one(BytesView bytes) {
  std::size_t offset = 0;
  return array_head(bytes, offset).has_value();
}

Result<Packet> Packet::parse(BytesView bytes, Values& scratch) {
  Packet packet;
  packet.bytes_ = bytes;
  std::size_t offset = 0;
  if (bytes.size() > limits::packet_bytes_max) {
    return fail(ErrorCode::too_large,
                "a packet is larger than packet_bytes_max (" + std::to_string(limits::packet_bytes_max) + ")");
  }
  if (auto read = scratch.read(bytes, offset); !read) return fail(read.error());
  Cursor at(scratch);
  PacketHeader& header = packet.header_;
  const std::uint32_t fields = at.array("packet header");
  if (at.ok() && fields < header_fields) at.fail(ErrorCode::malformed, "packet header has too few fields");
  if (at.uint("packet version") != packet_version && at.ok()) {
    at.fail(ErrorCode::unsupported_version, "packet version is not " + std::to_string(packet_version));
  }
  header.source = at.str("source");
  header.epoch = at.uint("epoch");
  const std::uint64_t event_class = at.uint("class");
  header.sequence = at.uint("sequence");
  header.topic_count = at.uint("topic_count");
  const std::uint64_t count = at.uint("count");
  header.time_ns = at.sint("time_ns");
  if (!at.nil()) {
    const std::uint32_t keys = at.array("keys");
    if (at.ok() && keys != count) at.fail(ErrorCode::malformed, "packet has not one key for each event");
    for (std::uint32_t i = 0; i < keys && at.ok(); ++i) {
      const std::uint64_t key = at.uint("key");
      if (key > 0xffffffffu) at.fail(ErrorCode::malformed, "key is above 32 bits");
      packet.keys_.push_back(static_cast<std::uint32_t>(key));
    }
  }
  const bool has_attributes = !at.nil();
  if (!at.ok()) return fail(at.error());
  if (has_attributes) {
    std::size_t attributes_offset = element_at(bytes, header_fields - 1);
    auto attributes = attributes_at(bytes, attributes_offset);
    if (!attributes) return fail(attributes.error());
    header.attributes = *attributes;
  }
  if (event_class > 1) return fail(ErrorCode::malformed, "packet class is neither live (0) nor durable (1)");
  if (count > limits::packet_events_max) {
    return fail(ErrorCode::too_large, "a packet has more events than packet_events_max (" +
                                          std::to_string(limits::packet_events_max) + ")");
  }
  header.event_class = static_cast<EventClass>(event_class);
  header.count = static_cast<std::uint32_t>(count);
  if (auto source = check_source(header.source); !source) return fail(source.error());
  packet.events_at_ = offset;
  for (std::uint32_t i = 0; i < header.count; ++i) {
    if (auto event = event_at(bytes, offset); !event) return fail(event.error());
  }
  if (offset != bytes.size()) return fail(ErrorCode::malformed, "bytes follow the packet's last event");
  return packet;
}

void read_keys(BytesView packet, std::vector<std::uint32_t>& keys) {
  constexpr std::size_t keys_field = 8;
  keys.clear();
  std::size_t offset = 0;
  if (array_head(packet, offset).value_or(0) < header_fields) return;
  for (std::size_t i = 0; i < keys_field; ++i) {
    if (!skip_value(packet, offset)) return;
  }
  const auto count = array_head(packet, offset);
  for (std::uint32_t i = 0; i < count.value_or(0); ++i) {
    const auto key = uint_at(packet, offset);
    if (!key) return keys.clear();
    keys.push_back(static_cast<std::uint32_t>(*key));
  }
}

std::optional<std::uint32_t> Packet::key(std::size_t index) const {
  if (keys_.empty()) return std::nullopt;
  return keys_[index];
}

std::vector<PacketEvent> Packet::events() const {
  std::vector<PacketEvent> events;
  events.reserve(header_.count);
  for (std::size_t offset = events_at_; offset < bytes_.size();) events.push_back(*event_at(bytes_, offset));
  return events;
}

Bytes Packet::slice(std::size_t first, std::size_t count) const {
  std::size_t offset = events_at_;
  for (std::size_t i = 0; i < first; ++i) (void)*event_at(bytes_, offset);
  const std::size_t begin = offset;
  for (std::size_t i = 0; i < count; ++i) (void)*event_at(bytes_, offset);
  PacketHeader header = header_;
  header.topic_count += first;
  header.count = static_cast<std::uint32_t>(count);
  Bytes out;
  out.reserve(offset - begin + 128);
  write_header(out, header, keys_.empty() ? nullptr : keys_.data() + first);
  out.append(bytes_.substr(begin, offset - begin));
  return out;
}

void PacketBuilder::add(BytesView data, BytesView attributes, std::optional<std::uint32_t> key) {
  static constexpr BytesView event_head = "\x92";
  static constexpr BytesView event_head_nil = "\x92\xc0";
  events_.append(attributes.empty() ? event_head_nil : event_head).append(attributes);
  Writer(events_).bin(data);
  if (key) keys_.push_back(*key);
  ++count_;
}

Bytes PacketBuilder::finish(PacketHeader header) {
  header.count = count_;
  Bytes out;
  out.reserve(events_.size() + header.source.size() + header.attributes.size() + 64 + keys_.size() * 5);
  write_header(out, header, keys_.empty() ? nullptr : keys_.data());
  out.append(events_);
  events_.clear();
  keys_.clear();
  count_ = 0;
  return out;
}

Bytes totals_packet(PacketHeader header) {
  header.count = 0;
  Bytes out;
  write_header(out, header, nullptr);
  return out;
}

std::string event_id(std::string_view source, std::uint64_t epoch, std::string_view topic, EventClass event_class,
                     std::uint64_t n) {
  std::string id;
  id.reserve(source.size() + topic.size() + 32);
  id.append(source).append("@").append(std::to_string(epoch)).append("/").append(topic);
  id.append(event_class == EventClass::live ? "/live-" : "/").append(std::to_string(n));
  return id;
}

}  // namespace spindle::wire
