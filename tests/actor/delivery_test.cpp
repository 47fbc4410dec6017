// A kept Delivery: settled once, in the turn that decides.
#include <catch2/catch.hpp>
#include <functional>
#include <optional>

#include "fake_port.hpp"
#include "spindle/actor/log.hpp"

using namespace rig;
using namespace std::chrono_literals;

namespace {

struct Keeping final : Actor {
  using Act = std::function<void(Keeping&, Delivery)>;
  Keeping(ActorContext& context, Act act) : Actor(context), act_(std::move(act)) {
    group("keepers").on(&Keeping::on_ping);
    on_live(&Keeping::on_blink);
  }
  void on_ping(const Ping&, const Meta&, Delivery delivery) { act_(*this, std::move(delivery)); }
  void on_blink(const Blink&) { later(*this); }
  void on_refused(const Refusal& refusal) override { refusals.push_back(refusal); }
  void on_lost(const Lost& what) override {
    lost.push_back(what);
    publish(Pong{7});
  }
  using Actor::publish;

  std::vector<Delivery> kept;
  std::function<void(Keeping&)> later;
  std::vector<Refusal> refusals;
  std::vector<Lost> lost;

 private:
  Act act_;
};

void keep(Keeping& self, Delivery delivery) { self.kept.push_back(std::move(delivery)); }

struct Quiet {
  Quiet() { log::set_level("off"); }
  ~Quiet() { log::set_level("info"); }
};

}  // namespace

static_assert(!std::is_copy_constructible_v<Delivery> && !std::is_copy_assignable_v<Delivery>);
static_assert(std::is_nothrow_move_constructible_v<Delivery> && std::is_nothrow_move_assignable_v<Delivery>);

TEST_CASE("a kept delivery takes the publications of the turn that acknowledges it") {
  Rig rig;
  Keeping& actor = rig.add<Keeping>(keep);
  rig.start();
  rig.deliver(3);
  rig.run();
  CHECK(rig.port.commits.empty());
  CHECK(rig.port.acks.empty());
  REQUIRE(actor.kept.size() == 1);
  CHECK(actor.kept[0].offset() == 3);
  CHECK(actor.kept[0].attempt() == 1);

  actor.later = [](Keeping& self) {
    self.publish(Pong{3});
    CHECK(self.kept[0].ack());
    CHECK(self.kept[0].ack().error().code == ErrorCode::invalid_argument);
    CHECK(self.kept[0].reject("no").error().code == ErrorCode::invalid_argument);
  };
  rig.live(Blink{});
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].events.size() == 1);
  REQUIRE(rig.port.commits[0].settlements.size() == 1);
  CHECK(rig.port.commits[0].settlements[0].first.offset == 3);
  CHECK(actor.kept[0].offset() == 3);
}

TEST_CASE("a delivery may be settled in its own turn, in each way") {
  const Quiet quiet;
  Rig rig;
  int turn = 0;
  rig.add<Keeping>([&](Keeping&, Delivery delivery) {
    switch (++turn) {
      case 1: CHECK(delivery.ack()); break;
      case 2: CHECK(delivery.retry_after(1500ms, "busy")); break;
      case 3: CHECK(delivery.reject("spoilt")); break;
      case 4: CHECK(delivery.retry_after(-5s)); break;
      case 5: break;  // dropped undecided
      default: delivery.extend();
    }
  });
  rig.start();
  rig.deliver(1, 6);
  rig.run();
  REQUIRE(rig.port.commits.size() == 6);
  auto settlement = [&](std::size_t i) { return rig.port.commits[i].settlements.at(0); };
  CHECK(settlement(0).verdict == wire::Verdict::ack);
  CHECK(settlement(1).verdict == wire::Verdict::retry);
  CHECK(settlement(1).retry_after_ms == 1'500u);
  CHECK(settlement(1).reason == "busy");
  CHECK(settlement(2).verdict == wire::Verdict::reject);
  CHECK(settlement(2).reason == "spoilt");
  CHECK(settlement(3).retry_after_ms == 0u);
  CHECK(settlement(4).verdict == wire::Verdict::retry);
  CHECK(settlement(4).reason == "dropped undecided");
  CHECK(rig.port.extended == std::vector<std::uint64_t>{6});
}

TEST_CASE("a handler that throws after it decided is retried, once") {
  const Quiet quiet;
  Rig rig;
  rig.add<Keeping>([](Keeping& self, Delivery delivery) {
    self.publish(Pong{});
    CHECK(delivery.ack());
    throw std::runtime_error("too late");
  });
  rig.start();
  rig.deliver(1);
  rig.run();
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].events.empty());
  REQUIRE(rig.port.commits[0].settlements.size() == 1);
  CHECK(rig.port.commits[0].settlements[0].verdict == wire::Verdict::retry);
  CHECK(rig.port.commits[0].settlements[0].reason == "too late");
}

TEST_CASE("deliveries that a turn settled before it threw come again") {
  const Quiet quiet;
  Rig rig;
  Keeping& actor = rig.add<Keeping>(keep);
  rig.start();
  rig.deliver(1, 3);
  rig.run();
  actor.later = [](Keeping& self) {
    CHECK(self.kept[0].ack());
    CHECK(self.kept[1].reject("bad"));
    self.publish(Pong{});
    throw std::runtime_error("half-way");
  };
  rig.live(Blink{});
  REQUIRE(rig.port.commits.size() == 1);
  const auto& commit = rig.port.commits[0];
  CHECK(commit.events.empty());
  REQUIRE(commit.settlements.size() == 2);
  for (const auto& settlement : commit.settlements) {
    CHECK(settlement.verdict == wire::Verdict::retry);
    CHECK(settlement.reason == "half-way");
  }
}

TEST_CASE("when one delivery of a turn is stale the others come again at once") {
  const Quiet quiet;
  Rig rig;
  Keeping& actor = rig.add<Keeping>(keep);
  rig.start();
  rig.deliver(1, 2);
  rig.run();
  actor.later = [](Keeping& self) {
    for (Delivery& delivery : self.kept) CHECK(delivery.ack());
  };
  rig.port.refusal = Error{ErrorCode::stale, "one is not held"};
  rig.live(Blink{});
  REQUIRE(rig.port.commits.size() == 2);  // one retry each
  CHECK(rig.port.commits[0].settlements.at(0).verdict == wire::Verdict::retry);
  CHECK(rig.port.commits[1].settlements.at(0).first.offset == 2);
  CHECK(actor.refusals.size() == 1);
}

TEST_CASE("assigning over an undecided delivery gives it back") {
  Rig rig;
  Keeping& actor = rig.add<Keeping>(keep);
  rig.start();
  rig.deliver(1, 2);
  rig.run();
  actor.later = [](Keeping& self) { self.kept[0] = std::move(self.kept[1]); };
  rig.live(Blink{});
  REQUIRE(rig.port.commits.size() == 1);
  REQUIRE(rig.port.commits[0].settlements.size() == 1);
  CHECK(rig.port.commits[0].settlements[0].first.offset == 1);
  CHECK(actor.kept[0].offset() == 2);
}

TEST_CASE("outside a turn a delivery decides nothing and stays undecided") {
  Rig rig;
  Keeping& actor = rig.add<Keeping>(keep);
  rig.start();
  rig.deliver(1);
  rig.run();
  CHECK(actor.kept[0].ack().error().code == ErrorCode::invalid_argument);
  actor.later = [](Keeping& self) { CHECK(self.kept[0].ack()); };
  rig.live(Blink{});
  CHECK(rig.port.commits.size() == 1);
}

TEST_CASE("a delivery that outlives its service settles nothing") {
  std::optional<Delivery> survivor;
  {
    Rig rig;
    rig.add<Keeping>([&](Keeping&, Delivery delivery) { survivor.emplace(std::move(delivery)); });
    rig.start();
    rig.deliver(1);
    rig.run();
  }
  survivor->extend();
  CHECK(survivor->ack().error().code == ErrorCode::closed);
  survivor.reset();
}

TEST_CASE("actors that end with kept deliveries settle nothing") {
  Rig rig;
  rig.add<Keeping>(keep);
  rig.start();
  rig.deliver(1, 3);
  rig.run();
  CHECK(rig.port.commits.empty());
}

TEST_CASE("an actor is told once what its group lost, in a turn of its own") {
  const Quiet quiet;
  Rig rig;
  Keeping& actor = rig.add<Keeping>(keep);
  rig.start();
  const std::uint64_t member = rig.runtime.groups()[0].member;
  rig.runtime.tell_lost({member, {{3, 4}, {9, 1}}, "no longer kept"});
  REQUIRE(actor.lost.size() == 1);
  CHECK(actor.lost[0].group == "keepers");
  REQUIRE(actor.lost[0].ranges.size() == 2);
  CHECK(actor.lost[0].ranges[1].offset == 9);
  CHECK(actor.lost[0].reason == "no longer kept");
  CHECK(rig.port.commits.size() == 1);
  rig.runtime.tell_lost({member + 1, {{3, 4}}, "another's"});
  CHECK(actor.lost.size() == 1);
}
