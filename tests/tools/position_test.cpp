#include "tools/spindle/position.hpp"

#include <catch2/catch.hpp>

using namespace spindle;
using namespace spindle::cli;

namespace {

constexpr WallNs second = 1'000'000'000;

std::optional<WallNs> time_of(std::string_view text, WallNs now = 0) {
  auto position = parse_position(text, now);
  REQUIRE(position);
  return position->time_ns;
}

}  // namespace

TEST_CASE("a position is a word, an offset or a time") {
  CHECK(parse_position("beginning", 0)->start.at == wire::Start::At::beginning);
  CHECK(parse_position("now", 0)->start.at == wire::Start::At::now);
  CHECK(parse_position("17", 0)->start.offset == 17);
  CHECK_FALSE(time_of("17"));
  CHECK(time_of("1970-01-01T00:00:00Z") == 0);
  CHECK(time_of("2023-11-14T22:13:20Z") == 1'700'000'000 * second);
  CHECK(time_of("2023-11-14T22:13:20.25Z") == 1'700'000'000 * second + second / 4);
  CHECK(time_of("2023-11-15t00:13:20+02:00") == 1'700'000'000 * second);
  CHECK(time_of("2023-11-14T20:43:20-01:30") == 1'700'000'000 * second);
  CHECK(time_of("2024-02-29T00:00:00Z") == 1'709'164'800 * second);
  CHECK(time_of("2h", 7'200 * second + 5) == 5);
}

TEST_CASE("what is no position is refused with examples") {
  for (const char* text : {"", "noon", "-3", "2023-11-14", "2023-11-14T22:13:20", "2023-02-30T00:00:00Z",
                           "2023-11-14T24:61:00Z", "2023-11-14T22:13:20.Z", "2023-11-14T22:13:20+2:00",
                           "2023-11-14T22:13:20ZZ", "99999999999999999999", "12x"}) {
    CAPTURE(text);
    auto position = parse_position(text, 0);
    REQUIRE_FALSE(position);
    CHECK(position.error().text.find("2025-01-31T12:00:00Z") != std::string::npos);
  }
}
