#include "proxy/dead_letter.hpp"

#include <charconv>
#include <vector>

#include "proxy/attribute_map.hpp"
#include "proxy/group_topics.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::proxy {
namespace {

/// What an event's id says: it is "source@epoch/topic/n".
struct Identity {
  std::string_view source;
  std::uint64_t epoch = 0;
  std::uint64_t n = 0;
};

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (wrong != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<Identity> identity_in(std::string_view id, std::string_view topic) {
  const std::size_t at = id.find('@');
  const std::size_t slash = at == id.npos ? id.npos : id.find('/', at);
  if (slash == id.npos) return std::nullopt;
  const std::string_view place = id.substr(slash + 1);
  if (!place.starts_with(topic) || !place.substr(topic.size()).starts_with('/')) return std::nullopt;
  const auto epoch = number(id.substr(at + 1, slash - at - 1));
  const auto n = number(place.substr(topic.size() + 1));
  if (!epoch || !n) return std::nullopt;
  return Identity{id.substr(0, at), *epoch, *n};
}

}  // namespace

Result<DeadLetter> DeadLetter::read(const spool::Record& record, std::string_view group, wire::Values& scratch) {
  if (record.topic != dead_topic(group) || record.count != 1) {
    return fail(ErrorCode::corrupt, "what is stored there is no dead letter of this group");
  }
  auto packet = wire::Packet::parse(record.body, scratch);
  if (!packet) return fail(std::move(packet.error()));
  if (packet->header().count != 1) return fail(ErrorCode::corrupt, "a dead letter is not one event");
  DeadLetter letter;
  letter.letter_offset = record.offset;
  letter.died_ns = record.time_ns;
  letter.event = packet->events()[0];
  letter.key = packet->key(0);
  letter.packet_attributes = packet->header().attributes;
  const BytesView says = letter.event.attributes;
  letter.reason = text_in(says, "deadreason").value_or("");
  letter.attempts = number_in(says, "deadattempts").value_or(0);
  letter.topic = text_in(says, "deadtopic").value_or("");
  letter.offset = number_in(says, "deadoffset").value_or(0);
  letter.id = text_in(says, "deadid").value_or("");
  letter.replays = number_in(says, "deadreplays").value_or(0);
  // The first letters do not say it.
  letter.published_ns =
      static_cast<WallNs>(number_in(says, "deadtime").value_or(static_cast<std::uint64_t>(packet->header().time_ns)));
  return letter;
}

Result<Bytes> DeadLetter::replay_packet(wire::Values& scratch) const {
  const auto identity = identity_in(id, topic);
  if (!identity || !wire::is_topic(topic)) {
    return fail(ErrorCode::corrupt, "the letter does not say which event it is of");
  }
  std::vector<Attribute> added;
  for (const std::string_view kept :
       {"deadreason", "deadattempts", "deadgroup", "deadtopic", "deadoffset", "deadid", "deadtime"}) {
    if (const BytesView value = attribute_in(event.attributes, kept); !value.empty()) {
      added.push_back({kept, Bytes(value)});
    }
  }
  added.push_back(Attribute::number("deadreplays", replays + 1));
  added.push_back(Attribute::number("replayof", letter_offset));
  wire::PacketBuilder builder;
  builder.add(event.data, with_attributes(event.attributes, added), key);
  wire::PacketHeader header;
  header.source = identity->source;
  header.epoch = identity->epoch;
  header.event_class = wire::EventClass::durable;
  header.topic_count = identity->n;
  header.time_ns = published_ns;
  header.attributes = packet_attributes;
  Bytes packet = builder.finish(header);
  // It is read again and again from now on.
  if (auto parsed = wire::Packet::parse(packet, scratch); !parsed) return fail(std::move(parsed.error()));
  return packet;
}

}  // namespace spindle::proxy
