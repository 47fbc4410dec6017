#include <catch2/catch.hpp>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace spindle {
namespace {

using samples::Everything;

struct Wide {
  std::optional<std::array<std::uint64_t, 64>> numbers;
  MSGPACK_DEFINE_MAP(numbers)
};

struct Amplified {
  static constexpr std::string_view topic = "hostile.amplified";
  static constexpr bool durable = false;
  std::vector<Wide> wide;
  MSGPACK_DEFINE_MAP(wide)
};

struct Tree {
  static constexpr std::string_view topic = "hostile.tree";
  static constexpr bool durable = false;
  std::vector<Tree> children;
  MSGPACK_DEFINE(children)
};

/// Whatever decodes must be an event like any other: it can be published again and comes back the same.
void decode_and_encode_again(BytesView bytes, wire::Values& scratch) {
  auto read = decode<Everything>(bytes, scratch);
  if (!read) {
    if (!read.error().text.starts_with("test.everything: ")) FAIL(read.error().text);
    return;
  }
  Bytes again;
  if (!encode(*read, again)) FAIL(to_hex(bytes));
  auto read_again = decode<Everything>(again, scratch);
  // A NaN is not equal to itself, but has the same bytes.
  if (!read_again || !(*read_again == *read || encoded(*read_again) == again)) FAIL(to_hex(bytes));
}

Bytes good_bytes() {
  Everything event = samples::everything();
  event.names.erase(8);  // more than one would be encoded in any order
  return encoded(event);
}

TEST_CASE("every truncation is an error") {
  const Bytes good = good_bytes();
  for (std::size_t size = 0; size < good.size(); ++size) {
    const Bytes cut(good, 0, size);
    if (decoded<Everything>(cut)) FAIL("decoded " << size << " of " << good.size() << " bytes");
  }
}

TEST_CASE("every change of one byte is an error or another event") {
  wire::Values scratch;
  Bytes bytes = good_bytes();
  for (char& byte : bytes) {
    const char good = byte;
    for (int value = 0; value < 256; ++value) {
      byte = static_cast<char>(value);
      // A copy of its own size, so that a sanitizer sees a read behind the end.
      decode_and_encode_again(Bytes(bytes), scratch);
    }
    byte = good;
  }
}

TEST_CASE("every byte left out or put in is an error or another event") {
  wire::Values scratch;
  const Bytes good = good_bytes();
  for (std::size_t at = 0; at < good.size(); ++at) {
    decode_and_encode_again(good.substr(0, at) + good.substr(at + 1), scratch);
    for (char extra : {'\x00', '\x80', '\x90', '\xc0', '\xc1', '\xdd', '\xdf', '\xff'}) {
      decode_and_encode_again(good.substr(0, at) + extra + good.substr(at), scratch);
    }
  }
}

TEST_CASE("a length that the message cannot hold is an error before memory is taken for it") {
  CHECK_FALSE(decoded<Amplified>(from_hex("81 a4 77 69 64 65 dd ff ff ff ff")));
  CHECK_FALSE(decoded<Amplified>(from_hex("df ff ff ff ff")));
  CHECK_FALSE(decoded<samples::OrderPlaced>(from_hex("81 a5 65 6d 61 69 6c db ff ff ff ff")));
}

TEST_CASE("elements of one byte that are large in memory are refused before memory is taken for them") {
  const std::size_t count = 200'000;
  Bytes bytes;
  wire::Writer(bytes).map(1).str("wide").array(count).raw(Bytes(count, '\x80'));
  auto read = decoded<Amplified>(bytes);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::too_large);
  CHECK(read.error().text ==
        "hostile.amplified: field wide has elements that take more than 33554432 bytes of memory");
}

TEST_CASE("too deep, too many and too large are errors") {
  CHECK_THAT(error_of<Tree>(Bytes(100'000, '\x91')), Catch::Contains("nested deeper than 32"));
  Bytes many;
  wire::Writer(many).array(1).array(limits::msgpack_values_max).raw(Bytes(limits::msgpack_values_max, '\x90'));
  auto read_many = decoded<Tree>(many);
  REQUIRE_FALSE(read_many);
  CHECK(read_many.error().code == ErrorCode::too_large);
  Bytes large;
  wire::Writer(large).bin(Bytes(limits::event_bytes_max, 'x'));
  auto read_large = decoded<Tree>(large);
  REQUIRE_FALSE(read_large);
  CHECK(read_large.error().code == ErrorCode::too_large);
}

TEST_CASE("a hundred thousand unknown keys cost no more than reading them") {
  Bytes bytes;
  const std::size_t count = 100'000;
  wire::Writer(bytes).map(count + 3);
  for (std::size_t i = 0; i < count; ++i) wire::Writer(bytes).str(std::to_string(i)).nil();
  wire::Writer(bytes).str("email").str("e").str("total_cents").uint(1).str("order_id").str("o");
  auto read = decoded<samples::OrderPlaced>(bytes);
  REQUIRE(read);
  CHECK(*read == samples::OrderPlaced{"o", "e", 1});
}

}  // namespace
}  // namespace spindle
