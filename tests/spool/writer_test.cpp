#include "spindle/spool/writer.hpp"

#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

TEST_CASE("offsets count events, times never run backwards") {
  Appender appender({.newest = {.spool_id = test_spool_id}});
  CHECK_FALSE(appender.fits(0 + record_bytes(0, 0)));
  appender.roll("", 1'000);
  appender.begin(2'000);
  CHECK(appender.append(Kind::events, "a", "x", 3) == 0);
  CHECK(appender.append(Kind::settle, "", "y", 0) == 3);
  CHECK(appender.append(Kind::events, "a", "z", 1) == 3);
  appender.finish();
  appender.begin(1'500);
  appender.append(Kind::events, "a", "w", 1);
  appender.finish();
  CHECK(appender.next_offset() == 5);

  auto batch = appender.take_batch();
  REQUIRE(batch->steps.size() == 2);
  const auto& step = std::get<AppendStep>(batch->steps[1]);
  CHECK(step.first_offset == 0);
  CHECK(step.next_offset == 5);
  std::vector<Record> records;
  for (BytesView bytes = step.bytes; !bytes.empty();) {
    const ParsedRecord parsed = view_record(bytes);
    records.push_back(parsed.record);
    bytes.remove_prefix(parsed.size);
  }
  REQUIRE(records.size() == 4);
  CHECK_FALSE(records[1].last_of_commit);
  CHECK(records[2].last_of_commit);
  CHECK(records[3].last_of_commit);
  CHECK(records[3].time_ns == 2'000);
  CHECK(appender.take_batch() == nullptr);
}

TEST_CASE("a commit as large as a segment fits after a roll, a larger one never does") {
  Appender appender({.newest = {.spool_id = test_spool_id}}, segment_bytes_min);
  appender.roll(Bytes(100'000, 's'), 1);
  CHECK(appender.commit_bytes_max() == segment_bytes_min);
  CHECK(appender.fits(appender.commit_bytes_max()));
  CHECK_FALSE(appender.fits(appender.commit_bytes_max() + 1));
}

TEST_CASE("one sync a batch") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) log.decide({events("a", "x")});
  const auto before = files.operations();
  REQUIRE(log.write());
  CHECK(files.operations() == before + 2);  // one write, one sync
}

TEST_CASE("a failed sync poisons the writer for ever and is never repeated") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "kept")}));
  files.fail_at(files.operations() + 2, ErrorCode::io_error);
  auto failed = log.commit({events("a", "lost")});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::io_error);

  const auto before = files.operations();
  auto again = log.commit({events("a", "refused")});
  REQUIRE_FALSE(again);
  CHECK(again.error().message() == failed.error().message());
  CHECK(files.operations() == before);

  // Memory still shows the batch whose sync failed, a later sync "succeeds": recovery must not be taken in.
  files.kill_process();
  LogUnderTest next(files);
  REQUIRE(next.recover_only());
  CHECK(next.digest == log.boundaries[0]);
  CHECK(next.log().next_offset == 1);
}

TEST_CASE("a full disk while a segment is made poisons the writer and loses nothing acknowledged") {
  for (std::uint64_t nth = 1; nth <= 10; ++nth) {
    MemoryFiles files;
    LogUnderTest log(files);
    REQUIRE(log.open());
    REQUIRE(log.commit({events("a", std::string(3'000, 'x'))}));
    files.fail_at(files.operations() + nth, ErrorCode::disk_full);
    auto failed = log.commit({events("a", std::string(3'000, 'y'))});  // needs a new segment
    CAPTURE(nth);
    if (!failed) {
      CHECK(failed.error().code == ErrorCode::disk_full);
      CHECK(log.commit({events("a", "z")}).error().code == ErrorCode::disk_full);
    } else {
      // Nothing reserved, no seal or no topic index: the log goes on without.
      CHECK((nth == 2 || nth == 7 || nth == 8 || nth > 10));
    }
    files.kill_process();
    LogUnderTest next(files);
    REQUIRE(next.open());
    CHECK(next.digest == log.boundaries[next.digest.records - 1]);
    CHECK(next.digest.records >= log.durable_commits);
    CHECK(next.commit({events("a", "goes on")}));
  }
}

TEST_CASE("a segment that finds no room to be reserved leaves what there is to those that write") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", std::string(3'000, 'x'))}));
  files.set_free_bytes(2'000);  // less than a segment
  REQUIRE(log.commit({events("a", std::string(1'200, 'y'))}));
  // A head and a commit were written, and what the segment before had reserved was given back.
  CHECK(files.free_bytes(test_directory).value() >= 2'000 + 1'000 - 1'800);
}

TEST_CASE("trimming waits for what came before it and leaves no gap at a power cut") {
  MemoryFiles model;
  LogUnderTest planned(model);
  REQUIRE(planned.open());
  for (int i = 0; i < 20; ++i) REQUIRE(planned.commit({events("a", std::string(1'500, 'x'))}));
  const auto before = model.operations();
  planned.decide({events("a", "last")});
  planned.trim(5);
  REQUIRE(planned.write());
  CHECK(model.operations() == before + 2 + 2 * 5);  // write, sync, and for each file remove, sync the directory
  for (std::uint64_t cut = before + 1; cut <= model.operations(); ++cut) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      CAPTURE(cut, seed);
      MemoryFiles files;
      LogUnderTest log(files);
      REQUIRE(log.open());
      for (int i = 0; i < 20; ++i) REQUIRE(log.commit({events("a", std::string(1'500, 'x'))}));
      log.decide({events("a", "last")});
      log.trim(5);
      files.cut_power_at(cut, seed);
      REQUIRE_FALSE(log.write());
      files.restart();
      LogUnderTest next(files);
      REQUIRE(next.recover_only());
      if (next.log().first_offset > 0) CHECK(next.log().next_offset == 21);  // "last" was durable first
      auto rest = next.read_all(next.log().first_offset, 4'000);
      REQUIRE(rest);
      CHECK(rest->size() == next.log().next_offset - next.log().first_offset);
    }
  }
}

TEST_CASE("a segment that somebody deleted by hand is as good as trimmed") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  for (int i = 0; i < 20; ++i) REQUIRE(log.commit({events("a", std::string(1'500, 'x'))}));
  const auto names = files.list(test_directory).value();
  REQUIRE(files.remove(segment_paths(files)[0]));
  log.trim(names, 2);
  REQUIRE(log.write());
  CHECK(log.reader().first_offset() == log.trimmed_to);
  REQUIRE(log.recover_only());
  CHECK(log.log().first_offset == log.trimmed_to);
}

TEST_CASE("a trim that fails poisons the writer: what the disk has is not known") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  for (int i = 0; i < 20; ++i) REQUIRE(log.commit({events("a", std::string(1'500, 'x'))}));
  const Digest durable = log.digest;
  log.trim(3);
  files.fail_at(files.operations() + 3, ErrorCode::io_error);
  CHECK_FALSE(log.write());
  CHECK_FALSE(log.commit({events("a", "refused")}));
  files.kill_process();
  LogUnderTest next(files);
  REQUIRE(next.open());
  CHECK(next.digest == durable);
}

TEST_CASE("a sealed segment keeps no space that it does not use") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "x")}));
  CHECK(files.contents(segment_paths(files)[0])->size() > 1u << 20);
  log.log().appender.roll(log.digest.encode(), ++log.time);
  REQUIRE(log.write());
  CHECK(files.contents(segment_paths(files)[0])->size() < 1'000);
  REQUIRE(log.recover_only());
  CHECK(log.log().segments.size() == 2);
}

TEST_CASE("a segment that is not preallocated is written as any other") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  REQUIRE(log.open());
  files.set_free_bytes(3u << 20);
  log.log().appender.roll(log.digest.encode(), ++log.time, false);
  REQUIRE(log.commit({events("a", "x")}));
  CHECK(files.free_bytes(test_directory).value() > 3'000'000);
  const Digest digest = log.digest;
  REQUIRE(log.recover_only());
  CHECK(log.digest == digest);
}
