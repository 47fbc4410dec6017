#include "spindle/testing/harness.hpp"

#include <catch2/catch.hpp>
#include <functional>

#include "bank.hpp"
#include "spindle/log.hpp"

using namespace bank;
using spindle::Actor;
using spindle::ActorContext;
using spindle::Delivery;
using spindle::Refusal;
using spindle::testing::Harness;
using spindle::testing::Verdict;

namespace {

struct Blink {
  static constexpr std::string_view topic = "test.blink";
  static constexpr bool durable = false;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

/// Does what the test says.
struct Puppet final : Actor {
  using Pull = std::function<void(Puppet&)>;
  Puppet(ActorContext& context, const Pull& pull) : Actor(context) { pull(*this); }
  void on_refused(const Refusal& refusal) override { refusals.push_back(refusal); }
  using Actor::after;
  using Actor::every;
  using Actor::group;
  using Actor::on_live;
  using Actor::publish;
  using Actor::publish_as;

  std::vector<Delivery> kept;
  std::vector<Refusal> refusals;
};

struct Quiet {
  Quiet() { spindle::log::set_level("off"); }
  ~Quiet() { spindle::log::set_level("info"); }
};

}  // namespace

TEST_CASE("the example in the header works") {
  const Quiet quiet;
  FakeBank bank;
  Harness harness;
  harness.add<Billing>(bank);

  CHECK(harness.deliver(OrderPlaced{"o-1", 1200}).acked());
  CHECK(harness.published<PaymentTaken>().at(0).order_id == "o-1");

  bank.open = false;
  CHECK(harness.deliver(OrderPlaced{"o-2", 500}).reason() == "the bank is closed");
  CHECK(harness.published_count() == 0);

  bank.open = true;
  harness.advance(1s);
  CHECK(harness.settled().back().attempt == 2);
  CHECK(harness.published<PaymentTaken>().at(0).order_id == "o-2");
}

TEST_CASE("a failing event comes again after the backoff, doubled each time, and is a dead letter in the end") {
  const Quiet quiet;
  FakeBank bank{.open = false};
  Harness harness;
  harness.add<Billing>(bank);
  CHECK(harness.deliver(OrderPlaced{"o-1", 1200}).retried());
  harness.advance(999ms);
  CHECK(harness.settled().size() == 1);
  harness.advance(1ms);
  CHECK(harness.settled().size() == 2);
  harness.advance(1999ms);
  CHECK(harness.settled().size() == 2);
  CHECK(harness.dead_letters().empty());
  harness.advance(1ms);
  REQUIRE(harness.settled().size() == 3);
  CHECK(harness.settled()[2].verdict == Verdict::rejected);
  REQUIRE(harness.dead_letters().size() == 1);
  CHECK(harness.dead_letters()[0].group == "billing");
  CHECK(harness.dead_letters()[0].topic == "orders.placed");
  CHECK(harness.dead_letters()[0].attempts == 3);
  CHECK(harness.dead_letters()[0].reason == "the bank is closed");
  harness.advance(24h);
  CHECK(harness.settled().size() == 3);
  CHECK(harness.published_count() == 0);
  CHECK(harness.thrown() == 3);
  CHECK(harness.elapsed() == 24h + 3s);
}

TEST_CASE("events of a key wait for the one before them that is to come again, and come in order") {
  const Quiet quiet;
  FakeBank bank;
  Harness harness;
  harness.add<Billing>(bank);
  bank.open = false;
  (void)harness.deliver(OrderPlaced{"o-1", 1});
  bank.open = true;
  CHECK(harness.deliver(OrderPlaced{"o-1", 2}).waits());
  CHECK(harness.deliver(OrderPlaced{"o-1", 3}).waits());
  CHECK(harness.published_count() == 0);
  CHECK(harness.deliver(OrderPlaced{"o-2", 4}).acked());
  CHECK(harness.published<PaymentTaken>().size() == 1);
  harness.advance(1s);
  CHECK(harness.published<PaymentTaken>().size() == 3);
}

TEST_CASE("the event's id is the same at every attempt and another for every event") {
  const Quiet quiet;
  std::vector<std::string> ids;
  Harness harness;
  harness.add<Puppet>([&](Puppet& self) {
    self.group("g").on([&](const OrderPlaced&, const spindle::Meta& meta) {
      ids.push_back(meta.id());
      if (meta.attempt() == 1) throw std::runtime_error("once");
    });
  });
  harness.deliver(OrderPlaced{"a"});
  harness.deliver(OrderPlaced{"b"});
  harness.advance(1s);
  REQUIRE(ids.size() == 4);
  CHECK(ids[0] == ids[2]);
  CHECK(ids[1] == ids[3]);
  CHECK(ids[0] != ids[1]);
}

TEST_CASE("each group that handles the topic gets the event, and the outcome names them") {
  const Quiet quiet;
  Harness harness;
  harness.add<Puppet>([](Puppet& self) {
    self.group("good").on([](const OrderPlaced&) {});
    self.group("bad").on([](const OrderPlaced&) { throw std::runtime_error("no"); });
    self.group("other").on([](const PaymentTaken&) {});
  });
  const auto outcome = harness.deliver(OrderPlaced{});
  CHECK_FALSE(outcome.acked());
  CHECK_FALSE(outcome.retried());
  CHECK(outcome.reason() == "no");
  REQUIRE(outcome.groups().size() == 2);
  CHECK(outcome.groups()[0].group == "good");
  CHECK(outcome.groups()[0].verdict == Verdict::acked);
  CHECK(outcome.groups()[1].verdict == Verdict::retried);
}

TEST_CASE("an event that does not decode is a dead letter that names the field") {
  const Quiet quiet;
  FakeBank bank;
  Harness harness;
  harness.add<Billing>(bank);
  CHECK(harness.deliver_bytes(OrderPlaced::topic, "\x81\xa8order_id\x07").rejected());
  CHECK(harness.dead_letters().at(0).reason.find("field order_id is an integer") != std::string::npos);
}

TEST_CASE("a turn that publishes while it keeps its delivery fails the test") {
  auto harness_with = [](bool durable) {
    auto harness = std::make_unique<Harness>();
    harness->add<Puppet>([durable](Puppet& self) {
      self.group("keepers").on([&self, durable](const OrderPlaced&, Delivery delivery) {
        self.kept.push_back(std::move(delivery));
        durable ? self.publish(PaymentTaken{"early"}) : self.publish(Blink{});
      });
    });
    return harness;
  };
  CHECK_THROWS_WITH(harness_with(true)->deliver(OrderPlaced{}),
                    Catch::Contains("the turn for orders.placed of group keepers publishes payments.taken while it "
                                    "keeps its Delivery"));
  CHECK_THROWS_AS(harness_with(false)->deliver(OrderPlaced{}), std::logic_error);
}

TEST_CASE("a kept delivery is settled with the publications of a later turn") {
  Harness harness;
  Puppet& puppet = harness.add<Puppet>([](Puppet& self) {
    self.group("keepers").on([&self](const OrderPlaced&, Delivery delivery) {
      self.kept.push_back(std::move(delivery));
      self.after(10s, [&self] {
        for (Delivery& each : self.kept) CHECK(each.ack());
        self.publish(PaymentTaken{"late"});
      });
    });
  });
  CHECK(harness.deliver(OrderPlaced{}).kept());
  harness.advance(9s);
  CHECK(harness.published_count() == 0);
  harness.advance(1s);
  CHECK(harness.published<PaymentTaken>().size() == 1);
  CHECK(harness.settled().back().verdict == Verdict::acked);
  CHECK(puppet.refusals.empty());
  harness.advance(24h);
  CHECK(harness.settled().size() == 2);
}

TEST_CASE("a kept delivery is taken away at its deadline, unless it is extended, and its ack is refused then") {
  const Quiet quiet;
  Harness harness;
  Puppet& puppet = harness.add<Puppet>([](Puppet& self) {
    self.group("keepers", {.max_attempts = 1, .ack_deadline = 5s}).on([&self](const OrderPlaced&, Delivery delivery) {
      self.kept.push_back(std::move(delivery));
    });
    self.on_live([&self](const Blink& blink) {
      if (blink.number == 1) return self.kept.at(0).extend();
      CHECK(self.kept.at(0).ack());
      self.publish(PaymentTaken{"too late"});
    });
  });
  harness.deliver(OrderPlaced{});
  harness.advance(4s);
  harness.live(Blink{1});
  harness.advance(4s);
  CHECK(harness.dead_letters().empty());
  harness.advance(1s);
  REQUIRE(harness.dead_letters().size() == 1);
  CHECK(harness.dead_letters()[0].reason == "its ack deadline passed");
  harness.live(Blink{2});
  CHECK(harness.published_count() == 0);
  REQUIRE(puppet.refusals.size() == 1);
  CHECK(puppet.refusals[0].why.code == spindle::ErrorCode::stale);
}

TEST_CASE("a refused turn exists nowhere and is told to the actor") {
  const Quiet quiet;
  Harness harness;
  Puppet& puppet = harness.add<Puppet>([](Puppet& self) {
    self.group("g").on([&self](const OrderPlaced&) {
      self.publish(PaymentTaken{});
      self.publish(Blink{});
    });
  });
  harness.refuse_next_turn();
  CHECK(harness.deliver(OrderPlaced{}).refused());
  CHECK(harness.published_count() == 0);
  REQUIRE(puppet.refusals.size() == 1);
  CHECK(puppet.refusals[0].topic == "orders.placed");
  CHECK(harness.deliver(OrderPlaced{}).acked());
  CHECK(harness.published_count() == 2);
}

TEST_CASE("an event whose turn is refused for its own fault is tried again with the reason") {
  const Quiet quiet;
  Harness harness;
  harness.add<Puppet>(
      [](Puppet& self) { self.group("g").on([&self](const OrderPlaced&) { self.publish(PaymentTaken{}); }); });
  harness.refuse_next_turn({spindle::ErrorCode::denied, "not yours"});
  const auto outcome = harness.deliver(OrderPlaced{});
  CHECK(outcome.retried());
  CHECK(outcome.groups()[0].reason == "its turn was refused: not yours");
  harness.advance(std::chrono::seconds(2));
  CHECK(harness.published<PaymentTaken>().size() == 1);
}

TEST_CASE("events are published in order, live ones after the durable ones of their turn") {
  Harness harness;
  harness.add<Puppet>([](Puppet& self) {
    self.group("g").on([&self](const OrderPlaced& order) {
      self.publish(Blink{1});
      self.publish(PaymentTaken{order.order_id});
      self.publish_as("payments.of.other", PaymentTaken{"other"});
      self.publish(PaymentTaken{"second"});
    });
  });
  harness.deliver(OrderPlaced{"first"});
  CHECK(harness.published_count() == 4);
  const auto payments = harness.published<PaymentTaken>();
  REQUIRE(payments.size() == 2);
  CHECK(payments[0].order_id == "first");
  CHECK(payments[1].order_id == "second");
  CHECK(harness.published<PaymentTaken>().empty());
  CHECK(harness.published<PaymentTaken>("payments.of.other").size() == 1);
  CHECK(harness.published<Blink>().size() == 1);
  CHECK(harness.published_count() == 0);
}

TEST_CASE("timers and retries happen in the order of virtual time") {
  const Quiet quiet;
  std::vector<std::string> happened;
  Harness harness;
  harness.add<Puppet>([&](Puppet& self) {
    self.every(400ms, [&] { happened.emplace_back("tick"); });
    self.group("g").on([&](const OrderPlaced&, const spindle::Meta& meta) {
      happened.push_back("attempt " + std::to_string(meta.attempt()));
      if (meta.attempt() == 1) throw std::runtime_error("once");
    });
  });
  harness.deliver(OrderPlaced{});
  harness.advance(1300ms);
  CHECK(happened == std::vector<std::string>{"attempt 1", "tick", "tick", "attempt 2", "tick"});
}

TEST_CASE("a live event reaches its handlers with what was missed") {
  std::uint64_t missed = 0;
  Harness harness;
  harness.add<Puppet>([&](Puppet& self) {
    self.on_live([&](const Blink&, const spindle::Meta& meta) {
      missed = meta.missed();
      CHECK_FALSE(meta.offset());
    });
  });
  harness.live(Blink{}, 3);
  CHECK(missed == 3);
}

TEST_CASE("misuse says what is wrong") {
  Harness harness;
  harness.add<Puppet>([](Puppet& self) { self.after(0s, [] {}); });
  CHECK_THROWS_WITH(harness.deliver(OrderPlaced{}), Catch::Contains("no group handles orders.placed"));
  CHECK_THROWS_WITH(harness.live(Blink{}), Catch::Contains("no handler for live events on test.blink"));

  Harness endless;
  std::function<void()> again;
  endless.add<Puppet>([&](Puppet& self) {
    again = [&] { self.after(0s, again); };
    self.after(1s, again);
  });
  CHECK_THROWS_WITH(endless.advance(2s), Catch::Contains("time does not pass"));
}
