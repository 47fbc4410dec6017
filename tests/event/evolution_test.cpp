#include <catch2/catch.hpp>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace spindle {
namespace {

using samples::OrderPlaced;

/// OrderPlaced a year later: one field more, in the middle, and a wider one.
struct Newer {
  static constexpr std::string_view topic = "orders.placed";
  static constexpr bool durable = true;
  std::string order_id;
  std::optional<std::string> currency = "set";
  std::string email;
  std::optional<std::int64_t> total_cents;
  MSGPACK_DEFINE_MAP(order_id, currency, email, total_cents)
};

/// One that was added without std::optional.
struct Careless {
  static constexpr std::string_view topic = "orders.placed";
  static constexpr bool durable = true;
  std::string order_id, email;
  std::int64_t total_cents = 0;
  std::string currency = "EUR";
  MSGPACK_DEFINE_MAP(order_id, email, total_cents, currency)
};

struct ShortArray {
  static constexpr std::string_view topic = "array.form";
  static constexpr bool durable = true;
  std::string id;
  std::uint32_t count = 0;
  MSGPACK_DEFINE(id, count)
};

struct LongArray {
  static constexpr std::string_view topic = "array.form";
  static constexpr bool durable = true;
  std::string id;
  std::uint32_t count = 0;
  std::optional<std::vector<std::string>> tags;
  std::optional<bool> gift = true;
  MSGPACK_DEFINE(id, count, tags, gift)
};

struct Nested {
  static constexpr std::string_view topic = "nested.form";
  static constexpr bool durable = true;
  std::vector<ShortArray> before;
  std::string after;
  MSGPACK_DEFINE(before, after)
};

struct NestedNewer {
  static constexpr std::string_view topic = "nested.form";
  static constexpr bool durable = true;
  std::vector<LongArray> before;
  std::string after;
  MSGPACK_DEFINE(before, after)
};

TEST_CASE("an old event lacks the optional fields of a newer type") {
  auto read = decoded<Newer>(encoded(OrderPlaced{"o-1", "e", 7}));
  REQUIRE(read);
  CHECK(read->order_id == "o-1");
  CHECK(read->currency == std::nullopt);
  CHECK(read->email == "e");
  CHECK(read->total_cents == 7);
}

TEST_CASE("an old reader ignores the fields that it does not know") {
  auto read = decoded<OrderPlaced>(encoded(Newer{"o-1", "EUR", "e", 7}));
  REQUIRE(read);
  CHECK(*read == OrderPlaced{"o-1", "e", 7});
}

TEST_CASE("a field added without std::optional refuses old events, whatever its default") {
  CHECK(error_of<Careless>(encoded(OrderPlaced{"o-1", "e", 7})) ==
        "orders.placed: field currency is missing; only a std::optional may be");
}

TEST_CASE("keys may come in any order, among unknown ones of any type") {
  Bytes bytes;
  wire::Writer(bytes).map(5).str("total_cents").uint(7).str("x").map(1).uint(1).array(2).nil().str("\xff");
  wire::Writer(bytes).str("email").str("e").str("y").bin("\xff").str("order_id").str("o-1");
  auto read = decoded<OrderPlaced>(bytes);
  REQUIRE(read);
  CHECK(*read == OrderPlaced{"o-1", "e", 7});
}

struct Basket {
  static constexpr std::string_view topic = "basket.filled";
  static constexpr bool durable = true;
  std::vector<samples::Line> lines;
  std::string after;
  MSGPACK_DEFINE(lines, after)
};

TEST_CASE("what follows a struct whose keys are shuffled, fewer or more is read right") {
  Bytes bytes;
  wire::Writer(bytes).array(2).array(3);
  wire::Writer(bytes).map(3).str("shelf").array(2).uint(1).uint(2).str("count").uint(3).str("sku").str("a");
  wire::Writer(bytes).map(2).str("count").uint(4).str("sku").str("b");
  wire::Writer(bytes).map(4).str("sku").str("c").str("count").uint(5).str("shelf").nil().str("new").array(1).nil();
  wire::Writer(bytes).str("end");
  auto read = decoded<Basket>(bytes);
  REQUIRE(read);
  CHECK(read->lines == std::vector<samples::Line>{{"a", 3, samples::Point{1, 2}}, {"b", 4, {}}, {"c", 5, {}}});
  CHECK(read->after == "end");
}

TEST_CASE("a renamed field is missing, not silently zero") {
  Bytes bytes;
  wire::Writer(bytes).map(3).str("order_id").str("o").str("email").str("e").str("total").uint(7);
  CHECK(error_of<OrderPlaced>(bytes) == "orders.placed: field total_cents is missing; only a std::optional may be");
}

TEST_CASE("the array form may lack optional fields at its end and have more") {
  auto read = decoded<LongArray>(encoded(ShortArray{"a", 2}));
  REQUIRE(read);
  CHECK(read->count == 2);
  CHECK(read->tags == std::nullopt);
  CHECK(read->gift == std::nullopt);
  auto back = decoded<ShortArray>(encoded(LongArray{"a", 2, {{"x", "y"}}, true}));
  REQUIRE(back);
  CHECK(back->count == 2);
  CHECK(error_of<ShortArray>(from_hex("91 a1 61")) ==
        "array.form: field [1] is missing; only a std::optional may be");
}

TEST_CASE("the same holds inside of other structs, and what follows them is read right") {
  auto newer = decoded<NestedNewer>(encoded(Nested{{{"a", 1}, {"b", 2}}, "end"}));
  REQUIRE(newer);
  CHECK(newer->before.at(1).id == "b");
  CHECK(newer->after == "end");
  auto older = decoded<Nested>(encoded(NestedNewer{{{"a", 1, {{"t"}}, true}, {"b", 2, {}, {}}}, "end"}));
  REQUIRE(older);
  CHECK(older->before.at(1).id == "b");
  CHECK(older->after == "end");
}

}  // namespace
}  // namespace spindle
