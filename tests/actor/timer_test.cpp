#include <catch2/catch.hpp>
#include <functional>

#include "fake_port.hpp"
#include "spindle/actor/log.hpp"

using namespace rig;
using namespace std::chrono_literals;

namespace {

struct Clockwork final : Actor {
  using Wind = std::function<void(Clockwork&)>;
  Clockwork(ActorContext& context, Wind wind) : Actor(context) { wind(*this); }
  using Actor::after;
  using Actor::cancel;
  using Actor::every;
  using Actor::publish;

  void strike() { strikes.push_back(now ? now->instant.time_since_epoch() - 1h : 0ns); }
  const Now* now = nullptr;
  std::vector<std::chrono::nanoseconds> strikes;
};

}  // namespace

TEST_CASE("a timer counts from when the worker is ready") {
  Rig rig;
  Clockwork& clock = rig.add<Clockwork>([](Clockwork& self) { self.after(1s, &Clockwork::strike); });
  clock.now = &rig.now;
  rig.pass(10s);
  CHECK_FALSE(rig.runtime.next_deadline());
  rig.start();
  rig.pass(999ms);
  CHECK(clock.strikes.empty());
  CHECK(rig.runtime.next_deadline() == rig.now.instant + 1ms);
  rig.pass(1ms);
  CHECK(clock.strikes.size() == 1);
  rig.pass(1h);
  CHECK(clock.strikes.size() == 1);
  CHECK_FALSE(rig.runtime.next_deadline());
}

TEST_CASE("an interval keeps its beat, and a long pause makes no burst") {
  Rig rig;
  Clockwork& clock = rig.add<Clockwork>([](Clockwork& self) { self.every(100ms, &Clockwork::strike); });
  clock.now = &rig.now;
  rig.start();
  rig.pass(130ms);  // late by 30 ms
  rig.pass(70ms);   // the next is due at 200 ms, not at 230 ms
  CHECK(clock.strikes == std::vector<std::chrono::nanoseconds>{130ms, 200ms});
  rig.pass(10s);
  CHECK(clock.strikes.size() == 3);
  rig.pass(99ms);
  CHECK(clock.strikes.size() == 3);
  rig.pass(1ms);
  CHECK(clock.strikes.size() == 4);
}

TEST_CASE("a cancelled timer does not run, cancelled by itself or another") {
  Rig rig;
  int runs = 0;
  rig.add<Clockwork>([&](Clockwork& self) {
    self.cancel(self.after(1s, [] { FAIL("cancelled before the start"); }));
    const std::uint64_t second = self.after(2s, [] { FAIL("cancelled by another"); });
    self.after(1s, [&self, second] { self.cancel(second); });
    auto own = std::make_shared<std::uint64_t>();
    *own = self.every(1s, [&self, &runs, own] {
      if (++runs == 3) self.cancel(*own);
    });
  });
  rig.start();
  for (int i = 0; i < 10; ++i) rig.pass(1s);
  CHECK(runs == 3);
}

TEST_CASE("the delay of a timer set in a turn counts from the turn's end") {
  Rig rig;
  Clockwork* made = nullptr;
  Clockwork& clock = rig.add<Clockwork>([&](Clockwork& self) {
    self.after(1s, [&] {
      rig.now.instant += 1min;  // the handler blocks
      made->after(1s, &Clockwork::strike);
    });
  });
  made = &clock;
  rig.start();
  rig.pass(1s);
  CHECK(rig.runtime.next_deadline() <= rig.now.instant);  // look again at once: the delay counts from there
  rig.run();
  CHECK(clock.strikes.empty());
  rig.pass(1s);
  CHECK(clock.strikes.size() == 1);
}

TEST_CASE("a timer's publications are one commit, and a throwing one publishes nothing") {
  log::set_level("off");
  Rig rig;
  rig.add<Clockwork>([](Clockwork& self) {
    self.after(1s, [&self] {
      self.publish(Pong{1});
      self.publish(Pong{2});
    });
    self.after(2s, [&self] {
      self.publish(Pong{3});
      throw std::runtime_error("no");
    });
    self.after(3s, [&self] { self.publish(Blink{4}); });
  });
  rig.start();
  for (int i = 0; i < 3; ++i) rig.pass(1s);
  log::set_level("info");
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].events.size() == 2);
  CHECK(rig.port.live.size() == 1);
  CHECK(rig.runtime.thrown() == 1);
}

TEST_CASE("an interval must be above zero, and a delay may be endless") {
  Rig rig;
  rig.add<Clockwork>([](Clockwork& self) {
    CHECK_THROWS_AS(self.every(0s, [] {}), std::logic_error);
    self.after(std::chrono::nanoseconds::max(), [] { FAIL("not today"); });
    self.every(std::chrono::nanoseconds::max(), [] { FAIL("not today"); });
  });
  rig.start();
  rig.pass(24h);
}
