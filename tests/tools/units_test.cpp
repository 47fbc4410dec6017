#include "tools/spindle/units.hpp"

#include <catch2/catch.hpp>

using namespace spindle::cli;

TEST_CASE("exact figures are in the largest unit that loses nothing") {
  CHECK(exact_time(0) == "0 ms");
  CHECK(exact_time(250) == "250 ms");
  CHECK(exact_time(1'000) == "1 s");
  CHECK(exact_time(90'000) == "90 s");
  CHECK(exact_time(120'000) == "2 min");
  CHECK(exact_time(3'600'000) == "1 h");
  CHECK(exact_time(7 * 86'400'000ull) == "7 d");
  CHECK(exact_size(0) == "0 B");
  CHECK(exact_size(1'000) == "1000 B");
  CHECK(exact_size(3ull << 30) == "3 GiB");
  CHECK(exact_size(1ull << 60) == "1024 PiB");
}
