#include <catch2/catch.hpp>

#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"
#include "tools/spindle/event_line.hpp"

using namespace spindle;
using namespace spindle::cli;

namespace {

Bytes map_of(std::string_view name, std::string_view value) {
  Bytes map;
  wire::Writer(map).map(1).str(name).str(value);
  return map;
}

std::string time_text(WallNs time) {
  Bytes text;
  append_time(text, time);
  return text;
}

}  // namespace

TEST_CASE("an event's line says where it is from, its id, its offset and its attributes before the packet's") {
  wire::PacketBuilder builder;
  builder.add("\x01");
  builder.add("\x02", map_of("subject", "own"));
  Bytes shared;
  wire::Writer(shared).map(2).str("subject").str("shared").str("traceparent").str("t");
  wire::PacketHeader header;
  header.source = "shop/1/0";
  header.epoch = 3;
  header.event_class = wire::EventClass::durable;
  header.sequence = 12;
  header.topic_count = 41;
  header.time_ns = 1'700'000'000'000'000'001;
  header.attributes = shared;
  const Bytes bytes = builder.finish(header);
  wire::Values values;
  const auto packet = wire::Packet::parse(bytes, values);
  REQUIRE(packet);

  Bytes out;
  PacketLines stored("orders.placed", *packet, DeliveredAs{100, 2});
  REQUIRE(stored.append(out, 1, packet->events()[1]));
  CHECK(out ==
        R"({"topic":"orders.placed","source":"shop/1/0","epoch":3,"sequence":12,"id":"shop/1/0@3/orders.placed/42",)"
        R"("offset":101,"attempt":2,"time":"2023-11-14T22:13:20.000000001Z",)"
        R"("attributes":{"subject":"own","traceparent":"t"},"data":2})"
        "\n");

  out.clear();
  PacketLines live("orders.placed", *packet, std::nullopt);
  REQUIRE(live.append(out, 0, packet->events()[0]));
  CHECK(out.find(R"("offset":null,"attempt":null)") != Bytes::npos);
  CHECK(out.find(R"("attributes":{"subject":"shared","traceparent":"t"},"data":1)") != Bytes::npos);
}

TEST_CASE("an event whose data is no msgpack value has no line") {
  wire::PacketBuilder builder;
  builder.add("\xc1");
  wire::PacketHeader header;
  header.source = "shop";
  header.epoch = 1;
  const Bytes bytes = builder.finish(header);
  wire::Values values;
  const auto packet = wire::Packet::parse(bytes, values);
  REQUIRE(packet);
  Bytes out = "before";
  PacketLines lines("a", *packet, std::nullopt);
  CHECK_FALSE(lines.append(out, 0, packet->events()[0]));
  CHECK(out == "before");
}

TEST_CASE("a CloudEvent's line has its own id, time and attributes") {
  Bytes map;
  wire::Writer to(map);
  to.map(7).str("specversion").str("1.0").str("id").str("a1").str("source").str("till/1").str("type").str("a.b");
  to.str("subject").str("berlin").str("time").str("2026-01-01T00:00:00Z").str("data").uint(7);
  const auto event = wire::CloudEvent::parse("a.b", map);
  REQUIRE(event);
  Bytes out;
  REQUIRE(append_line(out, *event));
  CHECK(out ==
        R"({"topic":"a.b","source":"till/1","epoch":null,"sequence":null,"id":"a1","offset":null,"attempt":null,)"
        R"("time":"2026-01-01T00:00:00Z","attributes":{"subject":"berlin","time":"2026-01-01T00:00:00Z"},"data":7})"
        "\n");
}

TEST_CASE("time is RFC 3339 with all nine digits, before 1970 too") {
  CHECK(time_text(0) == "1970-01-01T00:00:00.000000000Z");
  CHECK(time_text(-1) == "1969-12-31T23:59:59.999999999Z");
  CHECK(time_text(1'700'000'000'123'456'789) == "2023-11-14T22:13:20.123456789Z");
}
