#include <catch2/catch.hpp>

#include "spindle/base/checksum.hpp"
#include "spindle/base/error.hpp"
#include "spindle/base/result.hpp"

using namespace spindle;

TEST_CASE("every error code is found by its name") {
  for (int i = 0; i <= static_cast<int>(ErrorCode::not_found); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    CAPTURE(name(code));
    CHECK(error_code_named(name(code)) == code);
  }
  CHECK_FALSE(error_code_named("no_such_error"));
}

TEST_CASE("an error's message begins with its code") {
  const Result<int> failed = fail(ErrorCode::disk_full, "free some space");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message() == "disk_full: free some space");
}

TEST_CASE("a checksum differs with the seed and is the same for bytes in two pieces") {
  CHECK(checksum("spindle", std::uint64_t{1}) != checksum("spindle", std::uint64_t{2}));
  CHECK(checksum("spin", BytesView("dle")) == checksum("spindle"));
  CHECK(checksum("spindle", std::uint64_t{0}) == checksum("spindle"));
}
