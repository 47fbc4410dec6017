#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "fault_oracle.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

// The disk says that it failed, is full, may only be read or takes its time. Nothing is acknowledged that is not
// durable, nothing is tried again after an error, and the next process finds all that was acknowledged.

namespace {

constexpr int batches = 100;
constexpr std::uint64_t seed = 11;

std::uint64_t operations_of_workload() {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(run_workload(log, seed, batches));
  return files.operations();
}

/// The log after an error: it acknowledges nothing and touches nothing any more.
void check_poisoned(MemoryFiles& files, LogUnderTest& log, const Error& error) {
  const auto durable = log.durable_commits;
  const auto operations = files.operations();
  const auto again = log.commit({events("a", "refused")});
  REQUIRE_FALSE(again);
  CHECK(again.error().message() == error.message());
  CHECK(files.operations() == operations);
  CHECK(log.durable_commits == durable);
}

/// Runs the workload with a fault at one operation, and the next process after it: once with what memory still
/// shows, once after a power cut.
void check_failure_at(std::uint64_t operation, ErrorCode code, std::optional<std::uint64_t> part) {
  for (const bool power_goes : {false, true}) {
    CAPTURE(operation, power_goes);
    MemoryFiles files;
    LogUnderTest log(files);
    files.fail_at(operation, code, part);
    const auto done = run_workload(log, seed, batches);
    // A segment that cannot be reserved or sealed is written all the same; all other failures end the log.
    if (!done && log.is_open()) check_poisoned(files, log, done.error());
    if (!done) CHECK(done.error().code == code);
    if (code == ErrorCode::io_error) CHECK_FALSE(done);
    log.close();
    if (power_goes) files.power_cut(operation);
    power_goes ? files.restart() : files.kill_process();
    check_nothing_lost(files, log);
  }
}

}  // namespace

TEST_CASE(
    "eio_on_fsync_no_ack_no_retry: after a failed sync nothing is acknowledged, and what it lost is not believed") {
  const std::uint64_t operations = operations_of_workload();
  for (std::uint64_t operation = 1; operation <= operations; ++operation) {
    check_failure_at(operation, ErrorCode::io_error, std::nullopt);
  }
}

TEST_CASE("eio at every operation, done in part: the next process recovers all that was acknowledged") {
  const std::uint64_t operations = operations_of_workload();
  for (std::uint64_t operation = 1; operation <= operations; ++operation) {
    check_failure_at(operation, ErrorCode::io_error, operation);
  }
}

TEST_CASE("enospc_at_every_write_then_recover: whichever operation finds the disk full, once") {
  const std::uint64_t operations = operations_of_workload();
  for (std::uint64_t operation = 1; operation <= operations; ++operation) {
    check_failure_at(operation, ErrorCode::disk_full, std::nullopt);
    check_failure_at(operation, ErrorCode::disk_full, operation);
  }
}

TEST_CASE("enospc_at_every_write_then_recover: a disk that stays full until there is space again") {
  for (std::uint64_t bytes = 0; bytes < 60'000; bytes += 331) {
    CAPTURE(bytes);
    MemoryFiles files;
    REQUIRE(files.make_directory(test_directory));
    files.set_free_bytes(bytes);
    LogUnderTest log(files);
    const auto done = run_workload(log, seed, batches);
    if (done) {  // this much is enough for all of it
      CHECK(bytes > 30'000);
      break;
    }
    CHECK(done.error().code == ErrorCode::disk_full);
    if (log.is_open()) check_poisoned(files, log, done.error());
    log.close();
    files.kill_process();

    // Recovery needs no space: what is there can be read while the disk is full. To go on, it says what it lacks.
    {
      LogUnderTest full(files);
      const auto recovered = full.recover_only();
      if (!recovered) FAIL(recovered.error().message());
      CHECK(full.log().next_offset >= log.durable_end);
      if (auto opened = full.open(); !opened) CHECK(opened.error().code == ErrorCode::disk_full);
    }
    files.kill_process();
    files.set_free_bytes(1u << 20);
    check_nothing_lost(files, log);
  }
}

TEST_CASE("enospc_on_segment_create: each step of making a segment finds the disk full") {
  for (std::uint64_t step = 1; step <= 10; ++step) {
    for (const bool in_part : {false, true}) {
      CAPTURE(step, in_part);
      MemoryFiles files;
      LogUnderTest log(files);
      REQUIRE(log.open());
      REQUIRE(log.commit({events("a", Bytes(segment_bytes_min - 200, 'x'))}));
      files.fail_at(files.operations() + step, ErrorCode::disk_full, in_part ? std::optional(step) : std::nullopt);
      const auto done = log.commit({events("b", Bytes(1'000, 'y'))});  // needs a new segment
      // What cannot be reserved, sealed or indexed may still be written.
      const bool goes_on = step == 2 || step == 7 || step == 8;
      CHECK(done.has_value() == goes_on);
      if (!done) check_poisoned(files, log, done.error());
      log.close();
      files.kill_process();
      check_nothing_lost(files, log);
    }
  }
}

TEST_CASE("errors all over a run: the log lives on through restarts and loses nothing acknowledged") {
  for (std::uint64_t run = 1; run <= 40; ++run) {
    CAPTURE(run);
    MemoryFiles files;
    std::mt19937_64 random(run);
    Digest acknowledged;
    for (std::uint64_t life = 1; life <= 30; ++life) {
      CAPTURE(life);
      files.fail_some(run * 100 + life, 5 + random() % 60);
      LogUnderTest log(files);
      if (log.open()) {
        const bool is_acknowledged = log.digest.records >= acknowledged.records;
        CHECK(is_acknowledged);
        acknowledged = log.digest;
        for (int i = 0; i < 30; ++i) {
          if (!log.commit(random_commit(random, 600))) break;
          acknowledged = log.digest;
        }
      }
      log.close();
      if (random() % 2 == 0) files.power_cut(random());
      files.restart();
      LogUnderTest next(files);
      REQUIRE(next.open());
      CHECK(next.digest.records >= acknowledged.records);
      acknowledged = next.digest;
      auto all = next.read_all(0, 4'000);
      if (!all) FAIL(all.error().message());
      next.close();
      files.kill_process();
    }
  }
}

TEST_CASE("eio_on_read_reported: each read that recovery and readers make fails once") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(run_workload(log, seed, 40));
  log.close();
  for (std::uint64_t read = 1;; ++read) {
    CAPTURE(read);
    files.kill_process();
    const auto before = files.reads();
    files.fail_read_at(before + read);
    LogUnderTest next(files);
    const auto recovered = next.recover_only();
    const bool failed_in_recovery = !recovered;
    if (failed_in_recovery) {
      CHECK(recovered.error().code == ErrorCode::io_error);
      continue;
    }
    CHECK(next.digest == log.boundaries.back());  // a state that cannot be read costs time only
    const auto all = next.read_all(next.log().first_offset, 700);
    if (!all) CHECK(all.error().code == ErrorCode::io_error);
    if (files.reads() < before + read) break;  // all were tried
    if (all) check_events(log, next.log().first_offset, *all);
    const auto again = next.read_all(next.log().first_offset, 700);
    REQUIRE(again);  // it has passed
    check_events(log, next.log().first_offset, *again);
  }
}

TEST_CASE("readonly_fs_start_and_midrun: both are errors that name the file, and nothing is lost") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(run_workload(log, seed, 40));
  files.set_read_only(true);
  const auto midrun = log.commit({events("a", "refused")});
  REQUIRE_FALSE(midrun);
  CHECK(midrun.error().code == ErrorCode::io_error);
  CHECK(midrun.error().text.find("Read-only file system") != std::string::npos);
  CHECK(midrun.error().text.find(".log") != std::string::npos);
  auto all = log.read_all(log.reader().first_offset(), 4'000);
  REQUIRE(all);  // consumers can read on
  check_poisoned(files, log, midrun.error());
  log.close();

  files.kill_process();
  files.set_read_only(true);
  LogUnderTest next(files);
  const auto start = next.open();
  REQUIRE_FALSE(start);
  CHECK(start.error().code == ErrorCode::io_error);
  CHECK(start.error().text.find("Read-only file system") != std::string::npos);
  files.kill_process();
  check_nothing_lost(files, log);
}

TEST_CASE("readonly_fs_start_and_midrun: an empty spool cannot be made") {
  MemoryFiles files;
  files.set_read_only(true);
  LogUnderTest log(files);
  const auto start = log.open();
  REQUIRE_FALSE(start);
  CHECK(start.error().text.find("Read-only file system") != std::string::npos);
}

TEST_CASE("slow_disk_10s_fsync: nothing is durable, acknowledged or readable before the sync has returned") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  log.decide({events("a", "waits")});
  const auto batch = log.log().appender.take_batch();
  files.hold_syncs(true);
  Result<void> written;
  std::thread committing([&] { written = log.writer().write(*batch); });
  files.wait_for_held_sync();
  // The writer has not returned, so nobody may tell the reader.
  CHECK(log.read_all(0, 1'000).value().empty());
  files.power_cut(1);  // the sync never comes to its end
  files.hold_syncs(false);
  committing.join();
  CHECK_FALSE(written);
  log.close();
  files.restart();
  check_nothing_lost(files, log);
}

TEST_CASE("second_process_locked_out: a process that tries is refused and changes nothing") {
  std::string directory = (std::filesystem::temp_directory_path() / "spindle-locked-XXXXXX").string();
  REQUIRE(::mkdtemp(directory.data()));
  auto none = [](const Record&) { return Result<void>(); };
  {
    auto held = recover(posix_files(), directory, test_spool_id, none, segment_bytes_min);
    REQUIRE(held);
    held->appender.roll("state", 1);
    REQUIRE(Writer(posix_files(), directory).write(*held->appender.take_batch()));
    const auto names = posix_files().list(directory).value();
    const pid_t child = ::fork();
    if (child == 0) {
      auto second = recover(posix_files(), directory, test_spool_id, none, segment_bytes_min);
      const bool told = !second && second.error().code == ErrorCode::locked &&
                        second.error().text.find(directory) != std::string::npos &&
                        posix_files().list(directory).value() == names;
      ::_exit(told ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(recover(posix_files(), directory, test_spool_id, none, segment_bytes_min));  // the lock went with its holder
  std::filesystem::remove_all(directory);
}
