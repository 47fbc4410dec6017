#include <catch2/catch.hpp>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace spindle {
namespace {

template <class Key>
struct Keyed {
  static constexpr std::string_view topic = "test.keyed";
  static constexpr bool durable = true;
  Key value{};
  Key key() const { return value; }
  MSGPACK_DEFINE_MAP(value)
};

struct KeyedByReference {
  static constexpr std::string_view topic = "test.keyed";
  static constexpr bool durable = true;
  std::string value;
  const std::string& key() const { return value; }
  MSGPACK_DEFINE_MAP(value)
};

/// A field called key is not a key.
struct Setting {
  static constexpr std::string_view topic = "settings.changed";
  static constexpr bool durable = true;
  std::string key, value;
  MSGPACK_DEFINE_MAP(key, value)
};

TEST_CASE("the hash of a key is the same in every language: the low half of XXH3 over its bytes") {
  CHECK(key_hash("") == 0x38d394c2);
  CHECK(key_hash("order-1") == 0x368e2876);
}

TEST_CASE("strings of every shape hash alike") {
  CHECK(key_hash(samples::OrderPlaced{"order-1", "", 0}) == key_hash("order-1"));
  CHECK(key_hash(Keyed<std::string>{"order-1"}) == key_hash("order-1"));
  CHECK(key_hash(KeyedByReference{"order-1"}) == key_hash("order-1"));
}

TEST_CASE("an integer hashes as its decimal text") {
  CHECK(key_hash(Keyed<std::int64_t>{-7}) == key_hash("-7"));
  CHECK(key_hash(Keyed<std::uint64_t>{UINT64_MAX}) == key_hash("18446744073709551615"));
  CHECK(key_hash(Keyed<std::uint8_t>{65}) == key_hash("65"));
}

TEST_CASE("an event without key() has no hash") {
  CHECK(key_hash(samples::Everything{}) == std::nullopt);
  CHECK(key_hash(Setting{"a", "b"}) == std::nullopt);
}

}  // namespace
}  // namespace spindle
