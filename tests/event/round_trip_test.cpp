#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <msgpack.hpp>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace spindle {
namespace {

using samples::Everything;
using samples::OrderPlaced;

struct Tick {
  static constexpr std::string_view topic = "clock.tick";
  static constexpr bool durable = false;
};

struct Samples {
  static constexpr std::string_view topic = "test.samples";
  static constexpr bool durable = false;
  std::vector<double> doubles;
  std::vector<float> floats;
  MSGPACK_DEFINE(doubles, floats)
};

struct Tree {
  static constexpr std::string_view topic = "test.tree";
  static constexpr bool durable = false;
  std::vector<Tree> children;
  MSGPACK_DEFINE(children)
};

Tree tree_of_depth(std::size_t depth) {
  Tree tree;
  if (depth > 1) tree.children.push_back(tree_of_depth(depth - 1));
  return tree;
}

struct Numbers {
  static constexpr std::string_view topic = "test.numbers";
  static constexpr bool durable = false;
  std::vector<std::uint8_t> bytes;
  std::vector<std::int8_t> numbers;
  std::vector<std::array<std::uint64_t, 32>> wide;
  MSGPACK_DEFINE(bytes, numbers, wide)
};

TEST_CASE("every kind of field comes back as it was") {
  const Everything event = samples::everything();
  auto read = decoded<Everything>(encoded(event));
  REQUIRE(read);
  CHECK(*read == event);
}

TEST_CASE("an event of default values comes back as it was") {
  auto read = decoded<Everything>(encoded(Everything{}));
  REQUIRE(read);
  CHECK(*read == Everything{});
}

TEST_CASE("an event without fields needs no macro") {
  CHECK(to_hex(encoded(Tick{})) == "80");
  CHECK(decoded<Tick>(encoded(Tick{})));
}

TEST_CASE("floats keep their bits") {
  using Double = std::numeric_limits<double>;
  const Samples event{{0.0, -0.0, 1.0, Double::max(), Double::denorm_min(), Double::infinity(), -Double::infinity()},
                      {1.0f, -0.0f, std::numeric_limits<float>::max(), std::numeric_limits<float>::infinity()}};
  auto read = decoded<Samples>(encoded(event));
  REQUIRE(read);
  CHECK(read->doubles == event.doubles);
  CHECK(std::signbit(read->doubles[1]));
  CHECK(read->floats == event.floats);
  auto nan = decoded<Samples>(encoded(Samples{{std::nan("")}, {std::nanf("")}}));
  REQUIRE(nan);
  CHECK((std::isnan(nan->doubles[0]) && std::isnan(nan->floats[0])));
}

TEST_CASE("encode appends") {
  Bytes out = "before";
  REQUIRE(encode(Tick{}, out));
  CHECK(out == "before\x80");
}

TEST_CASE("long strings and blobs pass through") {
  for (const std::size_t size :
       std::initializer_list<std::size_t>{0, 31, 32, 255, 256, 511, 512, 513, 65'535, 65'536, 1'000'000}) {
    OrderPlaced event{"id", std::string(size, 'e'), 1};
    auto read = decoded<OrderPlaced>(encoded(event));
    REQUIRE(read);
    CHECK(*read == event);
  }
}

TEST_CASE("msgpack-cxx writes the same bytes and reads ours") {
  const OrderPlaced event{"order-1", "a@b.example", -5};
  msgpack::sbuffer buffer;
  msgpack::pack(buffer, event);
  const Bytes bytes = encoded(event);
  CHECK(bytes == Bytes(buffer.data(), buffer.size()));
  CHECK(msgpack::unpack(bytes.data(), bytes.size()).get().as<OrderPlaced>() == event);
}

TEST_CASE("text that is not UTF-8 cannot be published") {
  Bytes out = "before";
  auto written = encode(OrderPlaced{"id", "caf\xe9", 1}, out);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::malformed);
  CHECK(written.error().text == "orders.placed: field email is not UTF-8; use std::vector<std::byte> for bytes");
  CHECK(out == "before");
}

TEST_CASE("an event that is too large cannot be published") {
  Bytes out = "before";
  auto one_field = encode(OrderPlaced{"id", std::string(limits::event_bytes_max + 1, 'e'), 1}, out);
  REQUIRE_FALSE(one_field);
  CHECK(one_field.error().code == ErrorCode::too_large);
  CHECK(one_field.error().text == "orders.placed: field email alone is larger than an event may be");
  auto together = encode(
      OrderPlaced{std::string(limits::event_bytes_max, 'e'), std::string(limits::event_bytes_max, 'e'), 1}, out);
  REQUIRE_FALSE(together);
  CHECK(together.error().code == ErrorCode::too_large);
  CHECK_THAT(together.error().text, Catch::StartsWith("orders.placed: the event takes more than 1048576 bytes"));
  CHECK(out == "before");
}

TEST_CASE("what encode accepts at a limit decode accepts, and one more is refused") {
  // three arrays, an empty bin and the elements
  const std::size_t most = limits::msgpack_values_max - 4;
  CHECK(decoded<Numbers>(encoded(Numbers{{}, std::vector<std::int8_t>(most), {}})));
  Bytes out;
  CHECK_FALSE(encode(Numbers{{}, std::vector<std::int8_t>(most + 1), {}}, out));

  CHECK(decoded<Tree>(encoded(tree_of_depth(limits::msgpack_depth_max / 2))));
  CHECK_FALSE(encode(tree_of_depth(limits::msgpack_depth_max / 2 + 1), out));
  CHECK(out.empty());
}

}  // namespace
}  // namespace spindle
