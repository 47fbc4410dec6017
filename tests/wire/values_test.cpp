#include <catch2/catch.hpp>

#include "spindle/wire/limits.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

using namespace spindle;
using namespace spindle::wire;

TEST_CASE("UTF-8 is told from what is not") {
  for (const char* good :
       {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\xa7\xb5", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3z", "\xe2\x82"}) {
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("integers keep their value and take their shortest form") {
  const std::int64_t numbers[] = {
      0,  1,   127, 128,  255,  256,     65'535,         65'536,    4'294'967'295, 4'294'967'296,
      -1, -32, -33, -128, -129, -32'769, -2'147'483'649, INT64_MIN, INT64_MAX};
  const std::size_t sizes[] = {1, 1, 1, 2, 2, 3, 3, 5, 5, 9, 1, 1, 2, 2, 3, 5, 9, 9, 9};
  for (std::size_t i = 0; i < std::size(numbers); ++i) {
    Bytes bytes;
    Writer(bytes).sint(numbers[i]);
    CHECK(bytes.size() == sizes[i]);
    Values values;
    REQUIRE(values.read_whole(bytes));
    Cursor at(values);
    CHECK(at.sint("number") == numbers[i]);
    CHECK(at.ok());
  }
}

TEST_CASE("an unsigned integer may stand in any of msgpack's forms") {
  using namespace std::string_literals;
  for (const Bytes& five : {"\x05"s, "\xcc\x05"s, "\xcd\x00\x05"s, "\xd0\x05"s, "\xd3\0\0\0\0\0\0\0\x05"s}) {
    Values values;
    REQUIRE(values.read_whole(five));
    Cursor at(values);
    CHECK(at.uint("number") == 5);
    CHECK(at.ok());
  }
}

TEST_CASE("the first wrong field is the one that is named") {
  Bytes bytes;
  Writer(bytes).array(3).uint(1).sint(-1).nil();
  Values values;
  REQUIRE(values.read_whole(bytes));
  Cursor at(values);
  at.array("message");
  at.uint("first");
  at.uint("second");
  CHECK(at.sint("third") == 0);
  CHECK_FALSE(at.nil());
  CHECK_FALSE(at.peek());
  REQUIRE_FALSE(at.ok());
  CHECK(at.error().text == "second is a negative integer, not an integer");
}

TEST_CASE("depth and number of values are bounded") {
  const auto nested = [](std::size_t depth) { return Bytes(depth, '\x91') + '\xc0'; };
  Values values;
  std::size_t offset = 0;
  CHECK(values.read_whole(nested(limits::msgpack_depth_max)));
  CHECK_FALSE(values.read_whole(nested(limits::msgpack_depth_max + 1)));
  CHECK_FALSE(values.read_whole(nested(1'000'000)));
  CHECK_FALSE(skip_value(nested(1'000'000), offset));
  CHECK_FALSE(skip_value(Bytes(1'000'000, '\x81'), offset));

  Bytes many;
  Writer(many).array(limits::msgpack_values_max);
  many.append(limits::msgpack_values_max, '\x01');
  const auto read = values.read_whole(many);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::too_large);
}

TEST_CASE("stepping over a value and reading a string stop at the end") {
  Bytes bytes;
  Writer(bytes).map(1).str("a").array(2).nil().str("b");
  std::size_t offset = 0;
  CHECK(skip_value(bytes, offset));
  CHECK(offset == bytes.size());
  CHECK_FALSE(skip_value(bytes, offset));
  CHECK_FALSE(str_at(bytes, offset));
  for (const std::size_t size : {0u, 31u, 32u, 255u, 256u, 65'535u, 65'536u}) {
    Bytes text;
    Writer(text).str(Bytes(size, 'x'));
    offset = 0;
    CHECK(str_at(text, offset)->size() == size);
    CHECK(offset == text.size());
    for (std::size_t shorter = 0; shorter < std::min<std::size_t>(text.size(), 40); ++shorter) {
      offset = 0;
      CHECK_FALSE(str_at(BytesView(text).substr(0, shorter), offset));
      CHECK(offset == 0);
    }
  }
}
