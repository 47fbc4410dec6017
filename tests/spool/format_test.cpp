#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

namespace {

std::string hex(BytesView bytes) {
  std::string text;
  char digits[3];
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(bytes[i]));
    text += digits;
    text += i % 16 == 15 ? '\n' : ' ';
  }
  return text;
}

}  // namespace

TEST_CASE("the bytes are those of FORMAT.md") {
  MemoryFiles files;
  auto none = [](const Record&) { return Result<void>(); };
  RecoveredLog log = recover(files, test_directory, test_spool_id, none).value();
  log.appender.roll("state", 1'700'000'000'000'000'000);
  log.appender.begin(1'700'000'000'000'000'001);
  log.appender.append(Kind::events, "orders.placed", "packet", 2);
  log.appender.append(Kind::settle, "", "ack", 0);
  log.appender.finish();
  REQUIRE(Writer(files, test_directory).write(*log.appender.take_batch()));
  const Bytes bytes = files.contents("spool/00000000000000000000-0000000001.log").value();
  CHECK(hex(bytes.substr(0, 288)) ==
        "53 50 49 4e 44 4c 45 0a 01 00 00 00 00 00 00 00\n"
        "30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66\n"
        "01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00 b0 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00 00 00 2a 36 fe 9c 97 17\n"
        "b0 00 00 04 00 00 00 00 00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
        "00 00 00 00 00 00 00 00 ef 8b 85 af 6e 4f 7d 53\n"
        "f1 de 51 69 77 06 87 10 2d 00 00 00 07 03 00 00\n"
        "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00\n"
        "00 00 2a 36 fe 9c 97 17 73 74 61 74 65 00 00 00\n"
        "8f 1e b2 66 01 2c a2 4a 3b 00 00 00 01 00 0d 00\n"
        "02 00 00 00 b0 00 00 00 00 00 00 00 00 00 00 00\n"
        "01 00 2a 36 fe 9c 97 17 6f 72 64 65 72 73 2e 70\n"
        "6c 61 63 65 64 70 61 63 6b 65 74 00 00 00 00 00\n"
        "bb 58 e8 18 89 8b a0 c3 2b 00 00 00 03 01 00 00\n"
        "00 00 00 00 b0 00 00 00 02 00 00 00 00 00 00 00\n"
        "01 00 2a 36 fe 9c 97 17 61 63 6b 00 00 00 00 00\n");
}

TEST_CASE("the bytes of a topic index are those of FORMAT.md") {
  MemoryFiles files;
  auto none = [](const Record&) { return Result<void>(); };
  RecoveredLog log = recover(files, test_directory, test_spool_id, none).value();
  log.appender.roll("state", 1'700'000'000'000'000'000);
  log.appender.begin(1'700'000'000'000'000'001);
  log.appender.append(Kind::events, "orders.placed", "packet", 2);
  log.appender.append(Kind::settle, "", "ack", 0);
  log.appender.append(Kind::events, "stock", Bytes(1'000, 'x'), 1);
  log.appender.append(Kind::events, "orders.placed", "packet", 1);
  log.appender.finish();
  log.appender.roll("state", 1'700'000'000'000'000'002);
  REQUIRE(Writer(files, test_directory).write(*log.appender.take_batch()));
  const Bytes bytes = files.contents("spool/00000000000000000000-0000000001.log").value();
  const auto end = list_segments(files, test_directory).value()[0].end;
  CHECK(end == 1'400);
  CHECK(hex(bytes.substr(end)) ==
        "5f 1d 6d ef 4e 8d 2d 0d 28 00 00 00 08 03 00 00\n"
        "00 00 00 00 78 05 00 00 04 00 00 00 00 00 00 00\n"
        "02 00 2a 36 fe 9c 97 17 5e 06 a3 ae 87 26 38 bd\n"
        "42 00 00 00 09 01 00 00 00 00 00 00 78 05 00 00\n"
        "04 00 00 00 00 00 00 00 02 00 2a 36 fe 9c 97 17\n"
        "0d 6f 72 64 65 72 73 2e 70 6c 61 63 65 64 02 16\n"
        "91 01 05 73 74 6f 63 6b 01 24 00 00 00 00 00 00\n");
}

TEST_CASE("names of segments are read back, others are not taken for one") {
  CHECK(segment_name(12345, 7) == "00000000000000012345-0000000007.log");
  auto name = parse_segment_name(segment_name(~std::uint64_t{0}, 9'999'999'999));
  REQUIRE(name);
  CHECK(name->first_offset == ~std::uint64_t{0});
  CHECK(name->serial == 9'999'999'999);
  for (const char* other : {"", ".log", "lost+found", "00000000000000012345-0000000007.log.new",
                            "0000000000000001234x-0000000007.log", "00000000000000012345+0000000007.log"}) {
    CHECK_FALSE(parse_segment_name(other));
  }
  CHECK(is_unfinished_segment("00000000000000012345-0000000007.log.new"));
  CHECK_FALSE(is_unfinished_segment("something.new"));
}

TEST_CASE("a record is valid only where it was written") {
  Bytes bytes;
  encode_record({.kind = Kind::events,
                 .last_of_commit = true,
                 .offset = 5,
                 .count = 1,
                 .time_ns = 9,
                 .topic = "a",
                 .body = "b"},
                128, bytes);
  set_record_checksum(bytes.data(), bytes.size(), {77, 256});
  using Found = ParsedRecord::Found;
  CHECK(parse_record(bytes, bytes.size(), {77, 256}).found == Found::record);
  CHECK(parse_record(bytes, bytes.size(), {77, 264}).found == Found::damaged);
  CHECK(parse_record(bytes, bytes.size(), {78, 256}).found == Found::damaged);
  CHECK(parse_record(bytes, bytes.size() - 1, {77, 256}).found == Found::damaged);
  CHECK(parse_record(BytesView(bytes).substr(0, 47), 48, {77, 256}).found == Found::part);
}
