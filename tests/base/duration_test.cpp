#include "spindle/base/duration.hpp"

#include <catch2/catch.hpp>

using namespace spindle;
using namespace std::chrono_literals;

TEST_CASE("a duration is a number and a unit") {
  CHECK(*parse_duration("90s") == 90s);
  CHECK(*parse_duration("15m") == 15min);
  CHECK(*parse_duration("12h") == 12h);
  CHECK(*parse_duration("7d") == 7 * 24h);
  CHECK(*parse_duration("0") == 0s);
  CHECK(*parse_duration("36500d") == 36'500 * 24h);
}

TEST_CASE("what is no duration is refused with an example") {
  for (const char* text : {"", "7", "d", "-7d", "7 d", "7dd", "7w", "1.5h", "36501d", "99999999999999999999d"}) {
    CAPTURE(text);
    auto duration = parse_duration(text);
    REQUIRE_FALSE(duration);
    CHECK(duration.error().code == ErrorCode::invalid_argument);
    CHECK(duration.error().text.find("15m") != std::string::npos);
  }
}

TEST_CASE("a duration is written in the largest unit that is exact") {
  for (const char* text : {"0", "1s", "90s", "2m", "25h", "30d"}) CHECK(duration_text(*parse_duration(text)) == text);
  CHECK(duration_text(120min) == "2h");
}
