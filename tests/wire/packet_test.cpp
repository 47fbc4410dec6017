#include <catch2/catch.hpp>

#include "spindle/wire/limits.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

using namespace spindle;
using namespace spindle::wire;

namespace {

PacketHeader header_of(std::string_view source) {
  PacketHeader header;
  header.source = source;
  header.epoch = 7;
  header.event_class = EventClass::durable;
  header.sequence = 99;
  header.topic_count = 1000;
  header.time_ns = -5;
  return header;
}

Bytes attributes_of(std::size_t count, std::size_t value_bytes = 1) {
  Bytes out;
  Writer to(out);
  to.map(count);
  for (std::size_t i = 0; i < count; ++i) to.str("name" + std::to_string(i)).str(std::string(value_bytes, 'v'));
  return out;
}

Bytes packet_with_attributes(BytesView attributes) {
  PacketBuilder builder;
  builder.add("\x01", attributes);
  return builder.finish(header_of("a"));
}

Result<Packet> parse(BytesView bytes) {
  Values scratch;
  return Packet::parse(bytes, scratch);
}

void check_fails(BytesView bytes, ErrorCode code, std::string_view text) {
  const auto packet = parse(bytes);
  REQUIRE_FALSE(packet);
  CHECK(packet.error().code == code);
  INFO(packet.error().text);
  CHECK(packet.error().text.find(text) != std::string::npos);
}

}  // namespace

TEST_CASE("a packet reads back as it was built") {
  const Bytes attributes = attributes_of(2);
  const std::vector<Bytes> data{"\x01", "", Bytes(255, 'a'), Bytes(256, 'b'), Bytes(65'535, 'c'), Bytes(65'536, 'd')};
  PacketBuilder builder;
  for (std::size_t i = 0; i < data.size(); ++i) builder.add(data[i], i % 2 == 0 ? attributes : Bytes{});
  PacketHeader header = header_of("shop/1/2");
  header.attributes = attributes;
  const Bytes bytes = builder.finish(header);
  CHECK(builder.empty());
  CHECK(builder.size() == 0);

  const auto packet = parse(bytes);
  REQUIRE(packet);
  CHECK(packet->header().source == "shop/1/2");
  CHECK(packet->header().epoch == 7);
  CHECK(packet->header().event_class == EventClass::durable);
  CHECK(packet->header().sequence == 99);
  CHECK(packet->header().topic_count == 1000);
  CHECK(packet->header().count == data.size());
  CHECK(packet->header().time_ns == -5);
  CHECK(packet->header().attributes == attributes);
  CHECK(packet->keys().empty());
  CHECK_FALSE(packet->key(0));
  const auto events = packet->events();
  REQUIRE(events.size() == data.size());
  for (std::size_t i = 0; i < data.size(); ++i) {
    CHECK(events[i].data == data[i]);
    CHECK(events[i].attributes == (i % 2 == 0 ? attributes : Bytes{}));
  }
}

TEST_CASE("each event keeps its key") {
  PacketBuilder builder;
  for (const std::uint32_t key : {0u, 127u, 0xffffffffu}) builder.add("\x01", {}, key);
  CHECK(builder.has_keys());
  const Bytes bytes = builder.finish(header_of("a"));
  CHECK_FALSE(builder.has_keys());
  const auto packet = parse(bytes);
  REQUIRE(packet);
  CHECK(packet->key(0) == 0u);
  CHECK(packet->key(2) == 0xffffffffu);
}

TEST_CASE("a slice keeps the identity of its events") {
  PacketBuilder builder;
  for (std::uint32_t i = 0; i < 10; ++i)
    builder.add(Bytes(i + 1, static_cast<char>('a' + i)), attributes_of(i % 2), i);
  const Bytes bytes = builder.finish(header_of("shop/1/2"));
  const auto whole = parse(bytes);
  REQUIRE(whole);
  for (std::size_t first = 0; first < 10; ++first) {
    for (std::size_t count = 0; first + count <= 10; ++count) {
      const Bytes part_bytes = whole->slice(first, count);
      const auto part = parse(part_bytes);
      REQUIRE(part);
      CHECK(part->header().topic_count == 1000 + first);
      CHECK(part->header().sequence == 99);
      CHECK(part->header().source == "shop/1/2");
      CHECK(part->header().time_ns == -5);
      REQUIRE(part->header().count == count);
      const auto events = part->events();
      for (std::size_t i = 0; i < count; ++i) {
        CHECK(events[i].data == whole->events()[first + i].data);
        CHECK(events[i].attributes == whole->events()[first + i].attributes);
        CHECK(part->key(i) == whole->key(first + i));
      }
    }
  }
}

TEST_CASE("a packet without events states a total") {
  const Bytes bytes = totals_packet(header_of("a"));
  const auto packet = parse(bytes);
  REQUIRE(packet);
  CHECK(packet->header().count == 0);
  CHECK(packet->header().topic_count == 1000);
  CHECK(packet->events().empty());
}

TEST_CASE("an event's id names source, epoch, topic and number") {
  CHECK(event_id("shop/1/2", 7, "orders.placed", EventClass::durable, 41) == "shop/1/2@7/orders.placed/41");
  CHECK(event_id("shop/1/2", 7, "orders.placed", EventClass::live, 41) == "shop/1/2@7/orders.placed/live-41");
}

TEST_CASE("later versions may append header fields") {
  Bytes bytes;
  Writer to(bytes);
  to.array(12).uint(1).str("a").uint(1).uint(0).uint(1).uint(0).uint(1).sint(0).nil().nil().str("new").array(1).nil();
  to.array(2).nil().bin("\x01");
  const auto packet = parse(bytes);
  REQUIRE(packet);
  CHECK(packet->events().size() == 1);
}

TEST_CASE("a packet of another version is refused by name") {
  Bytes bytes;
  Writer(bytes).array(10).uint(2).str("a").uint(1).uint(0).uint(1).uint(0).uint(0).sint(0).nil().nil();
  check_fails(bytes, ErrorCode::unsupported_version, "version");
}

TEST_CASE("a packet with a wrong header is refused by the field's name") {
  const auto with = [](auto write_rest) {
    Bytes bytes;
    Writer to(bytes);
    to.array(10).uint(1);
    write_rest(to);
    return bytes;
  };
  check_fails(with([](Writer& to) { to.uint(5); }), ErrorCode::malformed, "ends too early");
  const auto header = [&](std::string_view source, std::uint64_t event_class, std::uint64_t count, auto keys) {
    return with([&](Writer& to) {
      to.str(source).uint(1).uint(event_class).uint(1).uint(0).uint(count).sint(0);
      keys(to);
      to.nil();
    });
  };
  const auto none = [](Writer& to) { to.nil(); };
  CHECK(parse(header("a", 0, 0, none)));
  check_fails(header("", 0, 0, none), ErrorCode::malformed, "source");
  check_fails(header("a b", 0, 0, none), ErrorCode::malformed, "source");
  check_fails(header("\xff", 0, 0, none), ErrorCode::malformed, "source is not UTF-8");
  check_fails(header("a", 2, 0, none), ErrorCode::malformed, "class");
  check_fails(header("a", 0, limits::packet_events_max + 1, none), ErrorCode::too_large, "packet_events_max");
  check_fails(header("a", 0, 1, none), ErrorCode::malformed, "an event is not");
  check_fails(header("a", 0, 2, [](Writer& to) { to.array(1).uint(1); }), ErrorCode::malformed, "one key for each");
  check_fails(header("a", 0, 1, [](Writer& to) { to.array(1).uint(1ull << 32); }), ErrorCode::malformed, "32 bits");
  check_fails(header("a", 0, 1, [](Writer& to) { to.array(1).nil(); }), ErrorCode::malformed, "key is nil");
}

TEST_CASE("bytes behind the last event are refused") {
  Bytes bytes = packet_with_attributes({});
  check_fails(bytes + '\xc0', ErrorCode::malformed, "bytes follow");
}

TEST_CASE("attributes that break a limit or stand twice are refused") {
  CHECK(parse(packet_with_attributes(attributes_of(limits::attributes_max))));
  check_fails(packet_with_attributes(attributes_of(limits::attributes_max + 1)), ErrorCode::too_large,
              "attributes_max");
  check_fails(packet_with_attributes(attributes_of(1, limits::attributes_bytes_max)), ErrorCode::too_large,
              "attributes_bytes_max");
  Bytes twice;
  Writer(twice).map(2).str("subject").uint(1).str("subject").uint(2);
  check_fails(packet_with_attributes(twice), ErrorCode::malformed, "'subject' stands twice");
  Bytes number;
  Writer(number).map(1).uint(1).uint(2);
  check_fails(packet_with_attributes(number), ErrorCode::malformed, "name");
  Bytes list;
  Writer(list).array(0);
  check_fails(packet_with_attributes(list), ErrorCode::malformed, "neither a map nor nil");

  PacketHeader header = header_of("a");
  const Bytes too_many = attributes_of(limits::attributes_max + 1);
  header.attributes = too_many;
  check_fails(totals_packet(header), ErrorCode::too_large, "attributes_max");
  header.attributes = twice;
  check_fails(totals_packet(header), ErrorCode::malformed, "stands twice");
}

TEST_CASE("an event above event_bytes_max is refused and told what to do") {
  PacketBuilder builder;
  builder.add(Bytes(limits::event_bytes_max, 'x'));
  CHECK(parse(builder.finish(header_of("a"))));
  builder.add(Bytes(limits::event_bytes_max + 1, 'x'));
  check_fails(builder.finish(header_of("a")), ErrorCode::too_large, "publish a reference");
  builder.add(Bytes(limits::packet_bytes_max, 'x'));
  check_fails(builder.finish(header_of("a")), ErrorCode::too_large, "packet_bytes_max");
}

TEST_CASE("a packet and a CloudEvent map are told apart by the first byte") {
  CHECK(Packet::looks_like_one(totals_packet(header_of("a"))));
  CHECK_FALSE(Packet::looks_like_one(attributes_of(1)));
  CHECK_FALSE(Packet::looks_like_one(""));
}
