#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

// The power goes at every single file operation of a workload that rolls segments, and again at every operation of
// the recovery. What was acknowledged is there, nothing is there in part.

namespace {

constexpr int batches = 200;

/// Batches of one to three commits until the power goes or all are written.
Result<void> run_workload(LogUnderTest& log, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  if (auto done = log.open(); !done) return done;
  for (int i = 0; i < batches; ++i) {
    const auto commits = 1 + random() % 3;
    for (std::uint64_t c = 0; c < commits; ++c) log.decide(random_commit(random, 400));
    if (auto done = log.write(); !done) return done;
  }
  return {};
}

std::uint64_t operations_of_workload(std::uint64_t seed) {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(run_workload(log, seed));
  REQUIRE(segment_paths(files).size() > 8);
  return files.operations();
}

/// `before` is what was written until the power went.
void check_recovered(MemoryFiles& files, const LogUnderTest& before) {
  LogUnderTest log(files);
  auto opened = log.open();
  if (!opened) FAIL(opened.error().message());
  std::size_t commits = 0;
  if (log.digest != Digest{}) {
    auto at = std::find(before.boundaries.begin(), before.boundaries.end(), log.digest);
    REQUIRE(at != before.boundaries.end());
    commits = static_cast<std::size_t>(at - before.boundaries.begin()) + 1;
  }
  CHECK(commits >= before.durable_commits);

  auto all = log.read_all(0, 700);
  if (!all) FAIL(all.error().message());
  REQUIRE(all->size() <= before.written.size());
  CHECK(std::equal(all->begin(), all->end(), before.written.begin()));

  REQUIRE(log.commit({events("after", "the cut")}));
  const Digest digest = log.digest;
  REQUIRE(log.recover_only());
  CHECK(log.digest == digest);
}

}  // namespace

TEST_CASE("a power cut at every operation loses nothing acknowledged and leaves nothing half") {
  const std::uint64_t seed = 20240607;
  const std::uint64_t operations = operations_of_workload(seed);
  CHECK(operations > 500);
  for (std::uint64_t cut = 1; cut <= operations; ++cut) {
    for (std::uint64_t variant = 0; variant < 2; ++variant) {
      CAPTURE(seed, cut, variant);
      MemoryFiles files;
      LogUnderTest log(files);
      files.cut_power_at(cut, cut * 10 + variant);
      REQUIRE_FALSE(run_workload(log, seed));
      files.restart();
      check_recovered(files, log);
    }
  }
}

TEST_CASE("a second power cut at every operation of the recovery changes nothing") {
  const std::uint64_t seed = 31;
  const std::uint64_t operations = operations_of_workload(seed);
  for (std::uint64_t cut = 1; cut <= operations; cut += 10) {
    for (std::uint64_t second = 1;; ++second) {
      CAPTURE(seed, cut, second);
      MemoryFiles files;
      LogUnderTest log(files);
      files.cut_power_at(cut, cut);
      REQUIRE_FALSE(run_workload(log, seed));
      files.restart();
      files.cut_power_at(files.operations() + second, second * 1000 + cut);
      LogUnderTest recovering(files);
      const bool recovered_before_cut = recovering.open().has_value();
      recovering.close();
      files.power_cut(second);
      files.restart();
      check_recovered(files, log);
      if (recovered_before_cut) break;
    }
  }
}
