#include <catch2/catch.hpp>

#include "proxy/group.hpp"
#include "spindle/spool/record.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

namespace {

const Now now{Instant(1h), 1'700'000'000'000'000'000};
constexpr std::uint64_t handout = (std::uint64_t{1} << 40) + 1;  // of run 1

Group::Joining joining(const std::string& source, const std::string& pattern, std::vector<wire::Claim> claims = {}) {
  return {{source, 1}, {*wire::Pattern::parse(pattern)}, 10, 1'000, std::move(claims)};
}

spool::Record record(std::uint64_t offset, std::uint32_t count, BytesView topic) {
  spool::Record record;
  record.offset = offset;
  record.count = count;
  record.topic = topic;
  record.body = "body";
  return record;
}

/// A group in the proxy's second run, for which "old" is waited.
Group after_restart() {
  Group group({1, "g", 1}, {}, 0, 1);
  group.add_pattern(*wire::Pattern::parse("a"));
  group.note_member({"old", 1});
  group.begin_run(2, 6, now.instant + 10s);
  return group;
}

}  // namespace

TEST_CASE("after a restart nobody is given back what went to others when it had left") {
  const wire::Claim claim{{1, 1, handout, 0}, 3, 1};
  Group group = after_restart();
  CHECK(group.join(joining("left", "a", {claim}), now).empty());
  CHECK(group.join(joining("old", "a", {claim}), now).size() == 1);
}

TEST_CASE("who left and comes back is given nothing of a hand-out of which somebody else has a part") {
  Group group({1, "g", 1}, {}, 0, 1);
  group.add_pattern(*wire::Pattern::parse("a"));
  group.join(joining("m/1", "a"), now);
  const std::vector<spool::Record> older{record(0, 3, "a")};
  const std::vector<spool::Record> newer{record(3, 2, "a")};
  const auto first = group.offer(0, older, 3, now).handed;
  const auto second = group.offer(3, newer, 5, now).handed;
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  group.leave({"m/1", 1}, false, now);
  auto other = joining("m/2", "a");
  other.credit_events = 1;
  group.join(other, now);
  REQUIRE(group.offer(0, older, 3, now).handed.size() == 1);
  const wire::Claim of_first{{1, 1, first[0].handout, 0}, 3, 1};
  const wire::Claim of_second{{1, 1, second[0].handout, 3}, 2, 1};
  const auto granted = group.join(joining("m/1", "a", {of_first, of_second}), now);
  REQUIRE(granted.size() == 1);
  CHECK(granted[0].first.handout == second[0].handout);
  CHECK(group.own_from(granted) == second[0].handout);
}

TEST_CASE("what is settled before the group reads on is not read, for it may be deleted") {
  Group group = after_restart();
  group.note_member({"other", 1});
  REQUIRE(group.join(joining("old", "a", {{{1, 1, handout, 0}, 3, 1}}), now).size() == 1);
  wire::Settlement ack;
  ack.member = 1;
  ack.first = {1, 1, handout, 0};
  ack.count = 3;
  std::vector<GroupEffect> effects;
  group.settle({"old", 1}, ack, now, effects);
  for (const GroupEffect& effect : effects) group.apply(effect, now);
  CHECK(group.floor() == 3);
  CHECK(group.position() == 3);
  REQUIRE(group.wants(6, now));
  CHECK(group.wants(6, now)->offset == 3);
}

TEST_CASE("what is lost while no member wants it is not read when one comes") {
  Group group({1, "g", 1}, {}, 0, 1);
  group.add_pattern(*wire::Pattern::parse("a"));
  group.add_pattern(*wire::Pattern::parse("b"));
  group.join(joining("m/1", "b"), now);
  const std::vector<spool::Record> records{record(0, 4, "a"), record(4, 2, "b")};
  REQUIRE(group.offer(0, records, 6, now).handed.size() == 1);
  for (const GroupEffect& lost : group.lose({1, 3}, "gone")) group.apply(lost, now);
  group.join(joining("m/2", "a"), now);
  const auto handed = group.offer(0, {records[0]}, 4, now).handed;
  REQUIRE(handed.size() == 2);
  CHECK(handed[0].range == Interval{0, 1});
  CHECK(handed[1].range == Interval{3, 4});
  for (const GroupEffect& lost : group.lose({0, 6}, "gone")) group.apply(lost, now);
  CHECK_FALSE(group.wants(6, now));
}
