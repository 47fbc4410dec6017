#include <catch2/catch.hpp>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace spindle {
namespace {

using samples::OrderPlaced;

template <class T>
struct One {
  static constexpr std::string_view topic = "one.field";
  static constexpr bool durable = false;
  T value{};
  MSGPACK_DEFINE_MAP(value)
};

/// What decoding {"value": what the hex says} as a One<T> brings.
template <class T>
std::string error_for(std::string_view hex) {
  Bytes bytes;
  wire::Writer(bytes).map(1).str("value").raw(from_hex(hex));
  std::string text = error_of<One<T>>(bytes);
  constexpr std::string_view start = "one.field: field value ";
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

TEST_CASE("a wrong type is named") {
  Bytes bytes;
  wire::Writer(bytes).map(3).str("order_id").str("o").str("email").str("e").str("total_cents").str("12");
  auto read = decoded<OrderPlaced>(bytes);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::malformed);
  CHECK(read.error().text == "orders.placed: field total_cents is a string, not an integer");

  CHECK(error_for<std::string>("01") == "is an integer, not a string");
  CHECK(error_for<std::string>("c4 01 61") == "is a bin, not a string");
  CHECK(error_for<std::vector<std::byte>>("a1 61") == "is a string, not a bin");
  CHECK(error_for<bool>("01") == "is an integer, not a boolean");
  CHECK(error_for<int>("c3") == "is a boolean, not an integer");
  CHECK(error_for<int>("c0") == "is nil, not an integer");
  CHECK(error_for<double>("a1 31") == "is a string, not a float");
  CHECK(error_for<std::vector<int>>("80") == "is a map, not an array");
  CHECK(error_for<std::map<std::string, int>>("90") == "is an array, not a map");
  CHECK(error_for<samples::Line>("90") == "is an array, not a map");
  CHECK(error_for<samples::Point>("80") == "is a map, not an array");
  CHECK(error_for<std::chrono::seconds>("a1 31") == "is a string, not an integer");
  CHECK(error_for<std::chrono::system_clock::time_point>("d6 ff 00 00 00 00") == "is an ext, not an integer");
}

TEST_CASE("an event that is no map at all says so") {
  CHECK(error_of<OrderPlaced>(from_hex("93 a1 61 a1 62 01")) == "orders.placed: the event is an array, not a map");
  CHECK(error_of<OrderPlaced>(from_hex("c0")) == "orders.placed: the event is nil, not a map");
}

TEST_CASE("a number out of range is an error, not another number") {
  CHECK(error_for<std::uint8_t>("cd 01 2c") == "is 300, out of range for uint8");
  CHECK(error_for<std::uint8_t>("cc ff") == "decoded");
  CHECK(error_for<std::uint32_t>("ff") == "is -1, out of range for uint32");
  CHECK(error_for<std::int8_t>("cc 80") == "is 128, out of range for int8");
  CHECK(error_for<std::int8_t>("d0 80") == "decoded");
  CHECK(error_for<std::int8_t>("d1 ff 7f") == "is -129, out of range for int8");
  CHECK(error_for<std::int64_t>("cf 80 00 00 00 00 00 00 00") == "is 9223372036854775808, out of range for int64");
  CHECK(error_for<int>("cb 3f f8 00 00 00 00 00 00") == "is a float, not an integer");
  CHECK(error_for<int>("cb 3f f0 00 00 00 00 00 00") == "is a float, not an integer");
  CHECK(error_for<samples::Colour>("cd 01 00") == "is 256, out of range for uint8");
}

TEST_CASE("a float is read from an integer that it holds exactly") {
  CHECK(error_for<double>("03") == "decoded");
  CHECK(error_for<double>("fd") == "decoded");
  CHECK(error_for<double>("cf 00 20 00 00 00 00 00 00") == "decoded");
  CHECK(error_for<double>("cf 00 20 00 00 00 00 00 01") == "is an integer that a float cannot hold exactly");
  CHECK(error_for<float>("cb 7f ef ff ff ff ff ff ff") == "is out of range for a 32-bit float");
}

TEST_CASE("an enumeration that knows its enumerators refuses others") {
  CHECK(error_for<samples::Checked>("02") == "decoded");
  CHECK(error_for<samples::Checked>("03") == "is 3, which is none of its enumerators");
  CHECK(error_for<samples::Colour>("63") == "decoded");
}

TEST_CASE("text must be UTF-8, keys of maps too") {
  CHECK(error_for<std::string>("a1 e9") == "is not UTF-8");
  CHECK(error_for<std::string>("aa 61 61 61 61 61 61 61 61 61 e9") == "is not UTF-8");
  CHECK(error_for<std::string>("a2 c0 80") == "is not UTF-8");
  CHECK(error_for<std::string>("a3 ed a0 80") == "is not UTF-8");
  CHECK(error_for<std::string>("a2 c3 a9") == "decoded");
  CHECK(error_of<One<std::map<std::string, int>>>(from_hex("81 a5 76 61 6c 75 65 81 a1 ff 01")) ==
        "one.field: field value[0] is not UTF-8");
}

TEST_CASE("a key twice is an error") {
  Bytes bytes;
  wire::Writer(bytes).map(4).str("order_id").str("o").str("email").str("e").str("total_cents").uint(1);
  Bytes known = bytes, unknown_at_first = bytes;
  wire::Writer(known).str("email").str("other");
  CHECK(error_of<OrderPlaced>(known) == "orders.placed: the event has the key email twice");
  CHECK(error_of<One<std::map<int, int>>>(from_hex("81 a5 76 61 6c 75 65 82 01 01 01 02")) ==
        "one.field: field value[1] is a key that was there before");

  // as many keys as fields, the missing one optional
  Bytes line;
  wire::Writer(line).map(1).str("value").map(3).str("sku").str("s").str("count").uint(1).str("sku").str("t");
  CHECK(error_of<One<samples::Line>>(line) == "one.field: field value has the key sku twice");
}

TEST_CASE("a key that is not a string is an error") {
  CHECK(error_of<OrderPlaced>(from_hex("81 01 02")) ==
        "orders.placed: the event has a key that is an integer, not a string");
}

TEST_CASE("sizes of std::array are exact") {
  CHECK(error_for<std::array<int, 2>>("93 01 02 03") == "has 3 elements, not 2");
  CHECK(error_for<std::array<int, 2>>("91 01") == "has 1 elements, not 2");
  CHECK(error_for<std::array<std::byte, 2>>("c4 01 00") == "has 1 bytes, not 2");
}

TEST_CASE("the path leads to the value") {
  samples::Everything event = samples::everything();
  const Bytes good = encoded(event);
  Bytes bad = good;
  bad[bad.find("b-2") - 1] = '\xc4';  // the string becomes the head of a bin of 0x62 bytes
  CHECK_FALSE(decoded<samples::Everything>(bad));
  Bytes path;
  wire::Writer(path)
      .map(1)
      .str("value")
      .array(2)
      .map(2)
      .str("sku")
      .str("s")
      .str("count")
      .uint(1)
      .map(2)
      .str("sku")
      .str("s");
  wire::Writer(path).str("count").uint(70'000);
  CHECK(error_of<One<std::vector<samples::Line>>>(path) ==
        "one.field: field value[1].count is 70000, out of range for uint16");
  CHECK(error_of<One<std::vector<samples::Point>>>(from_hex("81 a5 76 61 6c 75 65 91 92 01 c3")) ==
        "one.field: field value[0][1] is a boolean, not an integer");
}

TEST_CASE("bytes before and behind the event are errors") {
  const Bytes good = encoded(OrderPlaced{"o", "e", 1});
  CHECK(error_of<OrderPlaced>(good + '\0') == "orders.placed: 1 bytes follow the msgpack value");
  CHECK(error_of<OrderPlaced>(good.substr(0, good.size() - 1)) == "orders.placed: a msgpack value ends too early");
  CHECK_THAT(error_of<OrderPlaced>(""), Catch::StartsWith("orders.placed: "));
  CHECK_THAT(error_of<OrderPlaced>("\xc1"), Catch::StartsWith("orders.placed: "));
}

}  // namespace
}  // namespace spindle
