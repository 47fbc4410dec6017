#include <iostream>

#include "damaged_state.hpp"
#include "promises.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

// Answers, deliveries and refusals never run ahead of the durable end. For each kind of answer: the broker decides
// it, its batch is held back, nothing may leave; the power goes at every operation of writing that batch; afterwards
// all that anybody was told is still true, and who asks again gets an answer that agrees with it.

namespace {

/// A shop that publishes, two desks that consume, and what they were told.
struct World {
  Promises told;
  BrokerDriver proxy;
  Party shop{proxy, told, "shop/1"};
  Party desk{proxy, told, "desk/1"};
  Party other{proxy, told, "desk/2"};
  Party late{proxy, told, "shop/1"};
  Party fresh{proxy, told, "fresh/1"};

  World() : proxy(setup()) {}

  static BrokerDriver::Setup setup() {
    BrokerDriver::Setup setup;
    setup.segment_bytes = spool::segment_bytes_min;
    setup.config.retention.drop_oldest = true;
    return setup;
  }

  Party* parties[5] = {&shop, &desk, &other, &late, &fresh};

  bool hear() {
    bool any = false;
    for (Party* party : parties) any = party->hear() || any;
    return any;
  }

  /// All that may leave without another batch, leaves.
  void pump() {
    do {
      proxy.collect();
    } while (proxy.read());
    proxy.collect();
    hear();
  }

  /// Everybody who ever said hello comes back and asks again for what has no answer.
  void come_back() {
    for (Party* party : parties) {
      if (party->ever_said_hello()) party->come_back();
      hear();
    }
  }
};

struct Scenario {
  const char* answer;
  /// Durable and told before.
  void (*before)(World&);
  /// What leads to the answer.
  void (*decide)(World&);
  bool (*told)(World&);
};

/// A published event is held by the desk, two more by nobody.
void desk_holds(World& w) {
  w.shop.say_hello();
  w.desk.say_hello();
  w.hear();
  w.desk.attach(1, "g", {"a.>"});
  w.shop.publish("a.b", {1, 2, 3});
  w.shop.publish("a.c", {4});
  w.hear();
}

void both_desks(World& w) {
  desk_holds(w);
  w.other.say_hello();
  w.hear();
  w.other.attach(1, "g", {"a.>"});
  w.hear();
}

/// The other desk reads what group g cannot do.
void letters_wanted(World& w) {
  desk_holds(w);
  w.other.say_hello();
  w.hear();
  w.other.attach(1, "letters", {"_spindle.dead.>"});
  w.hear();
}

/// Fills the segment to the last byte with events that nobody wants.
void fill_segment(World& world) {
  TestClient filler(world.proxy, "filler/" + std::to_string(world.told.epochs.size()));
  filler.hello();
  world.told.epochs.insert(filler.epoch);
  std::uint64_t event = 1'000'000 + 1'000 * world.told.epochs.size();
  const std::uint64_t end = event + 1'000;
  std::uint64_t besides = 0;  // what is logged with each event: that a group passed over the one before
  const std::uint64_t& left = world.proxy.segment_bytes_left;
  do {
    const std::uint64_t before = left;
    const std::size_t packet_bytes = filler.packet("f", {event}).packet.view.size();
    const bool last = left > besides + spool::record_header_bytes + packet_bytes && left <= 400;
    const std::size_t topic_bytes = last ? left - besides - spool::record_header_bytes - packet_bytes : 6;
    filler.publish({filler.packet(std::string(topic_bytes, 'f'), {event})});
    REQUIRE(filler.published());
    world.told.published.insert(event++);
    if (left < before) besides = before - left - spool::record_bytes(topic_bytes, packet_bytes);
    REQUIRE(event < end);
  } while (left != 0);
}

/// What the desk holds is in the oldest of several segments.
void several_segments(World& w) {
  desk_holds(w);
  for (int i = 0; i < 3; ++i) fill_segment(w);
  w.shop.publish("filler", {50});
}

const Scenario scenarios[] = {
    {"welcome with a new epoch", desk_holds, [](World& w) { w.fresh.say_hello(); },
     [](World& w) { return w.fresh.heard("welcome") == 1; }},
    {"welcome of a process that takes over", desk_holds, [](World& w) { w.late.say_hello(); },
     [](World& w) { return w.late.heard("welcome") == 1; }},
    {"fenced, to the older process", desk_holds, [](World& w) { w.late.say_hello(); },
     [](World& w) { return w.shop.heard("error fenced") == 1; }},
    {"fenced, to an older process that says hello", desk_holds,
     [](World& w) {
       w.late.say_hello();
       w.shop.say_hello();
     },
     [](World& w) { return w.shop.heard("error fenced") == 1; }},
    {"welcome that counts a commit", desk_holds,
     [](World& w) {
       w.shop.publish("a.b", {10});
       w.shop.say_hello();
     },
     [](World& w) { return w.shop.heard("welcome") == 2; }},
    {"published", desk_holds,
     [](World& w) {
       w.shop.publish("a.b", {10, 11});
     },
     [](World& w) { return w.shop.heard("stored") == 3; }},
    {"published, of a repeat whose first is not durable", desk_holds,
     [](World& w) {
       const auto number = w.shop.publish("a.b", {10, 11});
       w.shop.publish_again(number);
     },
     [](World& w) { return w.shop.heard("stored") == 4; }},
    {"a final refusal", desk_holds, [](World& w) { w.shop.publish("not a topic", {10}); },
     [](World& w) { return w.shop.heard("refused") == 1; }},
    {"a final refusal, of a repeat whose first is not durable", desk_holds,
     [](World& w) {
       const auto number = w.shop.publish("not a topic", {10});
       w.shop.publish_again(number);
     },
     [](World& w) { return w.shop.heard("refused") == 2; }},
    {"settled", desk_holds, [](World& w) { w.desk.settle(w.desk.held()[0]); },
     [](World& w) { return w.desk.heard("settled") == 1; }},
    {"settled, of a repeat whose first is not durable", desk_holds,
     [](World& w) {
       const auto number = w.desk.next_commit();
       w.desk.settle(w.desk.held()[0]);
       w.desk.publish_again(number);
     },
     [](World& w) { return w.desk.heard("stored") == 2; }},
    {"settled, a run", desk_holds,
     [](World& w) {
       auto run = w.desk.held();
       run.resize(3);
       w.desk.ack_run(run);
     },
     [](World& w) { return w.desk.heard("stored") == 3; }},
    {"settled, a turn that publishes", desk_holds,
     [](World& w) {
       w.desk.settle(w.desk.held()[0], wire::Verdict::ack, {10, 11});
     },
     [](World& w) { return w.desk.heard("stored") == 1; }},
    {"settled, a retry", desk_holds, [](World& w) { w.desk.settle(w.desk.held()[1], wire::Verdict::retry); },
     [](World& w) { return w.desk.heard("stored") == 1; }},
    {"settled, a rejection", desk_holds, [](World& w) { w.desk.settle(w.desk.held()[1], wire::Verdict::reject); },
     [](World& w) { return w.desk.heard("stored") == 1; }},
    {"a stale refusal", desk_holds,
     [](World& w) {
       const Delivered held = w.desk.held()[0];
       w.desk.settle(held);
       w.desk.settle(held);
     },
     [](World& w) { return w.desk.heard("refused") == 1; }},
    {"attached, a new group", desk_holds, [](World& w) { w.desk.attach(2, "h", {"a.c"}); },
     [](World& w) { return w.desk.heard("attached") == 2; }},
    {"attached, a new pattern", desk_holds,
     [](World& w) {
       w.desk.attach(1, "g", {"a.>", "b"});
     },
     [](World& w) { return w.desk.heard("attached") == 2; }},
    {"attached, a new member",
     [](World& w) {
       desk_holds(w);
       w.other.say_hello();
       w.hear();
     },
     [](World& w) { w.other.attach(1, "g", {"a.>"}); }, [](World& w) { return w.other.heard("attached") == 1; }},
    {"deliver, a new event", desk_holds,
     [](World& w) {
       w.shop.publish("a.b", {10, 11});
     },
     [](World& w) { return w.desk.held().size() == 6; }},
    {"deliver, to a new group", desk_holds, [](World& w) { w.desk.attach(2, "h", {"a.>"}); },
     [](World& w) { return w.desk.held(2).size() == 4; }},
    {"deliver, for a new pattern",
     [](World& w) {
       desk_holds(w);
       w.shop.publish("b", {9});
     },
     [](World& w) {
       w.shop.publish("b", {10});
       w.desk.attach(1, "g", {"a.>", "b"});
     },
     [](World& w) { return w.desk.held().size() == 5; }},
    {"deliver, another attempt", desk_holds, [](World& w) { w.desk.settle(w.desk.held()[0], wire::Verdict::retry); },
     [](World& w) { return w.desk.heard("deliver 2") == 1; }},
    {"deliver, what a member that left had", both_desks, [](World& w) { w.desk.detach(1); },
     [](World& w) { return w.other.held().size() == 4; }},
    {"deliver, what a lost member worked on", both_desks, [](World& w) { w.desk.say_hello_anew(); },
     [](World& w) { return w.other.heard("deliver 2") == 1; }},
    {"deliver, a dead letter", letters_wanted,
     [](World& w) { w.desk.settle(w.desk.held()[0], wire::Verdict::reject); },
     [](World& w) { return w.other.held().size() == 1; }},
    {"halted", desk_holds,
     [](World& w) {
       w.shop.publish("a.b", {10});
       w.proxy.broker().on_space(0);
       w.shop.publish("a.b", {11});
     },
     [](World& w) { return w.shop.heard("halted") == 1; }},
    {"number_gap", desk_holds,
     [](World& w) {
       w.shop.publish("a.b", {10});
       w.shop.send(wire::Publish{w.shop.next_commit() + 7});
     },
     [](World& w) { return w.shop.heard("error number_gap") == 1; }},
    {"another error", desk_holds,
     [](World& w) {
       w.shop.publish("a.b", {10});
       w.shop.send(wire::Admin{"dance", ""});
     },
     [](World& w) { return w.shop.heard("error unsupported") == 1; }},
    {"detached", desk_holds, [](World& w) { w.desk.detach(1); },
     [](World& w) { return w.desk.heard("detached") == 1; }},
    {"lost", several_segments,
     [](World& w) {
       w.proxy.broker().on_space(w.proxy.config().disk_reserve_bytes / 2);
       w.proxy.advance(1s);
     },
     [](World& w) { return w.desk.heard("lost") == 1; }},
    {"admin_reply", desk_holds,
     [](World& w) {
       w.desk.settle(w.desk.held()[0]);
       w.desk.attach(1, "g", {"a.>", "b"});
       w.shop.publish("a.b", {10});
       w.shop.send(wire::Admin{"groups", ""});
     },
     [](World& w) { return w.shop.heard("admin_reply") == 1; }},
    {"source_forgotten after a goodbye", desk_holds,
     [](World& w) {
       w.shop.goodbye();
       w.shop.say_hello();
     },
     [](World& w) { return w.shop.heard("error source_forgotten") == 1; }},
    {"welcome of a process that begins after a goodbye", desk_holds,
     [](World& w) {
       w.shop.goodbye();
       w.late.say_hello();
     },
     [](World& w) { return w.late.heard("welcome") == 1; }},
};

/// With `full` the batch that is held back begins with a new segment.
World& begin(World& world, const Scenario& scenario, bool full) {
  scenario.before(world);
  if (full) fill_segment(world);
  world.pump();
  REQUIRE_FALSE(scenario.told(world));
  world.proxy.by_hand = true;
  scenario.decide(world);
  world.pump();
  return world;
}

/// Batches until the answer is told, each with how many operations writing it takes.
std::vector<std::uint64_t> batches_of(const Scenario& scenario, bool full) {
  World world;
  begin(world, scenario, full);
  std::vector<std::uint64_t> operations;
  while (!scenario.told(world)) {
    REQUIRE(operations.size() < 4);
    const std::uint64_t before = world.proxy.files().operations();
    REQUIRE(world.proxy.commit());
    operations.push_back(world.proxy.files().operations() - before);
    world.pump();
  }
  return operations;
}

/// Damages the state at the head of the newest segment, where another one can serve.
void damage_newest_state(World& world, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Disk disk = world.proxy.disk();
  if (segments_on(disk) < 2) return;
  damage_newest_state(disk, state_damages[random() % std::size(state_damages)], random);
  for (const auto& [name, bytes] : disk) REQUIRE(world.proxy.files().set_contents("spool/" + name, bytes));
}

/// The power was cut; nothing of what was held back was told. Sometimes the newest state is damaged, too.
void after_the_cut(World& world, std::uint64_t seed) {
  world.proxy.power_cut(seed);
  if (seed % 3 == 0) damage_newest_state(world, seed);
  world.proxy.by_hand = false;
  world.proxy.start();
  if (seed % 2 == 0) {
    world.come_back();
    world.proxy.power_cut(seed);
    world.proxy.start();
  }
  world.told.check(world.proxy);
}

}  // namespace

TEST_CASE("no answer leaves before its batch is durable, whatever the answer") {
  for (const Scenario& scenario : scenarios) {
    for (const bool full : {false, true}) {
      CAPTURE(scenario.answer, full);
      World world;
      begin(world, scenario, full);
      const std::uint64_t segments = world.proxy.segments_made;
      const std::size_t batches = batches_of(scenario, full).size();
      REQUIRE(batches > 0);
      for (std::size_t batch = 1; batch <= batches; ++batch) {
        world.pump();
        REQUIRE_FALSE(scenario.told(world));
        world.proxy.commit(false);  // written and synced, but the broker does not know that yet
        world.pump();
        REQUIRE_FALSE(scenario.told(world));
        world.proxy.commit(true);
      }
      world.pump();
      REQUIRE(scenario.told(world));
      REQUIRE(world.proxy.segments_made - segments == (full ? 1 : 0));
    }
  }
}

TEST_CASE("a power cut at every operation of a held back batch makes nothing untrue that a client was told") {
  std::size_t cuts = 0;
  for (const Scenario& scenario : scenarios) {
    for (const bool full : {false, true}) {
      const std::vector<std::uint64_t> operations = batches_of(scenario, full);
      for (std::size_t batch = 0; batch < operations.size(); ++batch) {
        for (std::uint64_t cut = 1; cut <= operations[batch]; ++cut) {
          for (std::uint64_t seed = 1; seed <= 12; ++seed) {
            CAPTURE(scenario.answer, full, batch, cut, seed);
            World world;
            begin(world, scenario, full);
            for (std::size_t i = 0; i < batch; ++i) {
              REQUIRE(world.proxy.commit());
              world.pump();
            }
            world.proxy.files().cut_power_at(world.proxy.files().operations() + cut, seed * 1'000 + cut);
            REQUIRE_FALSE(world.proxy.write());
            world.pump();
            REQUIRE_FALSE(scenario.told(world));
            after_the_cut(world, seed);
            ++cuts;
          }
        }
      }
    }
  }
  std::cout << cuts << " power cuts while answers were held back\n";
}

TEST_CASE("a batch that is taken and never written was never told of") {
  for (const Scenario& scenario : scenarios) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      CAPTURE(scenario.answer, seed);
      World world;
      begin(world, scenario, false);
      REQUIRE(world.proxy.broker().take_batch(world.proxy.now()));
      world.pump();
      REQUIRE_FALSE(scenario.told(world));
      after_the_cut(world, seed);
    }
  }
}

TEST_CASE("what was told just before the power goes is true afterwards, and so is what nobody was told of") {
  for (const Scenario& scenario : scenarios) {
    for (const bool full : {false, true}) {
      for (const bool told : {false, true}) {
        for (std::uint64_t seed = 1; seed <= 4; ++seed) {
          CAPTURE(scenario.answer, full, told, seed);
          World world;
          begin(world, scenario, full);
          const std::size_t batches = batches_of(scenario, full).size();
          for (std::size_t batch = 1; batch <= batches; ++batch) {
            world.proxy.commit(told || batch < batches);
            world.pump();
          }
          REQUIRE(scenario.told(world) == told);
          after_the_cut(world, seed);
        }
      }
    }
  }
}

TEST_CASE("a repeat is answered no sooner than its first, also while that is being written") {
  for (const bool refused : {false, true}) {
    CAPTURE(refused);
    World world;
    desk_holds(world);
    world.pump();
    world.proxy.by_hand = true;
    const auto number = world.shop.publish(refused ? "not a topic" : "a.b", {10});
    REQUIRE(world.proxy.broker().take_batch(world.proxy.now()));  // on its way to the disk
    world.shop.publish_again(number);
    world.pump();
    const int before = world.shop.heard("stored") + world.shop.heard("refused");
    REQUIRE(before == 2);
    after_the_cut(world, 2);
    REQUIRE(world.shop.heard("stored") + world.shop.heard("refused") == 3);
  }
}
