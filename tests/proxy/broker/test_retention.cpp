#include <random>
#include <set>

#include "admin_client.hpp"
#include "proxy/group.hpp"
#include "proxy/retention.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using namespace std::string_literals;
using wire::OutcomeStatus;

namespace {

BrokerDriver::Setup small_segments(RetentionRules rules = {}) {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  setup.config.retention = rules;
  setup.config.disk_reserve_bytes = 1 << 20;
  return setup;
}

/// About as many bytes as fill a segment.
constexpr int publishes_per_segment = 40;

struct World {
  explicit World(BrokerDriver::Setup setup) : proxy(std::move(setup)), producer(proxy, "shop/1") { producer.hello(); }

  /// Fills segments with events of one topic; they are numbered through.
  void fill(int segments, const std::string& topic = "a") {
    for (int i = 0; i < segments * publishes_per_segment; ++i) {
      producer.publish(topic, std::vector<std::uint64_t>(10, event++));
    }
  }
  /// Time passes, with everybody alive.
  void pass(Duration by, std::initializer_list<TestClient*> alive = {}) {
    for (Duration passed{}; passed < by; passed += 1s) {
      producer.send(wire::Renew{{producer.session}});
      for (TestClient* client : alive) client->send(wire::Renew{{client->session}});
      if (space) proxy.broker().on_space(*space);
      proxy.advance(1s);
    }
  }
  std::size_t files() { return proxy.files().list("spool").value().size(); }
  std::uint64_t first() { return proxy.first_offset(); }
  /// On the disk, of the reserve of a MiB.
  void leave(std::uint64_t bytes) {
    space = bytes;
    pass(1s);
  }

  BrokerDriver proxy;
  TestClient producer;
  std::uint64_t event = 0;
  std::optional<std::uint64_t> space;
};

struct Consumer {
  Consumer(World& world, const std::string& source, wire::GroupOptions options = {}, std::uint64_t credit = 100'000)
      : client(world.proxy, source) {
    client.hello();
    message = client.attach_message("g", {"a"});
    message.options = options;
    message.options.ack_deadline_ms = 3'600'000;
    message.credit_events = credit;
    message.credit_bytes = 1 << 28;
    client.attach(message);
  }
  std::size_t ack_all() {
    const auto all = client.deliveries();
    for (std::size_t begin = 0; begin < all.size(); begin += 100) {
      wire::Turn turn;
      for (std::size_t i = begin; i < std::min(all.size(), begin + 100); ++i) {
        turn.settlements.push_back(all[i].settlement());
      }
      client.settle({turn});
    }
    return all.size();
  }
  TestClient client;
  wire::Attach message;
};

/// Flips a byte in the state at the head of the newest segment.
void damage_newest_state(MemoryFiles& files) {
  const std::string newest = "spool/" + files.list("spool").value().back();
  Bytes bytes = files.contents(newest).value();
  bytes[spool::segment_header_bytes + spool::record_header_bytes + 3] ^= 1;
  REQUIRE(files.set_contents(newest, bytes));
}

}  // namespace

TEST_CASE("the rules say what is due: too old, too much, the disk full, and never one of the two newest") {
  RetentionRules rules;
  rules.keep_for = 100s;
  Retention retention(rules);
  std::vector<spool::Segment> segments(4);
  for (std::uint64_t i = 0; i < 4; ++i) {
    segments[i].header.serial = i + 1;
    segments[i].header.first_offset = i * 10;
    segments[i].header.created_ns = static_cast<WallNs>(i) * 1'000'000'000;
    segments[i].end = 1'000;
    segments[i].next_offset = i * 10 + 10;
  }
  retention.recovered(segments, 4'000'000'000);
  REQUIRE(retention.size() == 4);
  CHECK(retention[1].end_offset == 20);
  CHECK(retention.bytes_from_offset(10) == 3'000);
  CHECK(retention.bytes_from_offset(9) == 4'000);
  CHECK_FALSE(retention.due(0, 100'999'999'999, 0));
  CHECK(retention.due(0, 101'000'000'000, 0) == Retention::Why::age);
  CHECK_FALSE(retention.due(1, 101'000'000'000, 0));
  CHECK(retention.due(0, 0, 1) == Retention::Why::full_disk);
  CHECK_FALSE(retention.due(1, 0, 1'000));
  CHECK(retention.due(1, 0, 1'001) == Retention::Why::full_disk);
  CHECK_FALSE(retention.due(2, 900'000'000'000, 100'000));

  rules = {};
  rules.keep_bytes = 3'500;
  Retention bytes(rules);
  bytes.recovered(segments, 0);
  CHECK(bytes.due(0, 0, 0) == Retention::Why::bytes);
  CHECK_FALSE(bytes.due(1, 0, 0));
}

TEST_CASE("events that no group needs go when they are older than keep_for, not before") {
  World world(small_segments({60s, 0, false}));
  world.fill(5);
  const auto files = world.files();
  REQUIRE(files > 5);
  world.pass(50s);
  CHECK(world.first() == 0);
  world.pass(40s);
  CHECK(world.first() == world.event * 10);  // the newest two are empty by now: they ended for that
  CHECK(world.files() == 2);
  // A group that begins with what is kept begins there.
  Consumer consumer(world, "m/1");
  CHECK(consumer.client.deliveries().empty());
  world.fill(1);
  CHECK(consumer.client.deliveries().size() == publishes_per_segment * 10);
}

TEST_CASE("wall_clock_jump_1y: nothing is older by it") {
  World world(small_segments({60s, 0, false}));
  world.fill(5);
  world.proxy.jump_wall_clock(std::chrono::hours(24 * 365));
  world.pass(10s);
  CHECK(world.first() == 0);
  world.pass(80s);
  CHECK(world.first() > 0);
}

TEST_CASE("keep_bytes bounds the log, and the oldest go first") {
  RetentionRules rules;
  rules.keep_bytes = 6 * spool::segment_bytes_min;
  World world(small_segments(rules));
  world.fill(20);
  world.pass(1s);
  world.pass(1s);
  CHECK(world.files() <= 8);
  CHECK(world.first() > 0);
  auto stored = world.proxy.stored();
  CHECK(stored.front().offset == world.first());
  CHECK(stored.back().offset + stored.back().count == world.event * 10);
}

TEST_CASE("what a group needs stays whatever the bounds, and goes once it is settled") {
  World world(small_segments({0s, spool::segment_bytes_min, false}));
  Consumer consumer(world, "m/1");
  world.fill(6);
  world.pass(60s, {&consumer.client});
  CHECK(world.first() == 0);
  world.producer.look().clear();
  consumer.client.send(wire::Admin{"groups", ""});
  CHECK(consumer.client.take<wire::AdminReply>()->body.find("pending at m/1") != Bytes::npos);
  CHECK(consumer.ack_all() == world.event * 10);
  world.pass(5s, {&consumer.client});
  CHECK(world.first() > 0);
  CHECK(world.files() <= 4);
  // The log knows it: nothing is delivered again, nothing counts as lost.
  world.proxy.restart();
  Consumer again(world, "m/2");
  world.pass(20s, {&again.client});
  CHECK(again.client.deliveries().empty());
  CHECK_FALSE(again.client.take<wire::Lost>());
}

TEST_CASE("a full disk costs what no group needs first, though only once there is a group") {
  World world(small_segments());
  world.fill(10);
  world.leave(1 << 19);
  CHECK(world.first() == 0);
  CHECK(world.proxy.broker().durable_end() == world.event * 10);
  Consumer consumer(world, "m/1");
  CHECK(consumer.ack_all() == world.event * 10);
  world.pass(5s, {&consumer.client});
  CHECK(world.files() == 2);
}

TEST_CASE("with refuse publishers wait for space that consumers make, and then go on by themselves") {
  World world(small_segments());
  Consumer consumer(world, "m/1");
  world.fill(10);
  world.leave((1 << 20) - 8'192);
  const auto halted_at = world.producer.publish("a", {1});
  const auto halted = world.producer.take<wire::Halted>();
  REQUIRE(halted);
  CHECK(halted->code == "spool_full");
  CHECK(halted->text.find("group g keeps") != std::string::npos);
  CHECK(world.first() == 0);
  // Consumers go on, and so do those that publish over what they consume.
  const auto held = consumer.client.deliveries();
  REQUIRE(held.size() == world.event * 10);
  const auto outcome = consumer.client.settle({TestClient::turn({held[0].settlement()}, {{0, 0, 1}})},
                                              {consumer.client.packet("b", {7})});
  CHECK(outcome[0].events == 1);
  wire::Turn rest;
  for (std::size_t i = 1; i < held.size(); ++i) rest.settlements.push_back(held[i].settlement());
  CHECK(consumer.client.settle({rest})[0].status == OutcomeStatus::stored);
  world.pass(5s, {&consumer.client});
  CHECK(world.files() == 2);
  world.leave(1 << 21);
  world.producer.send(wire::Resume{halted_at});
  world.producer.next_commit = halted_at;
  world.producer.publish("a", {1});
  world.producer.look();
  wire::Published published;
  while (auto next = world.producer.take<wire::Published>()) published = *next;
  CHECK(published.outcomes.back().number == halted_at);
}

TEST_CASE("with drop-oldest a full disk costs groups their oldest events, exactly and told") {
  World world(small_segments({std::chrono::hours(1), 0, true}));
  Consumer consumer(world, "m/1");
  world.fill(10);
  const auto held = consumer.client.deliveries();
  REQUIRE(held.size() == world.event * 10);
  for (std::size_t i = 0; i < 5; ++i) consumer.client.ack(held[i]);
  consumer.client.ack(held[7]);
  world.leave((1 << 20) + spool::segment_bytes_min);  // a segment is missing
  world.space = 1 << 30;
  const std::uint64_t cut = world.first();
  REQUIRE(cut > 8);
  REQUIRE(cut < world.event * 10);
  const auto lost = consumer.client.take<wire::Lost>();
  REQUIRE(lost);
  CHECK(lost->member == 1);
  REQUIRE(lost->ranges.size() == 2);
  CHECK(lost->ranges[0].offset == 5);
  CHECK(lost->ranges[0].count == 2);
  CHECK(lost->ranges[1].offset == 8);
  CHECK(lost->ranges[1].offset + lost->ranges[1].count == cut);
  CHECK(lost->reason.find("drop-oldest") != std::string::npos);
  // What it held of them is stale; the rest is its own still.
  CHECK(consumer.client.ack(held[6])[0].code == ErrorCode::stale);
  CHECK(consumer.client.ack(held[cut])[0].status == OutcomeStatus::stored);

  world.proxy.restart();
  Consumer next(world, "m/2");
  CHECK_FALSE(next.client.take<wire::Lost>());  // it was told
  world.pass(20s, {&next.client});
  const auto rest = next.client.deliveries();
  CHECK(rest.size() == world.event * 10 - cut - 1);
  next.client.send(wire::Admin{"groups", "g"});
  CHECK(next.client.take<wire::AdminReply>()->body.find("drop-oldest") != Bytes::npos);
}

TEST_CASE("a loss is told to the first member that comes, once") {
  World world(small_segments({std::chrono::hours(1), 0, true}));
  {
    Consumer consumer(world, "m/1");
    consumer.client.send(wire::Detach{1});
  }
  world.fill(10);
  world.leave((1 << 20) + spool::segment_bytes_min);
  const std::uint64_t cut = world.first();
  REQUIRE(cut > 0);
  const bool restarted = GENERATE(false, true);
  if (restarted) world.proxy.restart();
  Consumer first(world, "m/2");
  const auto lost = first.client.take<wire::Lost>();
  REQUIRE(lost);
  CHECK(lost->ranges.size() == 1);
  CHECK(lost->ranges[0].offset == 0);
  CHECK(lost->ranges[0].count == cut);
  Consumer second(world, "m/3");
  CHECK_FALSE(second.client.take<wire::Lost>());
}

TEST_CASE("keep_at_most bounds what a group keeps beyond the general retention") {
  World world(small_segments({10s, 0, false}));
  wire::GroupOptions options;
  SECTION("by age") { options.keep_at_most_ms = 120'000; }
  SECTION("by bytes") { options.keep_at_most_bytes = 3 * spool::segment_bytes_min; }
  Consumer consumer(world, "m/1", options);
  world.fill(8);
  if (options.keep_at_most_ms) {
    world.pass(60s, {&consumer.client});
    CHECK(world.first() == 0);
    world.pass(90s, {&consumer.client});
    CHECK(world.first() == world.event * 10);
  } else {
    world.pass(60s, {&consumer.client});
    CHECK(world.first() > 0);
    CHECK(world.first() < world.event * 10);
  }
  const auto lost = consumer.client.take<wire::Lost>();
  REQUIRE(lost);
  CHECK(lost->reason.find("keep_at_most") != std::string::npos);
}

TEST_CASE("what a group keeps in bytes: nothing when it has caught up, else segments as far as they are written") {
  World world(small_segments());
  Consumer consumer(world, "m/1");
  AdminClient admin(world.proxy);
  auto keeps = [&] { return std::stoull(admin.group("g")["keeps_bytes"]); };
  CHECK(keeps() == 0);
  world.producer.publish("a", std::vector<std::uint64_t>(100, 1));
  const std::uint64_t some = keeps();
  CHECK(some > 300);
  world.producer.publish("a", std::vector<std::uint64_t>(100, 1));
  CHECK(keeps() > some + 300);
  CHECK(keeps() < spool::segment_bytes_min);
  CHECK(world.files() == 1);
  consumer.ack_all();
  CHECK(keeps() == 0);

  world.fill(3);
  REQUIRE(world.files() > 3);
  const auto disk = world.proxy.disk();
  std::uint64_t finished = 0;
  for (auto segment = disk.begin(); segment != std::prev(disk.end()); ++segment) finished += segment->second.size();
  const std::uint64_t all = keeps();
  CHECK(all + spool::segment_bytes_min > finished);
  CHECK(all < finished + spool::segment_bytes_min);
  world.producer.publish("a", std::vector<std::uint64_t>(100, 1));
  CHECK(keeps() > all);
  consumer.ack_all();
  CHECK(keeps() == 0);
}

TEST_CASE("a group keeps its dead letters") {
  World world(small_segments({10s, 0, false}));
  Consumer consumer(world, "m/1");
  world.producer.publish("a", {1});
  const auto held = consumer.client.deliveries();
  consumer.client.settle({TestClient::turn({held[0].settlement(wire::Verdict::reject)})});
  world.fill(6);
  consumer.ack_all();
  world.pass(120s, {&consumer.client});
  const auto stored = world.proxy.stored();
  const auto letter =
      std::find_if(stored.begin(), stored.end(), [](const auto& one) { return one.topic == "_spindle.dead.g"; });
  REQUIRE(letter != stored.end());
  CHECK(world.first() <= letter->offset);
  world.proxy.restart();
  world.producer.reconnect();
  world.producer.hello();
  world.pass(120s);
  CHECK(world.first() <= letter->offset);
  TestClient admin(world.proxy, "");
  admin.hello();
  admin.send(wire::Admin{"groups", ""});
  CHECK(admin.take<wire::AdminReply>()->body.find("1 dead letters") != Bytes::npos);
}

TEST_CASE("dead letters beyond group_letters_max: the oldest keep their segments no longer, exactly and told") {
  constexpr std::uint64_t too_many = 20;
  constexpr std::uint64_t events = group_letters_max + too_many;
  World world({});
  Consumer consumer(world, "m/1", {}, events);
  for (std::uint64_t begin = 0; begin < events; begin += events / 4) {
    world.producer.publish("a", std::vector<std::uint64_t>(events / 4, begin));
  }
  const auto held = consumer.client.deliveries();
  REQUIRE(held.size() == events);
  for (std::size_t begin = 0; begin < events; begin += 1'000) {
    wire::Turn turn;
    for (std::size_t i = begin; i < std::min<std::size_t>(events, begin + 1'000); ++i) {
      turn.settlements.push_back(held[i].settlement(wire::Verdict::reject));
    }
    consumer.client.settle({turn});
  }
  std::uint64_t next = events;  // the offset of the oldest letter
  while (const auto lost = consumer.client.take<wire::Lost>()) {
    CHECK(lost->reason.find("group_letters_max") != std::string::npos);
    for (const auto& range : lost->ranges) {
      CHECK(range.offset == next);
      next += range.count;
    }
  }
  CHECK(next == events + too_many);
}

TEST_CASE("what was trimmed for a full disk counts before the disk is measured again, so no more goes than must") {
  World world(small_segments({std::chrono::hours(1), 0, true}));
  Consumer consumer(world, "m/1", {}, 0);
  world.fill(12);
  const std::size_t before = world.files();
  const std::uint64_t at_ease = (1 << 20) + 2 * spool::segment_bytes_min;
  leave_space(world.proxy, at_ease - 3 * spool::segment_bytes_min);
  for (int i = 0; i < 5; ++i) world.pass(1s, {&consumer.client});
  CHECK(world.files() < before);
  CHECK(world.files() + 5 >= before);
}

TEST_CASE("what a group only passed over is logged before it is trimmed, and is no loss after a restart") {
  World world(small_segments({0s, 0, false}));
  {
    Consumer consumer(world, "m/1");
    consumer.client.send(wire::Detach{1});
    REQUIRE(consumer.client.take<wire::Detached>());
  }
  world.fill(6, "b");
  Consumer consumer(world, "m/1");  // its group wants "a" only, and passes over all of it without a new segment
  world.pass(5s, {&consumer.client});
  REQUIRE(world.first() > 0);
  const bool power_cut = GENERATE(false, true);
  CAPTURE(power_cut);
  power_cut ? world.proxy.power_cut(1) : world.proxy.kill();
  world.proxy.start();
  Consumer next(world, "m/2");
  CHECK_FALSE(next.client.take<wire::Lost>());
  TestClient admin(world.proxy, "");
  admin.hello();
  admin.send(wire::Admin{"groups", "g"});
  CHECK(admin.take<wire::AdminReply>()->body.find("\xa4lost\x00"s) != Bytes::npos);
}

TEST_CASE("segments go only after what makes them superfluous is durable") {
  World world(small_segments({std::chrono::hours(1), 0, true}));
  Consumer consumer(world, "m/1");
  world.fill(6);
  consumer.client.deliveries();
  const auto oldest = [&] { return world.proxy.files().list("spool").value().front(); };
  const std::string before = oldest();
  world.proxy.by_hand = true;
  world.proxy.broker().on_space(1 << 19);
  world.proxy.advance(1s);             // decides it
  REQUIRE(world.proxy.commit(false));  // written, and the broker does not know
  world.proxy.advance(1s);
  CHECK(oldest() == before);
  world.proxy.collect();
  CHECK_FALSE(consumer.client.take<wire::Lost>());
  SECTION("the power goes before the files are deleted") {
    world.proxy.power_cut(GENERATE(as<std::uint64_t>{}, 1, 2, 3, 4));
    world.proxy.by_hand = false;
    world.proxy.start();
    CHECK(oldest() == before);
    Consumer next(world, "m/2");
    world.pass(20s, {&next.client});
    CHECK(next.client.deliveries().size() < world.event * 10);  // the loss is in the log
  }
  SECTION("it goes on") {
    world.proxy.by_hand = false;
    world.proxy.settle();
    CHECK(world.files() == 2);
    CHECK(consumer.client.take<wire::Lost>());
  }
}

TEST_CASE("segments deleted by hand are reported to the groups that needed them") {
  World world(small_segments());
  Consumer consumer(world, "m/1");
  world.fill(6);
  world.proxy.kill();
  const auto names = world.proxy.files().list("spool").value();
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(world.proxy.files().remove("spool/" + names[i]));
  world.proxy.start();
  Consumer next(world, "m/2");
  const auto lost = next.client.take<wire::Lost>();
  REQUIRE(lost);
  CHECK(lost->ranges.at(0).offset == 0);
  CHECK(lost->ranges.at(0).count == world.first());
  world.pass(20s, {&next.client});
  CHECK(next.client.deliveries().size() == world.event * 10 - world.first());
}

TEST_CASE("segments deleted by hand are reported, too, when a start finds no space to log that") {
  World world(small_segments());
  Consumer consumer(world, "m/1");
  world.fill(6);
  world.proxy.kill();
  const auto names = world.proxy.files().list("spool").value();
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(world.proxy.files().remove("spool/" + names[i]));
  world.proxy.free_bytes(0);
  world.proxy.start();
  world.leave(1 << 22);
  Consumer next(world, "m/2");
  world.pass(20s, {&next.client});
  const auto lost = next.client.take<wire::Lost>();
  REQUIRE(lost);
  CHECK(lost->ranges.at(0).offset == 0);
  CHECK(lost->ranges.at(0).count == world.first());
  CHECK(next.client.deliveries().size() == world.event * 10 - world.first());
}

TEST_CASE("trimming all that may go and then losing the newest state loses no group, number or dead letter") {
  const std::uint64_t seed = GENERATE(as<std::uint64_t>{}, 1, 2, 3, 4, 5, 6, 7, 8);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  World world(small_segments({0s, 0, false}));
  Consumer consumer(world, "m/1");
  std::set<std::uint64_t> unsettled;
  std::uint64_t rejected = 0;
  const int rounds = static_cast<int>(random() % 40) + 5;
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 7; ++i) world.producer.publish(random() % 4 ? "a" : "b", {world.event++});
    for (const Delivered& delivered : consumer.client.deliveries()) {
      const auto choice = random() % 50;
      if (choice == 0) unsettled.insert(delivered.event);
      rejected += choice == 1;
      if (choice > 0) {
        consumer.client.settle(
            {TestClient::turn({delivered.settlement(choice == 1 ? wire::Verdict::reject : wire::Verdict::ack)})});
      }
    }
    world.pass(1s, {&consumer.client});
  }
  world.proxy.kill();
  damage_newest_state(world.proxy.files());
  world.proxy.start();

  TestClient producer(world.proxy, "shop/1");
  CHECK(producer.hello().last_number == world.producer.next_commit - 1);
  Consumer next(world, "m/2");
  CHECK_FALSE(next.client.take<wire::Lost>());
  world.pass(20s, {&next.client});
  std::set<std::uint64_t> again;
  for (const Delivered& delivered : next.client.deliveries()) again.insert(delivered.event);
  CHECK(again == unsettled);
  std::uint64_t letters = 0;
  for (const auto& one : world.proxy.stored()) letters += one.topic == "_spindle.dead.g";
  CHECK(letters == rejected);
}

TEST_CASE("below the last tier nothing is written, and everything goes on when there is space") {
  World world(small_segments());
  Consumer consumer(world, "m/1");
  world.producer.publish("a", {1, 2, 3});
  const auto held = consumer.client.deliveries();
  world.leave(0);
  const auto end = world.proxy.files().operations();

  TestClient newcomer(world.proxy, "new/1");
  newcomer.say_hello();
  CHECK(newcomer.error() == "spool_full");
  consumer.client.send_settle(consumer.client.next_commit, {TestClient::turn({held[0].settlement()})});
  const auto halted = consumer.client.take<wire::Halted>();
  REQUIRE(halted);
  CHECK(halted->number == consumer.client.next_commit);
  world.producer.publish("no topic", {1});  // would be a refusal
  CHECK(world.producer.take<wire::Halted>());
  consumer.client.send(consumer.client.attach_message("another", {"a"}));
  CHECK(consumer.client.error() == "spool_full");
  consumer.client.send(wire::Detach{1});
  CHECK(consumer.client.take<wire::Detached>());
  world.pass(60s);
  CHECK(world.proxy.files().operations() == end);

  world.leave(1 << 21);
  newcomer.hello();
  newcomer.attach("g", {"a"});
  CHECK(newcomer.deliveries().size() == 3);
  CHECK(world.proxy.files().operations() > end);
}

TEST_CASE("a dead letter waits for its space, although small records have theirs, and is made when there is more") {
  auto setup = small_segments();
  setup.segment_bytes = 64 * 1024;
  World world(setup);
  Consumer consumer(world, "m/1");
  world.producer.publish("a", std::vector<std::uint64_t>(2'000, 1));
  const auto held = consumer.client.deliveries();
  const std::uint64_t number = consumer.client.next_commit++;
  consumer.client.send_settle(number, {TestClient::turn({held[0].settlement(wire::Verdict::reject)})});
  REQUIRE(consumer.client.take<wire::Settled>());
  const auto letters = [&] {
    const auto stored = world.proxy.stored();
    return std::ranges::count_if(stored, [](const auto& one) { return one.topic == "_spindle.dead.g"; });
  };
  REQUIRE(letters() == 1);

  std::uint64_t free = 0;
  for (bool settled = false; !settled; free += 1'024) {
    world.leave(free);
    consumer.client.send(wire::Resume{number + 1});
    consumer.client.send_settle(number + 1, {TestClient::turn({held[1].settlement(wire::Verdict::reject)})});
    settled = consumer.client.take<wire::Settled>().has_value();
  }
  world.pass(2s, {&consumer.client});
  REQUIRE(letters() == 1);
  world.leave(1 << 21);
  CHECK(letters() == 2);
}

TEST_CASE("a decision never meets a full disk") {
  const std::uint64_t seed = GENERATE(as<std::uint64_t>{}, 1, 2, 3, 4, 5, 6);
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  auto setup = small_segments({0s, 0, seed % 2 == 0});
  setup.config.disk_reserve_bytes = 32'768;
  World world(setup);
  world.proxy.files().set_free_bytes(20 * spool::segment_bytes_min);
  Consumer consumer(world, "m/1", {}, 200);
  std::uint64_t halts = 0;
  auto note_space = [&] { world.proxy.broker().on_space(world.proxy.files().free_bytes("spool").value()); };
  note_space();
  for (int step = 0; step < 3'000; ++step) {
    switch (random() % 8) {
      case 0: {
        for (const Delivered& delivered : consumer.client.deliveries()) {
          consumer.client.send_settle(
              consumer.client.next_commit,
              {TestClient::turn({delivered.settlement(random() % 40 ? wire::Verdict::ack : wire::Verdict::reject)})});
          if (auto settled = consumer.client.take<wire::Settled>()) {
            consumer.client.next_commit += settled->outcomes.size();
          }
          if (auto halted = consumer.client.take<wire::Halted>()) {
            ++halts;
            consumer.client.send(wire::Resume{halted->number});
          }
        }
        break;
      }
      case 1:
        world.pass(1s, {&consumer.client});
        note_space();
        break;
      case 2: {
        TestClient one(world.proxy, "one/" + std::to_string(random() % 50));
        one.say_hello();
        break;
      }
      default:
        world.producer.publish("a", std::vector<std::uint64_t>(random() % 40 + 1, world.event++));
        if (auto halted = world.producer.take<wire::Halted>()) {
          ++halts;
          world.producer.next_commit = halted->number;
          world.producer.send(wire::Resume{halted->number});
        }
        break;
    }
  }
  CHECK(halts > 0);  // a commit that met a full disk would have failed in the driver
}
