#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "log_under_test.hpp"
#include "spindle/spool/verify.hpp"
#include "tests/wire/allocation_meter.hpp"

namespace spindle::spool {

/// What may be true of a log after a fault, given what was written and acknowledged before: everything acknowledged
/// is there or its loss is reported as an exact range of offsets; nothing of a commit is there without the rest of
/// it; never a crash, a hang, or memory asked for by a corrupt length.

/// Batches of one to three commits; now and then the oldest segments are trimmed. Ends with the first error.
inline Result<void> run_workload(LogUnderTest& log, std::uint64_t seed, int batches) {
  std::mt19937_64 random(seed);
  if (auto done = log.open(); !done) return done;
  for (int i = 0; i < batches; ++i) {
    const auto commits = 1 + random() % 3;
    for (std::uint64_t c = 0; c < commits; ++c) log.decide(random_commit(random, 400));
    if (i % 16 == 15 && log.segments() > 4) log.trim(1 + random() % (log.segments() - 3));
    if (auto done = log.write(); !done) return done;
  }
  return {};
}

/// How many commits make `digest`, which must be what the log amounts to behind one of them.
inline std::size_t commits_in(const LogUnderTest& before, const Digest& digest) {
  if (digest == Digest{}) return 0;
  auto at = std::find(before.boundaries.begin(), before.boundaries.end(), digest);
  REQUIRE(at != before.boundaries.end());
  return static_cast<std::size_t>(at - before.boundaries.begin()) + 1;
}

/// `events` are those that `before` wrote at these offsets, without a gap.
inline void check_events(const LogUnderTest& before, std::uint64_t from,
                         const std::vector<std::pair<std::uint64_t, TestRecord>>& events) {
  auto first = std::find_if(before.written.begin(), before.written.end(),
                            [from](const auto& written) { return written.first >= from; });
  REQUIRE(events.size() <= static_cast<std::size_t>(before.written.end() - first));
  CHECK(std::equal(events.begin(), events.end(), first));
}

/// A spool that was recovered looks damaged to nobody.
inline void check_is_whole(Files& files) {
  auto verified = verify(files, test_directory, [](const Damage& damage) { FAIL_CHECK(damage.text()); });
  if (!verified) FAIL(verified.error().message());
}

/// After a fault that took nothing durable away (a crash, a power cut, an error of the disk): the log recovers by
/// itself, all that was acknowledged is there, all that was trimmed for certain is not, and it goes on.
inline void check_nothing_lost(Files& files, const LogUnderTest& before) {
  LogUnderTest log(files);
  auto opened = log.open();
  if (!opened) FAIL(opened.error().message());
  CHECK(commits_in(before, log.digest) >= before.durable_commits);
  const std::uint64_t first = log.log().first_offset;
  CHECK(first <= before.trimmed_to);
  CHECK(first >= before.durable_trimmed_to);
  CHECK(log.log().next_offset >= before.durable_end);

  auto all = log.read_all(first, 700);
  if (!all) FAIL(all.error().message());
  check_events(before, first, *all);
  const std::uint64_t end = all->empty() ? first : all->back().first + all->back().second.count;
  CHECK(end == log.log().next_offset);
  const TopicFilter filter = only("topic.3");
  auto wanted = log.read_wanted(filter, first, 700);
  if (!wanted) FAIL(wanted.error().message());
  std::erase_if(*all, [&](const auto& one) { return !filter.wants(one.second.topic); });
  CHECK((*wanted == *all));
  check_is_whole(files);

  REQUIRE(log.commit({events("after", "the fault")}));
  const Digest digest = log.digest;
  REQUIRE(log.recover_only());
  CHECK(log.digest == digest);
}

struct LostRange {
  std::uint64_t begin;
  std::uint64_t end;
};

/// The offsets that a report names as lost; nothing when it names none.
inline std::optional<LostRange> lost_range(const std::string& text) {
  static const std::regex excluded(R"(offsets (\d+) to (\d+) \(excluded\))");
  static const std::regex several(R"(offsets (\d+) to (\d+) are lost)");
  static const std::regex one(R"(offset (\d+) is lost)");
  static const std::regex all(R"(offset (\d+) and all after it are lost)");
  std::smatch found;
  if (std::regex_search(text, found, excluded)) return LostRange{std::stoull(found[1]), std::stoull(found[2])};
  if (std::regex_search(text, found, several)) return LostRange{std::stoull(found[1]), std::stoull(found[2]) + 1};
  if (std::regex_search(text, found, one)) return LostRange{std::stoull(found[1]), std::stoull(found[1]) + 1};
  if (std::regex_search(text, found, all)) return LostRange{std::stoull(found[1]), ~std::uint64_t{0}};
  return std::nullopt;
}

/// What recovery and reads may ask for with a log of a few kilobytes: their buffers, and no more.
inline constexpr std::size_t allocated_bytes_max = 4u << 20;

/// Fails the test when more is allocated during its life than a small log needs.
class AllocationGuard {
 public:
  ~AllocationGuard() { CHECK(bytes_allocated() - before_ < allocated_bytes_max); }

 private:
  std::size_t before_ = bytes_allocated();
};

}  // namespace spindle::spool
