// A turn is all or nothing, and every delivery is settled once.
#include <catch2/catch.hpp>
#include <functional>

#include "fake_port.hpp"
#include "spindle/actor/log.hpp"

using namespace rig;
using namespace std::chrono_literals;

namespace {

struct Large {
  static constexpr std::string_view topic = "rig.large";
  static constexpr bool durable = true;
  std::string text = std::string(1'000'000, 'x');
  MSGPACK_DEFINE_MAP(text)
};

/// Runs what the test says for each ping.
struct Player final : Actor {
  using Play = std::function<void(Player&, const Ping&)>;
  Player(ActorContext& context, Play play) : Actor(context), play_(std::move(play)) {
    group("players").on(&Player::on_ping);
    on_live(&Player::on_blink);
  }
  void on_ping(const Ping& ping) { play_(*this, ping); }
  void on_blink(const Blink&) { play_(*this, Ping{-1}); }
  void on_refused(const Refusal& refusal) override {
    refusals.push_back(refusal);
    if (when_refused) when_refused(*this);
  }
  using Actor::publish;
  using Actor::publish_as;
  using Actor::try_publish_as;

  std::vector<Refusal> refusals;
  std::function<void(Player&)> when_refused;
  Play play_;
};

struct Quiet {
  Quiet() { log::set_level("off"); }
  ~Quiet() { log::set_level("info"); }
};

std::vector<wire::Verdict> verdicts(const FakePort::Commit& commit) {
  std::vector<wire::Verdict> all;
  for (const auto& settlement : commit.settlements) all.push_back(settlement.verdict);
  return all;
}

}  // namespace

TEST_CASE("what a handler publishes and the acknowledgement of its input are one commit") {
  Rig rig;
  rig.add<Player>([](Player& player, const Ping& ping) {
    player.publish(Pong{ping.number});
    player.publish(Pong{ping.number + 1});
  });
  rig.start();
  rig.deliver(7);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.acks.empty());
  const auto& commit = rig.port.commits[0];
  CHECK(commit.events.size() == 2);
  REQUIRE(verdicts(commit) == std::vector{wire::Verdict::ack});
  CHECK(commit.settlements[0].first.offset == 7);
}

TEST_CASE("a handler that throws publishes nothing and its event is retried with the reason") {
  const Quiet quiet;
  Rig rig;
  rig.add<Player>([](Player& player, const Ping&) {
    player.publish(Pong{1});
    player.publish(Blink{1});
    throw std::runtime_error("the oven is cold");
  });
  rig.start();
  rig.deliver(7);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].events.empty());
  REQUIRE(verdicts(rig.port.commits[0]) == std::vector{wire::Verdict::retry});
  CHECK(rig.port.commits[0].settlements[0].reason == "the oven is cold");
  CHECK_FALSE(rig.port.commits[0].settlements[0].retry_after_ms);
  rig.outcome(1);
  CHECK(rig.port.live.empty());
  CHECK(rig.runtime.thrown() == 1);
}

TEST_CASE("a reason is short and UTF-8, whatever was thrown") {
  const Quiet quiet;
  Rig rig;
  rig.add<Player>([](Player&, const Ping& ping) {
    if (ping.number == 1) throw std::runtime_error("\xff\xfe broken");
    if (ping.number == 2) throw std::runtime_error(std::string(199, 'x') + "\xc3\xa9 and so on");
    throw 42;
  });
  rig.start();
  rig.deliver(1);
  rig.deliver(2);
  rig.deliver(3);
  rig.run();
  REQUIRE(rig.port.commits.size() == 3);
  CHECK(rig.port.commits[0].settlements[0].reason == "?? broken");
  CHECK(rig.port.commits[1].settlements[0].reason == std::string(199, 'x'));
  CHECK(rig.port.commits[2].settlements[0].reason == "something that is not a std::exception");
}

TEST_CASE("an event that cannot be published fails the turn, unless the handler asked") {
  const Quiet quiet;
  Rig rig;
  rig.add<Player>([](Player& player, const Ping& ping) {
    player.publish(Pong{1});
    if (ping.number == 1) player.publish_as("no topic", Pong{});
    if (ping.number == 2)
      CHECK(player.try_publish_as("_spindle.x", Pong{}).error().code == ErrorCode::invalid_argument);
  });
  rig.start();
  rig.deliver(1);
  rig.deliver(2);
  rig.run();
  REQUIRE(rig.port.commits.size() == 2);
  CHECK(verdicts(rig.port.commits[0]) == std::vector{wire::Verdict::retry});
  CHECK(rig.port.commits[0].events.empty());
  CHECK(verdicts(rig.port.commits[1]) == std::vector{wire::Verdict::ack});
  CHECK(rig.port.commits[1].events.size() == 1);
}

TEST_CASE("publishing outside a turn is an error") {
  Rig rig;
  Player& player = rig.add<Player>([](Player&, const Ping&) {});
  rig.start();
  CHECK(player.try_publish_as(Pong::topic, Pong{}).error().code == ErrorCode::invalid_argument);
  CHECK_THROWS_AS(player.publish(Pong{}), PublishFailed);
  CHECK(rig.port.commits.empty());
}

TEST_CASE("a durable event is not taken while too much waits, a live one is") {
  Rig rig;
  rig.add<Player>([&](Player& player, const Ping&) {
    rig.port.room = false;
    CHECK(player.try_publish_as(Pong::topic, Pong{}).error().code == ErrorCode::outbox_full);
    player.publish(Blink{});
  });
  rig.start();
  rig.live(Blink{});
  CHECK(rig.port.commits.empty());
  CHECK(rig.port.live.size() == 1);
}

TEST_CASE("a turn publishes no more than one commit holds") {
  Rig rig;
  rig.add<Player>([](Player& player, const Ping&) {
    for (int i = 0; i < 7; ++i) player.publish(Large{});
    CHECK(player.try_publish_as(Large::topic, Large{}).error().code == ErrorCode::too_large);
  });
  rig.start();
  rig.deliver(1);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].events.size() == 7);
}

TEST_CASE("a payload that does not decode is rejected, and the reason names the field") {
  const Quiet quiet;
  Rig rig;
  rig.add<Player>([](Player&, const Ping&) { FAIL("it must not be called"); });
  rig.start();
  rig.deliver_bytes(Ping::topic, {"\x81\xa6number\xa1x"}, 3);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  REQUIRE(verdicts(rig.port.commits[0]) == std::vector{wire::Verdict::reject});
  CHECK(rig.port.commits[0].settlements[0].reason.find("field number is a string") != std::string::npos);
}

TEST_CASE("a delivery whose packet is damaged is rejected as a whole") {
  const Quiet quiet;
  Rig rig;
  rig.add<Player>([](Player&, const Ping&) {});
  rig.start();
  rig.runtime.deliver(1, {1, 1, 9, 50}, 4, 1, {SharedBytes::own("rig.ping"), SharedBytes::own("\xc1")});
  rig.deliver(60);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].settlements[0].count == 4);
  CHECK(verdicts(rig.port.commits[0]) == std::vector{wire::Verdict::reject});
  CHECK(rig.port.acks.size() == 1);
}

TEST_CASE("an event that no handler takes is given back, not acknowledged") {
  Rig rig;
  rig.add<Player>([](Player&, const Ping&) { FAIL("another topic"); });
  rig.start();
  rig.deliver_bytes("rig.other", {Rig::bytes(Ping{})}, 3);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(verdicts(rig.port.commits[0]) == std::vector{wire::Verdict::retry});
}

TEST_CASE("acknowledgements of consecutive events travel together, up to the next commit") {
  Rig rig;
  rig.add<Player>([](Player& player, const Ping& ping) {
    if (ping.number == 14) player.publish(Pong{});
  });
  rig.start();
  rig.deliver(10, 8);
  rig.run();
  REQUIRE(rig.port.acks.size() == 2);
  CHECK(rig.port.acks[0].offset == 10);
  CHECK(rig.port.acks[0].count == 4);
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].ticket == 5);
  CHECK(rig.port.acks[1].ticket == 6);
  CHECK(rig.port.acks[1].offset == 15);
  CHECK(rig.port.acks[1].count == 3);
  // Another hand-out is another run.
  rig.deliver(18);
  rig.deliver(19);
  rig.run();
  CHECK(rig.port.acks.size() == 4);
}

TEST_CASE("nothing is handled while the port has no room") {
  Rig rig;
  int handled = 0;
  rig.add<Player>([&](Player&, const Ping&) { ++handled; });
  rig.start();
  rig.deliver(1, 3);
  rig.port.room = false;
  rig.run();
  CHECK(handled == 0);
  rig.port.room = true;
  rig.run();
  CHECK(handled == 3);
}

TEST_CASE("live publications wait until the turn's commit is stored") {
  Rig rig;
  rig.add<Player>([](Player& player, const Ping&) { player.publish(Blink{}); });
  rig.start();
  rig.deliver(1);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.live.empty());
  rig.outcome(1);
  CHECK(rig.port.live == std::vector<std::string>{"rig.blink"});
}

TEST_CASE("outcomes may come in any order") {
  const Quiet quiet;
  Rig rig;
  Player& player = rig.add<Player>([](Player& self, const Ping&) { self.publish(Blink{}); });
  rig.start();
  for (std::uint64_t offset = 1; offset <= 4; ++offset) rig.deliver(offset);
  rig.run();
  REQUIRE(rig.port.commits.size() == 4);
  rig.outcome(2);
  CHECK(rig.port.live.size() == 1);
  rig.refused(4);
  REQUIRE(player.refusals.size() == 1);
  CHECK(player.refusals[0].offset == 4);
  rig.outcome(1);
  CHECK(rig.port.live.size() == 2);
  rig.outcome(3);
  CHECK(rig.port.live.size() == 3);
}

TEST_CASE("a turn that the proxy refuses drops its live events and is told to the actor") {
  const Quiet quiet;
  Rig rig;
  Player& player = rig.add<Player>([](Player& self, const Ping&) { self.publish(Blink{}); });
  player.when_refused = [](Player& self) { self.publish(Pong{5}); };
  rig.start();
  rig.deliver(9);
  rig.run();
  rig.refused(1);
  CHECK(rig.port.live.empty());
  REQUIRE(player.refusals.size() == 1);
  CHECK(player.refusals[0].topic == "rig.ping");
  CHECK(player.refusals[0].offset == 9);
  CHECK(player.refusals[0].why.code == ErrorCode::stale);
  CHECK(rig.runtime.refused() == 1);
  REQUIRE(rig.port.commits.size() == 2);  // on_refused is a turn
  CHECK(rig.port.commits[1].events.size() == 1);
  // What on_refused publishes is not told again: it would never end.
  rig.refused(2);
  CHECK(player.refusals.size() == 1);
}

TEST_CASE("refused acknowledgements are told, each with its offset") {
  const Quiet quiet;
  Rig rig;
  Player& player = rig.add<Player>([](Player&, const Ping&) {});
  rig.start();
  rig.deliver(20, 10);
  rig.run();
  REQUIRE(rig.port.acks.size() == 1);
  rig.outcome(1, 4);
  rig.refused(5, 2);
  rig.outcome(7, 4);
  REQUIRE(player.refusals.size() == 2);
  CHECK(player.refusals[0].offset == 24);
  CHECK(player.refusals[1].offset == 25);
}

TEST_CASE("a turn that the port does not take comes again and is told") {
  const Quiet quiet;
  Rig rig;
  Player& player = rig.add<Player>([](Player& self, const Ping&) { self.publish(Pong{}); });
  player.when_refused = [&](Player& self) {
    rig.port.refusal = Error{ErrorCode::closed, "over"};
    self.publish(Pong{});
  };
  rig.start();
  rig.deliver(9);
  rig.port.refusal = Error{ErrorCode::too_large, "too many topics"};
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(verdicts(rig.port.commits[0]) == std::vector{wire::Verdict::retry});
  CHECK(rig.port.commits[0].settlements[0].reason.find("too many topics") != std::string::npos);
  REQUIRE(player.refusals.size() == 1);
  CHECK(player.refusals[0].why.code == ErrorCode::too_large);
}

TEST_CASE("lost deliveries are forgotten, the others of their packet are not") {
  Rig rig;
  std::vector<int> handled;
  rig.add<Player>([&](Player&, const Ping& ping) { handled.push_back(ping.number); });
  rig.start();
  const std::uint64_t handout = rig.deliver(10, 6);
  rig.deliver(20, 2);
  rig.runtime.step(rig.now);
  rig.runtime.lose(1, {{{1, 1, handout, 9}, 3, 1}, {{1, 1, handout, 14}, 1, 1}});
  rig.runtime.lose(1, {{{2, 1, handout, 12}, 4, 1}});  // of another run of the proxy
  rig.runtime.lose(2, {{{1, 1, handout, 12}, 4, 1}});  // of another member
  rig.run();
  CHECK(handled == std::vector{10, 12, 13, 15, 20, 21});
}

TEST_CASE("deliveries that are not handled when the service stops are dropped") {
  Rig rig;
  int handled = 0;
  rig.add<Player>([&](Player&, const Ping&) { ++handled; });
  rig.start();
  rig.deliver(10, 6);
  rig.runtime.step(rig.now);
  rig.runtime.drop_inbox();
  rig.run();
  CHECK(handled == 1);
  REQUIRE(rig.port.acks.size() == 1);
  CHECK(rig.port.acks[0].count == 1);
}

TEST_CASE("a throwing live handler is counted and takes nothing else with it") {
  struct Blinker final : Actor {
    explicit Blinker(ActorContext& context) : Actor(context) {
      on_live([this](const Blink&) {
        publish(Pong{});
        throw std::runtime_error("no");
      });
      on_live([this](const Blink& blink) { publish(Pong{blink.number}); });
    }
  };
  const Quiet quiet;
  Rig rig;
  rig.add<Blinker>();
  rig.start();
  rig.live(Blink{5});
  CHECK(rig.runtime.thrown() == 1);
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].settlements.empty());
  CHECK(rig.port.commits[0].events.size() == 1);
}

TEST_CASE("events of a key behind one that is to come again are left to the proxy, others are handled") {
  const Quiet quiet;
  Rig rig;
  std::vector<int> handled;
  std::optional<int> fails = 0;
  rig.add<Player>([&](Player&, const Ping& ping) {
    handled.push_back(ping.number);
    if (ping.number == fails) throw std::runtime_error("no");
  });
  rig.start();
  rig.deliver_keyed(0, {7, 8, 7});
  rig.deliver_keyed(3, {7, 8});
  rig.run();
  CHECK(handled == std::vector<int>{0, 1, 4});
  CHECK(rig.port.forgotten == std::vector<std::uint64_t>{2, 3});

  rig.deliver_keyed(5, {7});  // handed out before the proxy knew
  rig.run();
  CHECK(handled.size() == 3);
  SECTION("what is handed out after the proxy knows is handled") {
    rig.outcome(rig.port.commits.at(0).ticket);
    fails.reset();
    rig.deliver_keyed(0, {7}, 2);
    rig.deliver_keyed(2, {7});
    rig.run();
    CHECK(handled == std::vector<int>{0, 1, 4, 0, 2});
  }
  SECTION("what arrived before the outcome is not, whenever its turn comes") {
    rig.deliver_keyed(6, {7});
    rig.outcome(rig.port.commits.at(0).ticket);
    rig.run();
    CHECK(handled.size() == 3);
    CHECK(rig.port.forgotten == std::vector<std::uint64_t>{2, 3, 5, 6});
  }
}

TEST_CASE("a group that is moved while an event is to be tried again delivers those of its key behind it") {
  const Quiet quiet;
  Rig rig;
  std::vector<int> handled;
  rig.add<Player>([&](Player&, const Ping& ping) {
    handled.push_back(ping.number);
    if (rig.generation == 1) throw std::runtime_error("no");
  });
  rig.start();
  rig.deliver_keyed(1, {7});
  rig.run();
  rig.generation = 2;
  rig.deliver_keyed(0, {7, 7, 7});  // the proxy had moved the group before it heard of that
  rig.run();
  CHECK(handled == std::vector<int>{1, 0, 1, 2});
  CHECK(rig.port.forgotten.empty());
}

TEST_CASE("when a turn is refused for its own fault the events of its key behind it are left to the proxy") {
  const auto code = GENERATE(ErrorCode::denied, ErrorCode::stale);
  const Quiet quiet;
  Rig rig;
  std::vector<int> handled;
  rig.add<Player>([&](Player& player, const Ping& ping) {
    handled.push_back(ping.number);
    player.publish(Pong{ping.number});
  });
  rig.start();
  rig.deliver_keyed(0, {7});
  rig.run();
  rig.deliver_keyed(1, {7, 8});
  rig.refused(rig.port.commits.at(0).ticket, 1, code);
  rig.run();
  // Of a stale turn nothing is known: what was not taken back would wait here for its deadline.
  CHECK(handled == (code == ErrorCode::stale ? std::vector<int>{0, 1, 2} : std::vector<int>{0, 2}));
}
