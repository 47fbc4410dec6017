#include "spindle/spool/reader.hpp"

#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

namespace {

/// The events that a read from `from` must begin with: those of the record that holds it.
std::size_t first_from(const LogUnderTest& log, std::uint64_t from) {
  std::size_t i = 0;
  while (log.written[i].first + log.written[i].second.count <= from) ++i;
  return i;
}

void check_from_any_offset(LogUnderTest& log) {
  for (std::size_t bytes_max : {std::size_t{1}, std::size_t{900}, std::size_t{1} << 20, ~std::size_t{0}}) {
    for (std::uint64_t from = 0; from < log.reader().next_offset(); from += bytes_max == 1 ? 17 : 5) {
      CAPTURE(from, bytes_max);
      auto read = log.read_all(from, bytes_max);
      REQUIRE(read);
      const auto first = first_from(log, from);
      REQUIRE(read->size() == log.written.size() - first);
      REQUIRE(std::equal(read->begin(), read->end(), log.written.begin() + static_cast<std::ptrdiff_t>(first)));
    }
  }
}

void fill(LogUnderTest& log, int commits, std::size_t body_bytes_max) {
  std::mt19937_64 random(11);
  for (int i = 0; i < commits; ++i) REQUIRE(log.commit(random_commit(random, body_bytes_max)));
}

}  // namespace

TEST_CASE("a reader finds any offset in many segments") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log, 150, 700);
  SECTION("while they are written") { check_from_any_offset(log); }
  SECTION("after a restart, never read before") {
    REQUIRE(log.recover_only());
    CHECK(log.log().segments.size() > reader_files_max);
    check_from_any_offset(log);
  }
}

TEST_CASE("a reader finds any offset within a segment that is larger than its index's spacing") {
  MemoryFiles files;
  LogUnderTest log(files, 4u << 20);
  REQUIRE(log.open());
  fill(log, 60, 30'000);
  SECTION("while it is written") {}
  SECTION("after a restart") { REQUIRE(log.recover_only()); }
  check_from_any_offset(log);
}

TEST_CASE("memory and disk give the same") {
  MemoryFiles files;
  LogUnderTest log(files);
  log.tail_cache_bytes = 20'000;
  REQUIRE(log.open());
  fill(log, 100, 700);
  check_from_any_offset(log);
}

TEST_CASE("a reader that keeps up reads nothing from the disk and shares the batch's memory") {
  MemoryFiles files;
  LogUnderTest log(files);
  log.tail_cache_bytes = 20'000;
  REQUIRE(log.open());
  fill(log, 50, 700);
  REQUIRE(log.commit({events("a", "newest")}));
  files.fail_reads(true);
  auto block = log.reader().read(log.reader().next_offset() - 1, 100, ~std::uint64_t{0});
  REQUIRE(block);
  CHECK(block->records.at(0).body == "newest");
  log.close();
  CHECK(block->records.at(0).body == "newest");
}

TEST_CASE("an error of the disk is a result") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "x")}));
  files.fail_reads(true);
  CHECK(log.reader().read(0, 100, 1).error().code == ErrorCode::io_error);
  files.fail_reads(false);
  CHECK(log.reader().read(0, 100, 1));
}

TEST_CASE("nothing beyond the durable end is read") {
  MemoryFiles files;
  LogUnderTest log(files);
  log.tail_cache_bytes = GENERATE(0u, 100'000u);
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) REQUIRE(log.commit({events("a", "x")}));
  Reader& reader = log.reader();
  CHECK(reader.read(0, 1 << 20, 4)->records.size() <= 4);
  CHECK(reader.read(3, 1 << 20, 4)->records.size() == 1);
  CHECK(reader.read(4, 1 << 20, 4)->records.empty());
  CHECK(reader.read(4, 1 << 20, 4)->next_offset == 4);
  CHECK(reader.read(10, 1 << 20, 99)->records.empty());
  log.decide({events("a", "not yet durable")});
  CHECK(reader.read(10, 1 << 20, 99)->records.empty());
}

TEST_CASE("records that are no events are passed over") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  log.tail_cache_bytes = GENERATE(0u, 1'000'000u);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "before")}));
  for (int i = 0; i < 50; ++i) REQUIRE(log.commit({{Kind::settle, "", std::string(4'000, 's'), 0}}));
  REQUIRE(log.commit({events("a", "behind")}));
  auto read = log.read_all(0, 100);
  REQUIRE(read);
  CHECK((*read == log.written));
}

TEST_CASE("offsets that are no longer kept are an error, not something else") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log, 60, 700);
  log.close();
  REQUIRE(files.remove(segment_paths(files).front()));
  REQUIRE(log.recover_only());
  auto read = log.reader().read(0, 100, ~std::uint64_t{0});
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::not_found);
  CHECK(log.read_all(log.log().first_offset, 1'000));
}

TEST_CASE("damage is told with segment, position and offsets, and what is before and behind it reads") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) REQUIRE(log.commit({events("a", "event " + std::to_string(i))}));
  const std::string path = segment_paths(files).back();
  Bytes bytes = files.contents(path).value();
  bytes[bytes.find("event 4")] = '!';
  REQUIRE(files.set_contents(path, bytes));
  CHECK(log.reader().read(0, 1 << 20, 10)->records.size() == 4);
  auto damaged = log.reader().read(4, 1 << 20, 10);
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().code == ErrorCode::corrupt);
  CHECK(damaged.error().text.find(path) != std::string::npos);
  CHECK(damaged.error().text.find("offsets 4 to 5 (excluded)") != std::string::npos);
  auto behind = log.reader().read(5, 1 << 20, 10);
  REQUIRE(behind);
  CHECK(behind->records.size() == 5);
}

TEST_CASE("damage that nobody asks for does not hide what is behind it, before a restart and after") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  log.tail_cache_bytes = 0;
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) REQUIRE(log.commit({events("a", "event " + std::to_string(i), 2)}));
  const std::string path = segment_paths(files).back();
  REQUIRE(log.open());  // what is older than the newest segment is not read by recovery
  Bytes bytes = files.contents(path).value();
  bytes[bytes.find("event 2")] = '!';
  bytes[bytes.find("event 6")] = '!';
  REQUIRE(files.set_contents(path, bytes));
  for (const bool restarted : {false, true}) {
    CAPTURE(restarted);
    if (restarted) REQUIRE(log.recover_only());
    for (std::uint64_t from = 19; from < 20; --from) {  // backwards, so that no read before leaves a place
      CAPTURE(from);
      const bool is_damaged = from / 2 == 2 || from / 2 == 6;
      auto read = log.reader().read(from, 1, 20);
      REQUIRE(read.has_value() != is_damaged);
      if (!is_damaged) {
        CHECK(read->records.at(0).offset == from / 2 * 2);
      } else {
        const std::uint64_t at = from / 2 * 2;
        CHECK(read.error().text.find("offsets " + std::to_string(at) + " to " + std::to_string(at + 2)) !=
              std::string::npos);
      }
    }
  }
}

TEST_CASE("a reader forgets what was trimmed and reads on behind it") {
  MemoryFiles files;
  LogUnderTest log(files);
  log.tail_cache_bytes = 20'000;
  REQUIRE(log.open());
  fill(log, 100, 700);
  REQUIRE(log.read_all(0, 700));  // so that it has files open
  log.trim(4);
  REQUIRE(log.write());
  CHECK(log.reader().first_offset() == log.trimmed_to);
  auto gone = log.reader().read(log.trimmed_to - 1, 100, ~std::uint64_t{0});
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == ErrorCode::not_found);
  auto rest = log.read_all(log.trimmed_to, 700);
  REQUIRE(rest);
  CHECK(rest->size() == log.written.size() - first_from(log, log.trimmed_to));
}
