#include <catch2/catch.hpp>

#include "fault_oracle.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

// The process or the power goes at every single file operation of a workload that rolls segments, settles and trims,
// and again at every operation of the recovery. What was acknowledged is there, nothing is there in part.

namespace {

constexpr int batches = 200;

std::uint64_t operations_of_workload(std::uint64_t seed) {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(run_workload(log, seed, batches));
  REQUIRE(log.durable_end > 500);
  REQUIRE(log.durable_trimmed_to > 0);
  return files.operations();
}

}  // namespace

TEST_CASE(
    "powercut_drop_unsynced, powercut_reordered_writes, powercut_trashed_sectors: a power cut at every operation "
    "loses nothing acknowledged and leaves nothing half") {
  for (const std::uint64_t seed : {20240607u, 1u, 2u, 3u}) {
    const std::uint64_t operations = operations_of_workload(seed);
    CHECK(operations > 500);
    for (std::uint64_t cut = 1; cut <= operations; ++cut) {
      for (std::uint64_t variant = 0; variant < 3; ++variant) {
        CAPTURE(seed, cut, variant);
        MemoryFiles files;
        LogUnderTest log(files);
        files.cut_power_at(cut, cut * 10 + variant);
        REQUIRE_FALSE(run_workload(log, seed, batches));
        files.restart();
        check_nothing_lost(files, log);
      }
    }
  }
}

TEST_CASE("crash_during_recovery: a second power cut at every operation of the recovery changes nothing") {
  for (const std::uint64_t seed : {31u, 32u, 33u}) {
    const std::uint64_t operations = operations_of_workload(seed);
    for (std::uint64_t cut = 1; cut <= operations; cut += 10) {
      for (std::uint64_t second = 1;; ++second) {
        CAPTURE(seed, cut, second);
        MemoryFiles files;
        LogUnderTest log(files);
        files.cut_power_at(cut, cut);
        REQUIRE_FALSE(run_workload(log, seed, batches));
        files.restart();
        files.cut_power_at(files.operations() + second, second * 1000 + cut);
        LogUnderTest recovering(files);
        const bool recovered_before_cut = recovering.open().has_value();
        recovering.close();
        files.power_cut(second);
        files.restart();
        check_nothing_lost(files, log);
        if (recovered_before_cut) break;
      }
    }
  }
}

TEST_CASE("crash_at_every_syscall: a process killed at every operation loses nothing and leaves nothing half") {
  const std::uint64_t seed = 5;
  const std::uint64_t operations = operations_of_workload(seed);
  for (std::uint64_t killed = 1; killed <= operations; ++killed) {
    CAPTURE(seed, killed);
    MemoryFiles files;
    LogUnderTest log(files);
    // The operation had begun: part of it may have happened, and nothing after it did.
    files.fail_at(killed, ErrorCode::io_error, killed);
    (void)run_workload(log, seed, batches);
    log.close();
    files.kill_process();
    LogUnderTest next(files);
    REQUIRE(next.open());
    const std::uint64_t found = next.log().next_offset;
    next.close();
    files.power_cut(killed);  // what recovery found is durable
    files.restart();
    check_nothing_lost(files, log);
    LogUnderTest last(files);
    REQUIRE(last.recover_only());
    CHECK(last.log().next_offset == found + 1);  // and one that the check wrote
  }
}

TEST_CASE("crash_during_recovery: a kill at every operation, then a power cut at each operation of the recovery") {
  const std::uint64_t seed = 6;
  const std::uint64_t operations = operations_of_workload(seed);
  for (std::uint64_t killed = 1; killed <= operations; ++killed) {
    for (std::uint64_t second = 1;; ++second) {
      CAPTURE(seed, killed, second);
      MemoryFiles files;
      LogUnderTest log(files);
      files.fail_at(killed, ErrorCode::io_error, killed);
      (void)run_workload(log, seed, batches);
      log.close();
      files.kill_process();
      files.cut_power_at(files.operations() + second, second * 1'000 + killed);
      LogUnderTest recovering(files);
      const bool recovered = recovering.recover_only().has_value();
      const Digest found = recovering.digest;
      recovering.close();
      files.power_cut(killed);
      files.restart();
      if (recovered) {  // what it found is durable, before anything was written
        LogUnderTest again(files);
        REQUIRE(again.recover_only());
        CHECK(again.digest == found);
      }
      check_nothing_lost(files, log);
      if (recovered) break;
    }
  }
}

TEST_CASE("crash_between_sync_and_ack: what was durable but never acknowledged is there, once") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    MemoryFiles files;
    LogUnderTest log(files);
    REQUIRE(run_workload(log, seed, 20));
    log.decide({events("a", "durable, never acknowledged")});
    REQUIRE(log.writer().write(*log.log().appender.take_batch()));
    log.close();
    files.power_cut(seed);
    files.restart();
    LogUnderTest next(files);
    REQUIRE(next.open());
    CHECK(next.digest == log.boundaries.back());
    auto all = next.read_all(next.log().first_offset, 4'000);
    REQUIRE(all);
    CHECK(all->back() == log.written.back());
    next.close();
    check_nothing_lost(files, log);
  }
}

TEST_CASE(
    "crash_before_dir_fsync, crash_during_segment_roll, crash_during_checkpoint: the power goes at each step of "
    "making a segment") {
  const Bytes filling(segment_bytes_min - 200, 'x');
  for (std::uint64_t step = 1; step <= 10; ++step) {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      CAPTURE(step, seed);
      MemoryFiles files;
      LogUnderTest log(files);
      REQUIRE(log.open());
      REQUIRE(log.commit({events("a", filling)}));
      files.cut_power_at(files.operations() + step, seed);
      log.decide({events("b", "still in the first segment")});
      log.decide({events("b", filling)});  // needs a segment of its own
      const bool done = log.write().has_value();
      if (!done) files.restart();
      if (done) files.kill_process();
      CHECK(done == (step > 10));
      check_nothing_lost(files, log);
    }
  }
}

TEST_CASE("crash_during_retention: the power goes at each step of trimming") {
  for (std::uint64_t step = 1; step <= 12; ++step) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(step, seed);
      MemoryFiles files;
      LogUnderTest log(files);
      REQUIRE(log.open());
      for (int i = 0; i < 20; ++i) REQUIRE(log.commit({events("a", std::string(1'500, 'x'))}));
      log.decide({events("a", "with the trim")});
      log.trim(5);
      files.cut_power_at(files.operations() + step, seed);
      REQUIRE_FALSE(log.write());
      files.restart();
      check_nothing_lost(files, log);
    }
  }
}
