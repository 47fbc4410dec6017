#include "spindle/transport/miss_counter.hpp"

#include <catch2/catch.hpp>

using namespace spindle;
using namespace spindle::transport;

namespace {

wire::PacketHeader header(std::uint64_t topic_count, std::uint32_t count, std::uint64_t epoch = 1,
                          std::string_view source = "s") {
  wire::PacketHeader header;
  header.source = source;
  header.epoch = epoch;
  header.topic_count = topic_count;
  header.count = count;
  return header;
}

}  // namespace

TEST_CASE("misses are counted from the first packet seen") {
  MissCounter misses;
  CHECK(misses.note("a", header(1000, 5)) == 0);
  CHECK(misses.note("a", header(1005, 5)) == 0);
  CHECK(misses.note("a", header(1017, 1)) == 7);
  CHECK(misses.note("a", header(1018, 1)) == 0);
  CHECK(misses.total() == 7);
}

TEST_CASE("totals show that the last packet was lost") {
  MissCounter misses;
  CHECK(misses.note("a", header(0, 3)) == 0);
  CHECK(misses.note("a", header(3, 0)) == 0);
  CHECK(misses.note("a", header(8, 0)) == 5);
  CHECK(misses.note("a", header(8, 0)) == 0);
  CHECK(misses.note("a", header(8, 2)) == 0);
}

TEST_CASE("topics, sources and classes are counted apart") {
  MissCounter misses;
  auto durable = header(50, 1);
  durable.event_class = wire::EventClass::durable;
  CHECK(misses.note("a", header(0, 1)) == 0);
  CHECK(misses.note("b", header(9, 1)) == 0);
  CHECK(misses.note("a", header(9, 1, 1, "t")) == 0);
  CHECK(misses.note("a", durable) == 0);
  CHECK(misses.streams() == 4);
}

TEST_CASE("in a new epoch all before its first packet was missed, and packets of an old one are not counted") {
  MissCounter misses;
  CHECK(misses.note("a", header(0, 10, 1)) == 0);
  CHECK(misses.note("a", header(3, 1, 2)) == 3);
  CHECK(misses.note("a", header(90, 1, 1)) == 0);
  CHECK(misses.note("a", header(6, 1, 2)) == 2);
}

TEST_CASE("a repeat is no miss") {
  MissCounter misses;
  CHECK(misses.note("a", header(0, 10)) == 0);
  CHECK(misses.note("a", header(0, 10)) == 0);
  CHECK(misses.note("a", header(10, 1)) == 0);
}

TEST_CASE("the table is bounded and forgets what was not seen for longest") {
  MissCounter misses(2);
  CHECK(misses.note("a", header(0, 1)) == 0);
  CHECK(misses.note("b", header(0, 1)) == 0);
  CHECK(misses.note("a", header(1, 1)) == 0);
  CHECK(misses.note("c", header(0, 1)) == 0);
  CHECK(misses.streams() == 2);
  CHECK(misses.forgotten() == 1);
  CHECK(misses.note("a", header(5, 1)) == 3);  // was kept
  CHECK(misses.note("b", header(9, 1)) == 0);  // was forgotten
}
