// What actors say in their constructors, and who gets what.
#include <catch2/catch.hpp>
#include <functional>

#include "fake_port.hpp"
#include "spindle/actor/log.hpp"

using namespace rig;
using namespace std::chrono_literals;

namespace {

struct Registering final : Actor {
  using Register = std::function<void(Registering&)>;
  Registering(ActorContext& context, const Register& what) : Actor(context) { what(*this); }
  using Actor::group;
  using Actor::on_live;
  using Actor::on_raw;
  void take(const Ping&) {}
};

}  // namespace

TEST_CASE("two handlers of one group run in one turn") {
  Rig rig;
  std::vector<std::string> calls;
  rig.add<Registering>([&](Registering& self) {
    self.group("both")
        .on([&](const Ping&) { calls.emplace_back("typed"); })
        .on_raw("rig.>", [&](const RawEvent& event, const Meta& meta) {
          calls.push_back("raw " + std::string(event.topic) + " at " + std::to_string(*meta.offset()));
        });
  });
  rig.start();
  rig.deliver(4);
  rig.run();
  CHECK(calls == std::vector<std::string>{"typed", "raw rig.ping at 4"});
  REQUIRE(rig.port.acks.size() == 1);
  CHECK(rig.port.acks[0].count == 1);
}

TEST_CASE("when one of two handlers throws neither has happened") {
  log::set_level("off");
  Rig rig;
  rig.add<Registering>([&](Registering& self) {
    self.group("both").on([](const Ping&) {}).on([](const Ping&) { throw std::runtime_error("second"); });
  });
  rig.start();
  rig.deliver(4);
  rig.run();
  log::set_level("info");
  CHECK(rig.port.acks.empty());
  REQUIRE(rig.port.commits.size() == 1);
  CHECK(rig.port.commits[0].settlements.at(0).verdict == wire::Verdict::retry);
}

TEST_CASE("a mistake in a constructor throws and says what it is") {
  Rig rig;
  auto mistake = [&](const Registering::Register& what) { rig.add<Registering>(what); };
  CHECK_THROWS_WITH(mistake([](auto& self) {
                      self.group("g").on(&Registering::take);
                      self.group("g");
                    }),
                    Catch::Contains("group g is opened twice"));
  CHECK_THROWS_AS(mistake([](auto& self) { self.group("no group"); }), std::logic_error);
  CHECK_THROWS_AS(mistake([](auto& self) { self.on_raw("a..b", [](const RawEvent&) {}); }), std::logic_error);
  CHECK_THROWS_WITH(mistake([](auto& self) {
                      auto group = self.group("two");
                      group.on([](const Ping&, Delivery) {});
                      group.on([](const Ping&, Delivery) {});
                    }),
                    Catch::Contains("only one can settle it"));
}

TEST_CASE("a group without a handler, or with too many patterns, does not start") {
  {
    Rig rig;
    rig.add<Registering>([](Registering& self) { self.group("empty"); });
    CHECK(rig.runtime.finish_registration().error().text.find("group empty has no handler") == 0);
  }
  Rig rig;
  rig.add<Registering>([](Registering& self) {
    auto group = self.group("wide");
    for (int i = 0; i < 257; ++i) group.on_raw("topic." + std::to_string(i), [](const RawEvent&) {});
  });
  CHECK(rig.runtime.finish_registration().error().code == ErrorCode::too_many);
}

TEST_CASE("nothing is registered while the worker runs") {
  Rig rig;
  Registering& actor = rig.add<Registering>([](Registering& self) { self.group("g").on(&Registering::take); });
  rig.start();
  CHECK_THROWS_AS(actor.on_live(&Registering::take), std::logic_error);
  CHECK_THROWS_AS(actor.group("late"), std::logic_error);
}

TEST_CASE("an attach says what the group's options say, and each pattern once") {
  Rig rig;
  rig.add<Registering>([](Registering& self) {
    self.group("g", {.max_attempts = 3, .backoff_min = 250ms, .start = StartAt::now, .credit_events = 10})
        .on(&Registering::take)
        .on(&Registering::take)
        .on_raw("audit.>", [](const RawEvent&) {});
  });
  rig.start();
  const wire::Attach attach = rig.runtime.groups()[0].attach();
  CHECK(attach.group == "g");
  CHECK(attach.patterns == std::vector<std::string>{"rig.ping", "audit.>"});
  CHECK(attach.options.max_attempts == 3u);
  CHECK(attach.options.backoff_min_ms == 250u);
  CHECK_FALSE(attach.options.ack_deadline_ms);
  CHECK(attach.start.at == wire::Start::At::now);
  CHECK(attach.credit_events == 10);
}

TEST_CASE("handlers are member functions and lambdas of every kind") {
  Rig rig;
  int calls = 0;
  rig.add<Registering>([&](Registering& self) {
    self.on_live([&](const Blink&) { ++calls; });
    self.on_live([&](const Blink&) noexcept { ++calls; });
    self.on_live([&, own = 0](const Blink&) mutable { calls += ++own; });
    self.on_live([&](const Blink&, const Meta& meta) { calls += meta.topic() == "rig.blink" ? 1 : 0; });
    self.on_raw("rig.*", [&](const RawEvent&) { ++calls; });
  });
  rig.start();
  rig.live(Blink{});
  CHECK(calls == 5);
  rig.live(Blink{});
  CHECK(calls == 11);  // the mutable one counts
}

TEST_CASE("the event's id is unique in a packet and the same at every attempt") {
  Rig rig;
  std::vector<std::string> ids;
  std::vector<std::uint64_t> attempts;
  rig.add<Registering>([&](Registering& self) {
    self.group("g").on([&](const Ping&, const Meta& meta) {
      ids.push_back(meta.id());
      attempts.push_back(meta.attempt());
    });
  });
  rig.start();
  rig.deliver(4, 2);
  rig.deliver_bytes(Ping::topic, {Rig::bytes(Ping{}), Rig::bytes(Ping{})}, 4, 2);
  rig.run();
  REQUIRE(ids.size() == 4);
  CHECK(ids[0] == "rig/1/0@1/rig.ping/0");
  CHECK(ids[0] != ids[1]);
  CHECK(ids[0] == ids[2]);
  CHECK(ids[1] == ids[3]);
  CHECK(attempts == std::vector<std::uint64_t>{1, 1, 2, 2});
}
