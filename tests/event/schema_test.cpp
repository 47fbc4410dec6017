#include <catch2/catch.hpp>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace spindle {
namespace {

struct Tree {
  static constexpr std::string_view topic = "test.tree";
  static constexpr bool durable = false;
  std::vector<Tree> children;
  MSGPACK_DEFINE(children)
};

std::string words(const std::vector<FieldSchema>& fields) {
  std::string text;
  for (const FieldSchema& field : fields) {
    text += field.name + ": " + (field.optional ? "optional " : "") + field.type;
    if (!field.fields.empty()) text += " {" + words(field.fields) + "}";
    text += "; ";
  }
  return text;
}

TEST_CASE("the schema of an event lists its fields in their order") {
  const EventSchema order = schema<samples::OrderPlaced>();
  CHECK(order.topic == "orders.placed");
  CHECK(order.durable);
  CHECK(order.has_key);
  CHECK(order.is_map);
  CHECK(words(order.fields) == "order_id: string; email: string; total_cents: int64; ");
}

TEST_CASE("the schema has words for every kind of field") {
  const EventSchema everything = schema<samples::Everything>();
  CHECK_FALSE(everything.durable);
  CHECK_FALSE(everything.has_key);
  CHECK(words(everything.fields) ==
        "flag: bool; letter: int8; i8: int8; u8: uint8; i16: int16; u32: uint32; i64: int64; u64: uint64; "
        "f32: float32; f64: float64; text: string; colour: enum uint8; checked: enum int32; added: enum int32; "
        "timeout: duration 1/1000 s of int64; ratio: duration 1 s of float64; at: time; note: optional string; "
        "numbers: list of int32; flags: list of bool; vector3: list[3] of float64; digest: bytes[4]; blob: bytes; "
        "raw: bytes; prices: map of string to int64; names: map of uint32 to string; "
        "lines: list of struct {sku: string; count: uint16; shelf: optional struct {: int32; : int32; }; }; "
        "deep: map of string to list of optional struct {: int32; : int32; }; ");
}

TEST_CASE("the schema of a struct that contains itself ends") {
  const EventSchema tree = schema<Tree>();
  CHECK_FALSE(tree.is_map);
  CHECK(words(tree.fields) == ": list of struct; ");
}

}  // namespace
}  // namespace spindle
