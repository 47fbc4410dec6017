#include <catch2/catch.hpp>

#include "spindle/wire/cloud_event.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/writer.hpp"

using namespace spindle;
using namespace spindle::wire;

namespace {

/// A good event on topic "t" of `members` members, of which the caller adds those beyond four.
Writer begin(Bytes& out, std::size_t members) {
  Writer to(out);
  to.map(members).str("specversion").str("1.0").str("id").str("1").str("source").str("s").str("type").str("t");
  return to;
}

void check_fails(BytesView bytes, ErrorCode code, std::string_view text) {
  const auto event = CloudEvent::parse("t", bytes);
  REQUIRE_FALSE(event);
  CHECK(event.error().code == code);
  INFO(event.error().text);
  CHECK(event.error().text.find(text) != std::string::npos);
}

}  // namespace

TEST_CASE("a CloudEvent needs no data") {
  Bytes bytes;
  begin(bytes, 4);
  const auto event = CloudEvent::parse("t", bytes);
  REQUIRE(event);
  CHECK(event->data.empty());
  CHECK(event->attributes.empty());
  CHECK(attribute_map(event->attributes).empty());
}

TEST_CASE("a CloudEvent that breaks a rule is refused by the member's name") {
  Bytes bytes;
  begin(bytes, 5).str("id").str("2");
  check_fails(bytes, ErrorCode::malformed, "'id' stands twice");
  check_fails("\x80", ErrorCode::malformed, "specversion");
  check_fails("\x90", ErrorCode::malformed, "neither a packet nor");
  check_fails("", ErrorCode::malformed, "neither a packet nor");

  bytes.clear();
  begin(bytes, 4).nil();
  check_fails(bytes, ErrorCode::malformed, "bytes follow");
  bytes.clear();
  Writer(bytes).map(1).str("id").uint(5);
  check_fails(bytes, ErrorCode::malformed, "'id' is not UTF-8 text");
  bytes.clear();
  Writer(bytes).map(3).str("specversion").str("1.0").str("id").str("1").str("type").str("t");
  check_fails(bytes, ErrorCode::malformed, "no source");
  bytes.clear();
  begin(bytes, 4);
  CHECK_FALSE(CloudEvent::parse("other", bytes));
}

TEST_CASE("a CloudEvent ends at the limits") {
  Bytes bytes;
  Writer to = begin(bytes, limits::attributes_max + 1);
  for (std::size_t i = 4; i <= limits::attributes_max; ++i) to.str(std::to_string(i)).nil();
  check_fails(bytes, ErrorCode::too_large, "attributes_max");

  bytes.clear();
  begin(bytes, 5).str("data").bin(Bytes(limits::event_bytes_max, 'x'));
  check_fails(bytes, ErrorCode::too_large, "event_bytes_max");
  bytes.clear();
  begin(bytes, 5).str("data").bin(Bytes(limits::event_bytes_max - 5, 'x'));
  CHECK(CloudEvent::parse("t", bytes));
  bytes.clear();
  begin(bytes, 5).str("subject").str(Bytes(limits::attributes_bytes_max, 'x'));
  check_fails(bytes, ErrorCode::too_large, "attributes_bytes_max");
}
