#include <iostream>

#include "damaged_state.hpp"
#include "promises.hpp"
#include "proxy/group.hpp"
#include "spindle/wire/values.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

// Every segment begins with the whole state, so the oldest segments can go at any moment and the newest state can be
// damaged: no group, position, failure, source, number, refusal or dead letter is lost.

namespace {

BrokerDriver::Setup setup_with(Disk disk, Now now, std::uint64_t segment_bytes = spool::segment_bytes_min) {
  BrokerDriver::Setup setup;
  setup.segment_bytes = segment_bytes;
  setup.disk = std::move(disk);
  setup.now = now;
  return setup;
}

Bytes newest_state(const Disk& disk) {
  MemoryFiles files;
  REQUIRE(files.make_directory("spool"));
  for (const auto& [name, bytes] : disk) REQUIRE(files.set_contents("spool/" + name, bytes));
  Bytes state;
  REQUIRE(spool::recover(files, "spool", "0123456789abcdef", [&](const spool::Record& record) -> Result<void> {
    if (record.kind == spool::Kind::state) state = Bytes(record.body);
    return {};
  }));
  return state;
}

/// Which topic stands where.
struct Topics {
  struct Range {
    Interval offsets;
    std::string topic;
  };
  std::vector<Range> ranges;

  explicit Topics(BrokerDriver& proxy) {
    for (const auto& stored : proxy.stored()) {
      ranges.push_back({{stored.offset, stored.offset + stored.count}, stored.topic});
    }
  }
};

/// What a proxy knows of sources and groups, as it writes it down itself. Two things are logged lazily: when a source
/// was last used (it decides when an idle one may be forgotten), and what a group passed over because nobody there
/// wants it (it would pass over it again); they are left out.
struct Knowledge {
  std::map<std::string, Bytes> sources;
  std::map<std::string, Bytes> groups;

  bool operator==(const Knowledge&) const = default;
};

/// The group with all done that it does not want.
Bytes settled_knowledge(Group group, const Topics& topics, Now now) {
  for (const Topics::Range& range : topics.ranges) {
    const bool wanted = std::any_of(group.patterns().begin(), group.patterns().end(),
                                    [&](const wire::Pattern& pattern) { return pattern.matches(range.topic); });
    if (!wanted) group.apply({GroupEffect::What::done, group.id(), range.offsets, 0, 0, {}}, now);
  }
  Bytes bytes;
  wire::Writer to(bytes);
  group.write(to);
  return bytes;
}

Knowledge read_state(const Bytes& state, const Topics& topics, Now now) {
  Knowledge known;
  wire::Values values;
  std::size_t at = 0;
  REQUIRE(values.read(state, at));
  wire::Cursor head(values);
  const std::uint32_t fields = head.array("state");
  REQUIRE(fields == 8);
  for (int i = 0; i < 5; ++i) head.skip();
  std::uint64_t sources = head.uint("sources");
  std::uint64_t groups = head.uint("groups");
  for (; sources > 0; --sources) {
    REQUIRE(wire::array_head(state, at) == 5u);
    const auto name = wire::str_at(state, at);
    REQUIRE(name);
    Bytes& source = known.sources[std::string(*name)];
    for (const bool is_last_use : {false, false, true, false}) {
      const std::size_t begin = at;
      REQUIRE(wire::skip_value(state, at));
      if (!is_last_use) source += state.substr(begin, at - begin);
    }
  }
  const Bytes rest = state.substr(at);
  for (ValueStream from(rest, values); groups > 0; --groups) {
    auto group = Group::read(from, 1, now);
    REQUIRE(group);
    const std::string name = group->name();
    known.groups[name] = settled_knowledge(std::move(*group), topics, now);
  }
  return known;
}

/// All that a proxy which finds these segments knows, as it writes it down itself.
Knowledge knowledge(const Disk& disk, const Topics& topics, Now now) {
  BrokerDriver proxy(setup_with(disk, now));
  return read_state(newest_state(proxy.disk()), topics, now);
}

/// Nothing is kept that no group needs: all that may go goes as soon as it may.
BrokerDriver::Setup trimming_setup() {
  BrokerDriver::Setup setup = setup_with({}, BrokerDriver::Setup{}.now);
  setup.config.retention.keep_for = 0s;
  return setup;
}

/// Publishes, refusals, epochs, goodbyes, groups, patterns, settles of every kind, dead letters and lost members, by
/// a seed.
class Workload {
 public:
  /// Groups that are made on the way soon have no members and need everything from their beginning on; dead letters
  /// are needed, too. Without both, the log is trimmed.
  Workload(std::uint64_t seed, bool new_groups) : random_(seed), new_groups_(new_groups), proxy(trimming_setup()) {
    for (int i = 0; i < 3; ++i) shops_.push_back(make("shop"));
    for (int i = 0; i < 2; ++i) desks_.push_back(make("desk"));
    for (auto& desk : desks_) attach(*desk);
  }

  void step() {
    Party& shop = *shops_[random_() % shops_.size()];
    Party& desk = *desks_[random_() % desks_.size()];
    switch (random_() % 24) {
      case 0: shop.publish("not a topic", {0}); break;
      case 1: shop.say_hello_anew(); break;
      case 2: goodbye(); break;
      case 3: desk.attach(1, "g", {"a.>", "p" + std::to_string(random_() % 50)}); break;
      case 4: new_groups_ ? desk.attach(3 + random_() % 5, "new" + std::to_string(made_++), {"a.b"}) : void(); break;
      case 5: replace(desk); break;
      case 6: pass(std::chrono::milliseconds(random_() % 3'000)); break;
      case 7: shop.send(wire::Admin{"groups", ""}); break;
      case 8:
      case 9:
      case 10:
      case 11:
      case 12:
      case 13: publish(shop); break;
      default: settle(desk); break;
    }
    hear();
  }

  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
  bool new_groups_;

 public:
  Promises told;
  BrokerDriver proxy;

 private:
  std::unique_ptr<Party> make(const std::string& role) {
    auto party = std::make_unique<Party>(proxy, told, role + "/" + std::to_string(++made_));
    party->say_hello();
    party->hear();
    return party;
  }

  void attach(Party& desk) {
    desk.attach(1, "g", {"a.>"});
    desk.attach(2, "h", {"a.b", "out"});
    desk.hear();
  }

  void hear() {
    for (auto& shop : shops_) shop->hear();
    for (auto& desk : desks_) desk->hear();
  }

  void publish(Party& shop) {
    std::vector<std::uint64_t> events;
    for (std::uint64_t i = 0; i < 1 + random_() % 3; ++i) events.push_back(++event_);
    shop.publish(random_() % 2 ? "a.b" : random_() % 2 ? "a.c" : "nobody", events);
  }

  void settle(Party& desk) {
    const auto held = desk.held(1 + random_() % (new_groups_ ? 4 : 2));
    for (std::size_t i = 0; i < held.size() && i < 6; ++i) settle(desk, held[i]);
  }

  void settle(Party& desk, const Delivered& one) {
    switch (random_() % 12) {
      case 0: return desk.settle(one, wire::Verdict::retry);
      case 1: return desk.settle(one, new_groups_ ? wire::Verdict::reject : wire::Verdict::retry);
      case 2: return desk.settle(one, wire::Verdict::ack, {++event_});
      case 3: desk.settle(one); return desk.settle(one);  // stale
      default: return desk.settle(one);
    }
  }

  void goodbye() {
    auto& shop = shops_[random_() % shops_.size()];
    shop->goodbye();
    shop = make("shop");
  }

  /// The desk's process dies and another one begins: what it worked on has failed once.
  void replace(Party& desk) {
    desk.say_hello_anew();
    desk.hear();
    attach(desk);
  }

  void pass(Duration by) {
    for (auto& shop : shops_) shop->send(wire::Renew{});
    for (auto& desk : desks_) desk->send(wire::Renew{});
    proxy.advance(by);
  }

  std::vector<std::unique_ptr<Party>> shops_;
  std::vector<std::unique_ptr<Party>> desks_;
  std::uint64_t event_ = 0;
  int made_ = 0;
};

}  // namespace

TEST_CASE(
    "with all but two segments gone and the newest state damaged, the state is what it was, after every batch") {
  const std::uint64_t seed = GENERATE(as<std::uint64_t>{}, 1, 2, 3);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::size_t moments = 0;
  Workload work(seed, seed % 3 == 0);
  work.proxy.after_batch = [&] {
    const Disk disk = work.proxy.disk();
    if (segments_on(disk) < 2) return;
    CAPTURE(++moments);
    const Topics topics(work.proxy);
    const Knowledge whole = knowledge(disk, topics, work.proxy.now());
    for (const StateDamage damage : state_damages) {
      CAPTURE(static_cast<int>(damage));
      Disk damaged = disk;
      damage_newest_state(damaged, damage, random);
      if (damaged == disk) continue;
      REQUIRE((knowledge(damaged, topics, work.proxy.now()) == whole));
    }
  };
  for (int i = 0; i < 400; ++i) work.step();
  REQUIRE(work.proxy.segments_made > 10);
  if (seed % 3 != 0) REQUIRE(work.proxy.first_offset() > 0);
  std::cout << "seed " << seed << ": " << moments << " moments, " << work.proxy.segments_made << " segments\n";
}

TEST_CASE("with all gone that nobody needs and the newest state damaged, all that was told is true") {
  const std::uint64_t seed = GENERATE(as<std::uint64_t>{}, 4, 5, 6, 7);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::size_t moments = 0;
  std::size_t trimmed = 0;
  Workload work(seed, false);
  work.proxy.after_batch = [&] {
    if (random() % 8 != 0) return;
    Disk disk = work.proxy.disk();
    if (segments_on(disk) < 2) return;
    CAPTURE(++moments);
    BrokerDriver needs(setup_with(disk, work.proxy.now()));
    TestClient admin(needs, "");
    admin.hello();
    admin.send(wire::Admin{"groups", ""});
    const Bytes groups = admin.take<wire::AdminReply>()->body;
    Promises figures;
    figures.hear_figures(groups);
    std::uint64_t floor = ~std::uint64_t{0};
    for (const auto& [group, of] : figures.figures) floor = std::min(floor, of.numbers.at("floor"));
    while (segments_on(disk) > 2 &&
           spool::parse_segment_name(std::next(disk.begin())->first)->first_offset <= floor) {
      disk.erase(disk.begin());
      ++trimmed;
    }
    damage_newest_state(disk, state_damages[random() % std::size(state_damages)], random);
    BrokerDriver proxy(setup_with(disk, work.proxy.now()));
    Promises told = work.told;
    told.check(proxy);
  };
  for (int i = 0; i < 250; ++i) work.step();
  std::cout << "seed " << seed << ": " << moments << " moments, " << trimmed << " segments trimmed\n";
  REQUIRE(trimmed > 0);
}

TEST_CASE("a power cut at every operation of a start that finds the newest state damaged loses nothing either") {
  Workload work(8, true);
  for (int i = 0; i < 120; ++i) work.step();
  const Disk disk = work.proxy.disk();
  const Topics topics(work.proxy);
  const Knowledge whole = knowledge(disk, topics, work.proxy.now());
  for (const StateDamage damage : state_damages) {
    std::mt19937_64 random(static_cast<std::uint64_t>(damage) + 1);
    Disk damaged = disk;
    damage_newest_state(damaged, damage, random);
    for (std::uint64_t cut = 1;; ++cut) {
      CAPTURE(static_cast<int>(damage), cut);
      BrokerDriver proxy(setup_with(damaged, work.proxy.now()));
      // Once more, as if it had not started yet.
      proxy.kill();
      for (const auto& [name, bytes] : proxy.disk()) {
        if (!damaged.contains(name)) REQUIRE(proxy.files().remove("spool/" + name));
      }
      for (const auto& [name, bytes] : damaged) REQUIRE(proxy.files().set_contents("spool/" + name, bytes));
      REQUIRE(proxy.files().sync_directory("spool"));
      proxy.files().cut_power_at(proxy.files().operations() + cut, cut);
      const bool started = proxy.try_start().has_value();
      proxy.power_cut(cut);
      REQUIRE((knowledge(proxy.disk(), topics, work.proxy.now()) == whole));
      if (started) break;
      REQUIRE(cut < 100);
    }
  }
}

TEST_CASE("a state of many records serves only whole: damage in any of them makes the one before serve") {
  BrokerDriver proxy(setup_with({}, BrokerDriver::Setup{}.now, 3u << 20));
  TestClient client(proxy, "desk/1");
  client.hello();
  for (std::uint64_t group = 1; group <= 60; ++group) {
    std::vector<std::string> patterns;
    for (int i = 0; i < 256; ++i) patterns.push_back("a." + std::to_string(i) + "." + std::string(180, 'x'));
    auto attach = client.attach_message("g" + std::to_string(group), patterns);
    attach.member = group;
    client.attach(attach);
  }
  proxy.restart();
  proxy.restart();
  Disk disk = proxy.disk();
  trim(disk, 2);
  const auto records = state_records(disk.rbegin()->second);
  REQUIRE(records.size() - 1 >= 3);
  const Topics topics(proxy);
  const Knowledge whole = knowledge(disk, topics, proxy.now());
  REQUIRE(whole.groups.size() == 60);
  for (std::size_t record = 0; record + 1 < records.size(); ++record) {
    for (const std::size_t at :
         {records[record] + 3, records[record] + 13, (records[record] + records[record + 1]) / 2}) {
      CAPTURE(record, at);
      Disk damaged = disk;
      damaged.rbegin()->second[at] ^= 1;
      REQUIRE((knowledge(damaged, topics, proxy.now()) == whole));
    }
  }
}

TEST_CASE("with both of the newest states damaged the log is refused, not taken for an empty one") {
  Workload work(9, true);
  for (int i = 0; i < 100; ++i) work.step();
  Disk disk = work.proxy.disk();
  trim(disk, 2);
  std::mt19937_64 random(9);
  for (auto& [name, segment] : disk) damage_state(segment, StateDamage::zeros, random);
  MemoryFiles files;
  REQUIRE(files.make_directory("spool"));
  for (const auto& [name, bytes] : disk) REQUIRE(files.set_contents("spool/" + name, bytes));
  auto recovered =
      spool::recover(files, "spool", "0123456789abcdef", [](const spool::Record&) -> Result<void> { return {}; });
  REQUIRE_FALSE(recovered);
  REQUIRE(recovered.error().code == ErrorCode::corrupt);
}

TEST_CASE("no delivery id is given twice when the newest run's state is damaged") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1});
  client.ack(client.deliveries().at(0));
  proxy.restart();
  client.reconnect();
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {2});
  const Delivered before = client.deliveries().at(0);

  Disk disk = proxy.disk();
  std::mt19937_64 random(1);
  damage_newest_state(disk, StateDamage::bit, random);
  BrokerDriver again(setup_with(disk, proxy.now(), proxy.segment_bytes()));
  TestClient other(again, "shop/2");
  other.hello();
  other.attach("g", {">"});
  again.advance(11s);
  other.reconnect();
  other.hello();
  other.attach("g", {">"});
  const Delivered after = other.deliveries().at(0);
  CHECK(after.event == before.event);
  CHECK(after.id.run > before.id.run);
  CHECK(after.id.handout > before.id.handout);
}
