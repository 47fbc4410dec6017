// The form of events is a promise to logs on disk and to readers in other languages: none of the golden bytes may
// ever change. read_golden_events.py reads the same files with Python's msgpack.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "sample_events.hpp"
#include "wire_bytes.hpp"

namespace spindle {
namespace {

std::string golden_hex(const char* name) {
  std::ifstream file(std::filesystem::path(__FILE__).parent_path() / "golden" / name);
  std::string hex, line;
  while (file >> line) hex += line;
  return hex;
}

template <class E>
void check_golden(const E& event, const char* name) {
  CHECK(to_hex(encoded(event)) == golden_hex(name));
  auto read = decoded<E>(from_hex(golden_hex(name)));
  REQUIRE(read);
  CHECK(*read == event);
}

TEST_CASE("an order has its golden bytes") {
  check_golden(samples::OrderPlaced{"order-1", "a@b.c", 1234}, "order_placed.hex");
}

TEST_CASE("an event of every kind of field has its golden bytes") {
  samples::Everything event = samples::everything();
  event.names.erase(8);  // the order of an unordered_map is nobody's promise
  check_golden(event, "everything.hex");
}

}  // namespace
}  // namespace spindle
