#include "proxy/group_table.hpp"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "spindle/spool/record.hpp"
#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;

// Which groups have something to do; the log here is a list of topics, one event each.

namespace {

const Now start{Instant(std::chrono::hours(1)), 1'700'000'000'000'000'000};

wire::Pattern pattern(const std::string& text) { return *wire::Pattern::parse(text); }

/// A member that takes all that its group gets.
void join(Group& group, std::uint64_t number) {
  Group::Joining joining;
  joining.key.source = "shop/1";
  joining.key.number = number;
  joining.patterns.push_back(pattern(">"));
  joining.credit_events = 1'000'000;
  joining.credit_bytes = 1u << 30;
  group.join(joining, start);
}

/// A log and its groups; each group has one member that settles nothing and has room for everything.
class Log {
 public:
  Group& group(std::uint64_t id, const std::string& wants) {
    auto made =
        std::make_unique<Group>(Group::Identity{id, "g" + std::to_string(id)}, GroupSettings{}, topics_.size(), 1);
    made->add_pattern(pattern(wants));
    Group& added = groups.add(std::move(made));
    join(added, 1);
    return added;
  }

  void append(const std::string& topic) {
    groups.note_append(topic, topics_.size());
    topics_.push_back(topic);
  }
  void sync(std::uint64_t end) {
    durable_ = end;
    groups.set_durable_end(end);
  }
  void sync() { sync(topics_.size()); }

  std::vector<std::uint64_t> readers() {
    std::vector<std::uint64_t> ids;
    for (const Group* group : groups.readers(topics_.size(), start)) {
      if (group->wants(durable_, start)) ids.push_back(group->id());
    }
    return ids;
  }
  /// Groups read, each what it wants of up to so many events, until none has anything to do.
  void read_all(std::uint64_t events_max = 100) {
    while (!readers().empty()) {
      for (const std::uint64_t id : readers()) read(id, events_max);
    }
  }
  void read(std::uint64_t id, std::uint64_t events_max) {
    Group& group = *groups.find(id)->second;
    const std::uint64_t from = group.wants(durable_, start)->offset;
    const std::uint64_t next = std::min(durable_, from + events_max);
    std::vector<spool::Record> records;
    for (std::uint64_t offset = from; offset < next; ++offset) {
      if (!group.topics()->wants(topics_[offset])) continue;
      spool::Record record;
      record.kind = spool::Kind::events;
      record.topic = topics_[offset];
      record.count = 1;
      record.offset = offset;
      records.push_back(record);
    }
    for (const HandedOut& part : group.offer(from, records, next, start).handed) {
      for (std::uint64_t i = part.range.begin; i < part.range.end; ++i) got[id].push_back(i);
    }
  }

  const std::vector<std::string>& topics() const { return topics_; }
  std::uint64_t durable() const { return durable_; }

  GroupTable groups;
  std::map<std::uint64_t, std::vector<std::uint64_t>> got;

 private:
  std::vector<std::string> topics_;
  std::uint64_t durable_ = 0;
};

using Ids = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a group that wants nothing of what is stored is not asked, and its floor moves all the same") {
  Log log;
  Group& group = log.group(1, "mine");
  log.append("others");
  log.sync();
  log.read_all();
  for (int i = 0; i < 10; ++i) {
    log.append("others");
    CHECK(log.readers().empty());
    log.sync();
    CHECK(log.readers().empty());
  }
  log.groups.catch_up();
  CHECK(group.position() == 11);
  CHECK(group.floor() == 11);
  CHECK(group.passed_unlogged());
}

TEST_CASE("a group that waits reads on from the first event that it wants, once that is durable") {
  Log log;
  log.group(1, "mine");
  CHECK(log.readers().empty());
  for (const char* topic : {"others", "others", "mine", "others"}) log.append(topic);
  log.sync(2);
  CHECK(log.readers().empty());
  log.sync(4);
  REQUIRE(log.readers() == Ids{1});
  CHECK(log.groups.at(1)->wants(4, start)->offset == 2);
  log.read_all();
  CHECK(log.got[1] == Ids{2});
}

TEST_CASE("a busy log does not keep a group that wants nothing of it busy") {
  Log log;
  log.group(1, "mine");
  log.append("others");
  log.sync();
  for (int i = 0; i < 3; ++i) {  // there is always an event that is not durable yet
    log.append("others");
    log.sync(log.topics().size() - 1);
    log.read_all();
  }
  log.append("others");
  log.sync(log.topics().size() - 1);
  CHECK(log.readers().empty());
}

TEST_CASE("a pattern that comes while an event of its topic is being written gets that event") {
  Log log;
  Group& group = log.group(1, "mine");
  CHECK(log.readers().empty());
  log.append("others");
  log.groups.at(1)->add_pattern(pattern("new"));
  log.append("new");
  log.sync();
  log.groups.find(1);  // whoever looks at it
  log.read_all();
  CHECK(log.got[1] == Ids{1});
  CHECK(group.position() == 2);
}

TEST_CASE("a group without members costs nothing, and has all of it when somebody comes") {
  Log log;
  Group& group = log.group(1, "mine");
  group.leave({"shop/1", 1}, false, start);
  for (int i = 0; i < 5; ++i) log.append("mine");
  log.sync();
  CHECK(log.readers().empty());
  CHECK(group.floor() == 0);
  join(*log.groups.at(1), 2);
  log.read_all();
  CHECK(log.got[1] == Ids{0, 1, 2, 3, 4});
}

TEST_CASE("deadlines of groups come in order of their time, and only of those that have one") {
  Log log;
  log.group(1, "mine");
  log.group(2, "others");
  CHECK(!log.groups.next_due());
  log.append("others");
  log.sync();
  log.read_all();
  const Instant deadline = start.instant + GroupSettings{}.ack_deadline();
  CHECK(log.groups.next_due() == deadline);
  CHECK(log.groups.due(start).empty());
  CHECK(log.groups.due({deadline, start.wall_ns}) == Ids{2});
  log.groups.erase(2);
  CHECK(!log.groups.next_due());
}

TEST_CASE("more topics than are remembered lose no event") {
  Log log;
  log.group(1, "mine.*");
  CHECK(log.readers().empty());
  Ids wanted;
  for (std::size_t i = 0; i < 3 * routed_topics_max; ++i) {
    const bool mine = i % 100 == 7;
    if (mine) wanted.push_back(log.topics().size());
    log.append((mine ? "mine." : "others.") + std::to_string(i));
    if (i % 50 == 0) log.sync();
    log.read_all();
  }
  log.sync();
  log.read_all();
  CHECK(log.got[1] == wanted);
}

TEST_CASE("whatever comes in whatever order, each group gets what it wants, once and in order") {
  const auto seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  auto below = [&](std::size_t end) { return std::uniform_int_distribution<std::size_t>(0, end - 1)(random); };
  const std::vector<std::string> topics{"a", "b", "c", "d", "e", "f"};
  for (int run = 0; run < 200; ++run) {
    Log log;
    // The topics that a group wants, and from which offset on.
    std::map<std::uint64_t, std::map<std::string, std::uint64_t>> wants;
    for (std::uint64_t id = 1; id <= 4; ++id) {
      const std::string& first = topics[below(topics.size())];
      log.group(id, first);
      wants[id][first] = 0;
    }
    for (int step = 0; step < 300; ++step) {
      const std::uint64_t id = 1 + below(4);
      const std::size_t what = below(40);
      if (what < 15) log.append(topics[below(topics.size())]);
      if (what >= 15 && what < 22) log.sync(log.durable() + below(log.topics().size() - log.durable() + 1));
      if (what >= 22 && what < 35) {
        if (const auto ids = log.readers(); !ids.empty()) log.read(ids[below(ids.size())], 1 + below(5));
      }
      if (what == 35) log.groups.catch_up();
      if (what == 36) (void)log.groups.find(id);
      if (what == 37) {  // counts from the group's position on
        Group& group = *log.groups.at(id);
        const std::string& more = topics[below(topics.size())];
        wants[id].emplace(more, group.position());
        group.add_pattern(pattern(more));
      }
    }
    log.sync();
    log.read_all();
    log.groups.catch_up();
    for (const auto& [id, from] : wants) {
      Ids wanted;
      for (std::uint64_t offset = 0; offset < log.topics().size(); ++offset) {
        const auto topic = from.find(log.topics()[offset]);
        if (topic != from.end() && topic->second <= offset) wanted.push_back(offset);
      }
      CHECK(log.got[id] == wanted);
      CHECK(log.groups.at(id)->position() == log.topics().size());
    }
  }
}
