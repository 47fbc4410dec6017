#include <catch2/catch.hpp>

#include "proxy/group.hpp"

using namespace spindle;
using namespace spindle::proxy;

namespace {

const Now now{Instant(std::chrono::hours(1)), 1'700'000'000'000'000'000};

Group restored(const Group& group) {
  Bytes bytes;
  wire::Writer to(bytes);
  group.write(to);
  wire::Values values;
  ValueStream from(bytes, values);
  auto read = Group::read(from, 2, now);
  REQUIRE(read);
  return std::move(*read);
}

GroupEffect effect(GroupEffect::What what, Interval range) { return {what, 1, range, 1, 0, "because"}; }

void lose(Group& group, Interval range, const std::string& reason = "gone") {
  for (const GroupEffect& lost : group.lose(range, reason)) group.apply(lost, now);
}

}  // namespace

TEST_CASE("what is lost is what was not settled, as exact ranges, and settled by it") {
  Group group({1, "g", 1}, {}, 10, 1);
  group.apply(effect(GroupEffect::What::done, {12, 15}), now);
  group.apply(effect(GroupEffect::What::failed, {16, 18}), now);
  group.apply(effect(GroupEffect::What::bury, {18, 19}), now);
  lose(group, {0, 20});
  CHECK(group.lost() == 7);
  REQUIRE(group.losses().size() == 2);
  CHECK(group.losses()[0] == Loss{{10, 12}, "gone"});
  CHECK(group.losses()[1] == Loss{{15, 20}, "gone"});
  CHECK(group.floor() == 20);
  CHECK(group.position() == 20);
  CHECK(group.retrying() == 0);
  CHECK(group.lag(20) == 0);
  CHECK(group.dead() == 0);
  CHECK(group.lose({0, 20}, "again").empty());
}

TEST_CASE("the log keeps how much was lost and the newest ranges") {
  Group group({1, "g", 1}, {}, 0, 1);
  for (std::uint64_t i = 0; i < 3 * group_losses_max; ++i) lose(group, {i * 10, i * 10 + 5}, std::to_string(i));
  const Group again = restored(group);
  CHECK(again.lost() == 15 * group_losses_max);
  REQUIRE(again.losses().size() == group_losses_max);
  CHECK(again.losses() == group.losses());
  CHECK(again.losses().back().range ==
        Interval{(3 * group_losses_max - 1) * 10, (3 * group_losses_max - 1) * 10 + 5});
  CHECK(again.floor() == 5);
}

TEST_CASE("consecutive losses for one reason are one range") {
  Group group({1, "g", 1}, {}, 0, 1);
  lose(group, {0, 5});
  lose(group, {5, 9});
  lose(group, {9, 10}, "another");
  REQUIRE(group.losses().size() == 2);
  CHECK(group.losses()[0] == Loss{{0, 9}, "gone"});
}
