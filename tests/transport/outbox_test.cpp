#include "spindle/transport/outbox.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "fake_proxy.hpp"
#include "spindle/transport/holdings.hpp"

using namespace spindle;
using namespace spindle::transport;
using spindle::transport::testing::event_on;

TEST_CASE("events keep the order they were published in: packets are runs of a topic") {
  Outbox outbox("s", 1 << 20);
  const std::vector<OutgoingEvent> events{event_on("a"), event_on("a"), event_on("b"), event_on("a")};
  REQUIRE(outbox.publish(events, 1));
  wire::Welcome welcome;
  welcome.epoch = 1;
  REQUIRE(outbox.begin(welcome));
  auto message = outbox.next(1, 1);
  REQUIRE(message);
  std::vector<std::string> topics;
  for (const auto& pair : message->packets) topics.emplace_back(pair.topic.view);
  CHECK(topics == std::vector<std::string>{"a", "b", "a"});
  wire::Values values;
  auto last = wire::Packet::parse(message->packets[2].packet.view, values);
  REQUIRE(last);
  CHECK(last->header().topic_count == 2);
}

TEST_CASE("commits beyond the limits of the wire are refused and take no number") {
  Outbox outbox("s", 64 << 20);
  const std::string big(limits::event_bytes_max + 1, 'x');
  const OutgoingEvent too_big = event_on("a", big);
  CHECK(outbox.publish({&too_big, 1}, 1).error().code == ErrorCode::too_large);
  const OutgoingEvent no_topic = event_on("a b");
  CHECK(outbox.publish({&no_topic, 1}, 1).error().code == ErrorCode::malformed);
  CHECK(outbox.publish({}, 1).error().code == ErrorCode::invalid_argument);
  const std::string half(512 * 1024, 'x');
  const std::vector<OutgoingEvent> many(17, event_on("a", half));
  CHECK(outbox.publish(many, 1).error().code == ErrorCode::too_large);
  std::vector<OutgoingEvent> alternating;
  for (int i = 0; i < 3000; ++i) alternating.push_back(event_on(i % 2 == 0 ? "a" : "b"));
  CHECK(outbox.publish(alternating, 1).error().code == ErrorCode::too_large);
  CHECK(outbox.unanswered() == 0);
  CHECK(outbox.bytes() == 0);
}

TEST_CASE("the outbox holds no bytes when everything has an outcome") {
  Outbox outbox("s", 1 << 20);
  wire::Welcome welcome;
  welcome.epoch = 1;
  welcome.publish_window_bytes = 1 << 20;
  welcome.commits_in_flight_max = 1000;
  REQUIRE(outbox.begin(welcome));
  wire::Settlement settlement;
  settlement.verdict = wire::Verdict::retry;
  settlement.reason = "later";
  const OutgoingEvent event = event_on("a", "0123456789");
  for (int i = 0; i < 300; ++i) REQUIRE(outbox.settle({&settlement, 1}, {&event, 1}, 1));
  std::uint64_t number = 0;
  while (outbox.next(1, ++number)) {
  }
  CHECK(outbox.in_flight());
  outbox.halt(100);
  while (outbox.next(1, ++number)) {
  }
  wire::Outcome outcome;
  outcome.number = 1;
  outcome.run = 300;
  outcome.events = 300;
  std::vector<SessionEvent> events;
  outbox.on_outcome(outcome, events);
  CHECK(events.size() == 1);
  CHECK(outbox.take_settled().size() == 300);
  CHECK(outbox.bytes() == 0);
  CHECK_FALSE(outbox.in_flight());
}

TEST_CASE("holdings agree with a plain set of offsets") {
  const unsigned seed = GENERATE(1u, 2u, 3u, 4u);
  INFO("seed " << seed);
  std::mt19937 random(seed);
  Holdings holdings;
  holdings.add({1, 1, 1, 0}, 64, 1);
  enum class Is { open, submitted, settled };
  std::vector<Is> model(64, Is::open);
  for (int step = 0; step < 2000; ++step) {
    const std::uint64_t at = random() % 64;
    const std::uint64_t count = 1 + random() % (64 - at);
    const wire::DeliveryId id{1, 1, 1, at};
    auto all = [&](Is state) {
      for (std::uint64_t i = at; i < at + count; ++i) {
        if (model[i] != state) return false;
      }
      return true;
    };
    auto set = [&](Is state) { std::fill_n(model.begin() + static_cast<long>(at), count, state); };
    REQUIRE(holdings.open(id, count) == all(Is::open));
    if (all(Is::open)) {
      holdings.submit(id, count);
      set(Is::submitted);
    } else if (all(Is::submitted)) {
      holdings.settled(id, count);
      set(Is::settled);
    } else if (all(Is::settled) && random() % 2 == 0) {  // it comes again
      holdings.add(id, count, 1);
      set(Is::open);
    }
    std::uint64_t held = 0;
    for (const wire::Claim& claim : holdings.claims()) held += claim.count;
    REQUIRE(held == static_cast<std::uint64_t>(64 - std::count(model.begin(), model.end(), Is::settled)));
  }
  const auto lost = holdings.keep_only({{{1, 1, 1, 0}, 32, 1}});
  std::uint64_t lost_count = 0;
  for (const wire::Claim& claim : lost) lost_count += claim.count;
  CHECK(lost_count == static_cast<std::uint64_t>(std::count(model.begin() + 32, model.end(), Is::open)));
}
