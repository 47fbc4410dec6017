// Events of one key: never at two members at once, and none overtakes another.
#include <array>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "proxy/group.hpp"
#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;
using Numbers = std::vector<std::uint64_t>;

namespace {

constexpr std::uint64_t in_key = 1'000'000;

/// Event number n of a key.
std::uint64_t event(std::uint64_t key, std::uint64_t n) { return key * in_key + n; }
std::uint64_t key_of(std::uint64_t event) { return event / in_key; }

Bytes keyed_packet(const TestClient& client, const Numbers& events) {
  wire::PacketBuilder builder;
  for (std::uint64_t number : events) {
    Bytes data;
    wire::Writer(data).uint(number);
    builder.add(data, {}, static_cast<std::uint32_t>(key_of(number)));
  }
  wire::PacketHeader header;
  header.source = client.source();
  header.epoch = client.epoch;
  header.event_class = wire::EventClass::durable;
  header.sequence = client.next_commit;
  return builder.finish(header);
}

void publish(TestClient& client, const std::string& topic, const Numbers& events) {
  client.publish({{SharedBytes::own(topic), SharedBytes::own(keyed_packet(client, events))}});
}

struct Member {
  Member(BrokerDriver& proxy, const std::string& source) : client(proxy, source) { client.hello(); }

  void attach(std::uint64_t events = 1'000, std::vector<std::string> patterns = {">"}) {
    auto message = client.attach_message("g", std::move(patterns));
    message.credit_events = events;
    message.options.backoff_min_ms = 1'000;
    client.attach(message);
  }
  std::vector<wire::Outcome> retry(const Delivered& delivered) {
    return client.settle({TestClient::turn({delivered.settlement(wire::Verdict::retry)})});
  }
  Numbers take() { return events_of(client.deliveries()); }

  TestClient client;
};

struct Two {
  Two() : producer(proxy, "shop/1"), a(proxy, "m/1"), b(proxy, "m/2") { producer.hello(); }

  BrokerDriver proxy;
  TestClient producer;
  Member a;
  Member b;
};

}  // namespace

TEST_CASE("events of a key that is out go to the member that has it, and others to whoever is next") {
  Two t;
  t.a.attach();
  t.b.attach();
  publish(t.producer, "o", {event(1, 0)});
  publish(t.producer, "o", {event(2, 0)});
  const bool a_has_1 = t.a.take() == Numbers{event(1, 0)};
  Member& has_1 = a_has_1 ? t.a : t.b;
  Member& has_2 = a_has_1 ? t.b : t.a;
  (void)has_2.take();
  publish(t.producer, "o", {event(1, 1), event(2, 1), event(1, 2), event(2, 2)});
  CHECK(has_1.take() == Numbers{event(1, 1), event(1, 2)});
  CHECK(has_2.take() == Numbers{event(2, 1), event(2, 2)});
}

TEST_CASE("a key whose holder has no room waits for it and does not hold back other keys") {
  Two t;
  t.a.attach(1);
  publish(t.producer, "o", {event(1, 0), event(1, 1), event(1, 2), event(2, 0), event(3, 0)});
  auto held = t.a.client.deliveries();
  REQUIRE(events_of(held) == Numbers{event(1, 0)});
  t.b.attach();
  CHECK(t.b.take() == Numbers{event(2, 0), event(3, 0)});
  t.a.client.ack(held[0]);
  // Nothing of it is out, so the next may go to either.
  Numbers rest;
  for (int i = 0; i < 2; ++i) {
    held = t.a.client.deliveries();
    Member& holder = held.empty() ? t.b : t.a;
    for (const Delivered& one : held.empty() ? t.b.client.deliveries() : held) {
      rest.push_back(one.event);
      holder.client.ack(one);
    }
  }
  CHECK(rest == Numbers{event(1, 1), event(1, 2)});
}

TEST_CASE("a key waits for the room of whoever holds it now, when the member that held it before is gone") {
  constexpr KeyOrder::Seat first = 1;
  constexpr KeyOrder::Seat second = 2;
  constexpr std::uint32_t key = 7;
  KeyOrder order;
  order.hand_out(10, {key, first, 1});
  order.hold(key, 11, KeyOrder::Until::room);
  order.hold(key, 12, KeyOrder::Until::room);
  order.forget(first);
  order.settle(10);
  REQUIRE(order.take_released() == Numbers{11, 12});
  order.hand_out(11, {key, second, 2});
  order.hold(key, 12, KeyOrder::Until::room);
  order.room(first, 1);
  CHECK(order.take_released().empty());
  order.room(second, 1);
  CHECK(order.take_released() == Numbers{12});
  order.hand_out(12, {key, second, 3});
  order.settle(11, 13);
  CHECK(order.empty());
  CHECK(order.leave(key, 20).now);
}

TEST_CASE("a key being retried holds back only itself, and comes in order") {
  Two t;
  t.a.attach();
  publish(t.producer, "o", {event(1, 0), event(2, 0), event(1, 1), event(2, 1)});
  auto held = t.a.client.deliveries();
  REQUIRE(held.size() == 4);
  t.a.retry(held[0]);
  publish(t.producer, "o", {event(1, 2), event(2, 2)});
  CHECK(t.a.take() == Numbers{event(2, 2)});
  SECTION("those of its key that the member got after it are not its own any more") {
    CHECK(t.a.client.ack(held[2])[0].code == ErrorCode::stale);
    CHECK(t.a.client.ack(held[3])[0].status == OutcomeStatus::stored);
  }
  t.b.attach();
  t.proxy.advance(1s);
  const auto again = t.b.client.deliveries();
  const auto rest = t.a.client.deliveries();
  const auto& got = again.empty() ? rest : again;
  CHECK(events_of(got) == Numbers{event(1, 0), event(1, 1), event(1, 2)});
  CHECK(got[0].attempt == 2);
  CHECK(got[1].attempt == 1);
  CHECK((again.empty() || rest.empty()));
}

TEST_CASE("a deadline that passes takes the rest of the key back as well") {
  Two t;
  t.a.attach();
  publish(t.producer, "o", {event(1, 0), event(1, 1), event(2, 0)});
  auto held = t.a.client.deliveries();
  for (int i = 0; i < 31; ++i) {
    t.a.client.send(wire::Renew{{t.a.client.session}});
    t.proxy.advance(1s);
  }
  CHECK(t.a.client.ack(held[1])[0].code == ErrorCode::stale);
  CHECK(t.a.client.ack(held[2])[0].status == OutcomeStatus::stored);
  t.proxy.advance(1s);
  CHECK(t.a.take() == Numbers{event(1, 0), event(1, 1)});
}

TEST_CASE("an event that is rejected or has no attempt left does not hold back its key") {
  Two t;
  t.a.attach();
  publish(t.producer, "o", {event(1, 0), event(1, 1)});
  auto held = t.a.client.deliveries();
  t.a.client.settle({TestClient::turn({held[0].settlement(wire::Verdict::reject)})});
  CHECK(t.a.client.ack(held[1])[0].status == OutcomeStatus::stored);
}

TEST_CASE("what a member dropped behind a retry comes again, also when that was the last attempt") {
  Two t;
  auto attach = t.a.client.attach_message("g", {">"});
  attach.options.max_attempts = 1;
  t.a.client.attach(attach);
  publish(t.producer, "o", {event(1, 0), event(1, 1), event(1, 2)});
  auto held = t.a.client.deliveries();
  REQUIRE(held.size() == 3);
  CHECK(t.a.retry(held[0])[0].status == OutcomeStatus::stored);
  CHECK(t.a.client.ack(held[2])[0].code == ErrorCode::stale);
  CHECK(t.a.take() == Numbers{event(1, 1), event(1, 2)});
}

TEST_CASE("what a member that leaves had of a key goes to one other, in order") {
  Two t;
  t.a.attach();
  publish(t.producer, "o", {event(1, 0), event(1, 1)});
  REQUIRE(t.a.take().size() == 2);
  t.b.attach();
  publish(t.producer, "o", {event(1, 2)});
  REQUIRE(t.b.take().empty());
  t.a.client.send(wire::Detach{1});
  CHECK(t.b.take() == Numbers{event(1, 0), event(1, 1), event(1, 2)});
}

TEST_CASE("order by key survives a restart: failed and claimed events are known by their keys again") {
  Two t;
  t.a.attach(2);
  publish(t.producer, "o", {event(1, 0), event(2, 0), event(1, 1), event(2, 1), event(3, 0)});
  auto held = t.a.client.deliveries();
  REQUIRE(events_of(held) == Numbers{event(1, 0), event(2, 0)});
  t.a.retry(held[0]);
  (void)t.a.client.deliveries();
  t.proxy.restart();
  t.a.client.reconnect();
  t.a.client.hello();
  auto attach = t.a.client.attach_message("g", {">"});
  attach.credit_events = 1;
  attach.claims = {{held[1].id, 1, 1}};
  REQUIRE(t.a.client.attach(attach).claimed.size() == 1);
  t.b.client.reconnect();
  t.b.client.hello();
  t.b.attach();
  CHECK(t.b.take() == Numbers{event(3, 0)});
  t.proxy.advance(1s);
  CHECK(t.b.take() == Numbers{event(1, 0), event(1, 1)});
  t.a.client.ack(held[1]);
  const Numbers rest = t.a.take();
  CHECK((rest.empty() ? t.b.take() : rest) == Numbers{event(2, 1)});
}

TEST_CASE("an event that failed, was claimed after a restart and settled at once holds nothing back") {
  Two t;
  t.a.attach();
  publish(t.producer, "o", {event(1, 0), event(1, 1)});
  t.a.retry(t.a.client.deliveries()[0]);
  t.proxy.advance(1s);
  const auto held = t.a.client.deliveries();
  REQUIRE(events_of(held) == Numbers{event(1, 0), event(1, 1)});
  t.proxy.restart();
  t.a.client.reconnect();
  t.a.client.hello();
  auto attach = t.a.client.attach_message("g", {">"});
  attach.claims = {{held[0].id, 1, 2}};
  t.proxy.settle();        // the log is read for the keys of what has failed
  t.proxy.by_hand = true;  // these two arrive before it is read again
  t.a.client.send(attach);
  t.a.client.send_settle(t.a.client.next_commit++, {TestClient::turn({held[0].settlement()})});
  t.proxy.by_hand = false;
  t.proxy.settle();
  CHECK(t.a.take() == Numbers{event(1, 1)});
}

TEST_CASE("a member keeps what it claims of a key, in whatever order the log is read for the keys") {
  Two t;
  t.a.attach();
  publish(t.producer, "o", {event(1, 0)});
  publish(t.producer, "o", {event(1, 1), event(2, 0)});
  const auto held = t.a.client.deliveries();
  REQUIRE(held.size() == 3);
  t.proxy.restart();
  t.a.client.reconnect();
  t.a.client.hello();
  auto attach = t.a.client.attach_message("g", {">"});
  attach.claims = {{held[0].id, 1, 1}, {held[1].id, 2, 1}};
  t.proxy.by_hand = true;  // the second packet is read first, for what is rejected
  t.a.client.send(attach);
  const auto reject = held[2].settlement(wire::Verdict::reject);
  t.a.client.send_settle(t.a.client.next_commit++, {TestClient::turn({reject})});
  t.proxy.by_hand = false;
  t.proxy.settle();
  CHECK(t.a.client.take<wire::Attached>()->claimed.size() == 2);
  (void)t.a.client.take<wire::Settled>();
  CHECK(t.a.client.ack(held[1])[0].status == OutcomeStatus::stored);
  CHECK(t.a.client.ack(held[0])[0].status == OutcomeStatus::stored);
  CHECK(t.a.take().empty());
}

TEST_CASE("what is claimed late is taken back when one before it in its key went to somebody else meanwhile") {
  Two t;
  t.a.attach();
  publish(t.producer, "o", {event(1, 0)});
  publish(t.producer, "o", {event(1, 1)});
  const auto held = t.a.client.deliveries();
  REQUIRE(held.size() == 2);
  t.proxy.restart();
  t.b.client.reconnect();
  t.b.client.hello();
  t.b.attach(1);
  for (int i = 0; i < 31; ++i) {
    t.b.client.send(wire::Renew{{t.b.client.session}});
    t.proxy.advance(1s);
  }
  const auto first = t.b.client.deliveries();
  REQUIRE(events_of(first) == Numbers{event(1, 0)});
  t.a.client.reconnect();
  t.a.client.hello();
  auto attach = t.a.client.attach_message("g", {">"});
  attach.claims = {{held[1].id, 1, 1}};
  REQUIRE(t.a.client.attach(attach).claimed.size() == 1);
  t.proxy.settle();
  CHECK(t.a.client.ack(held[1])[0].code == ErrorCode::stale);
  CHECK(t.a.take().empty());
  t.b.client.ack(first[0]);
  const Numbers rest = t.b.take();
  CHECK((rest.empty() ? t.a.take() : rest) == Numbers{event(1, 1)});
}

TEST_CASE("a group that holds back too many events stops reading on and says why") {
  Two t;
  t.a.attach(1);
  publish(t.producer, "o", {event(1, 0)});
  auto held = t.a.client.deliveries();
  t.b.attach();
  Numbers many;
  for (std::uint64_t i = 1; i <= group_held_events_max; ++i) many.push_back(event(1, i));
  publish(t.producer, "o", many);
  publish(t.producer, "o", {event(2, 0)});
  CHECK(t.b.take().empty());
  t.b.client.send(wire::Admin{"groups", "g", {}});
  CHECK(t.b.client.take<wire::AdminReply>()->body.find("group_held_events_max (16384)") != Bytes::npos);
  // It goes on by itself, in order, when the oldest is settled.
  Numbers all;
  std::vector<Delivered> got{held[0]};
  Member* at = &t.a;
  while (!got.empty()) {
    for (const Delivered& one : got) at->client.ack(one);
    got = t.a.client.deliveries();
    at = &t.a;
    if (got.empty()) {
      got = t.b.client.deliveries();
      at = &t.b;
    }
    for (const Delivered& one : got) {
      if (key_of(one.event) == 1) all.push_back(one.event);
    }
  }
  CHECK(all == many);
}

TEST_CASE("an event that no member with room handles does not hold back the topics of others") {
  Two t;
  t.a.attach(1, {"a"});
  t.b.attach(100, {"b"});
  for (std::uint64_t i = 0; i < 3; ++i) {
    t.producer.publish("a", {10 + i});
    t.producer.publish("b", {20 + i});
  }
  auto held = t.a.client.deliveries();
  CHECK(events_of(held) == Numbers{10});
  CHECK(t.b.take() == Numbers{20, 21, 22});
  t.a.client.ack(held[0]);
  held = t.a.client.deliveries();
  REQUIRE(events_of(held) == Numbers{11});
  t.producer.publish("a", {13});
  t.a.client.ack(held[0]);
  held = t.a.client.deliveries();
  REQUIRE(events_of(held) == Numbers{12});
  t.a.client.ack(held[0]);
  CHECK(t.a.take() == Numbers{13});
}

namespace {

/// Members of one group that do what chance says and check at every delivery that no key is at two of them and that
/// none overtakes another.
class KeyedWorld {
 public:
  explicit KeyedWorld(std::uint64_t seed) : random_(seed), driver_(setup()) {
    producer_ = std::make_unique<TestClient>(driver_, "shop/1");
    producer_->hello();
    for (int i = 0; i < 3; ++i) join(i);
  }

  void step() {
    const auto who = random_() % 3;
    switch (random_() % 12) {
      case 0:
      case 1:
      case 2: return publish_some();
      case 3: return leave(who);
      case 4: return void(random_() % 3 == 0 ? restart() : pass(100ms));
      case 5: return pass(1s);
      case 6: return settle(who, wire::Verdict::retry);
      case 7: return random_() % 4 == 0 ? settle(who, wire::Verdict::reject) : void();
      default: return settle(who, wire::Verdict::ack);
    }
  }

  /// Everything comes to its end, in order.
  void finish() {
    for (int round = 0; round < 2'000 && settled_.size() < published_; ++round) {
      pass(100ms);
      for (std::size_t i = 0; i < 3; ++i) {
        if (!members_[i]) join(static_cast<int>(i));
        hear(i);
        while (!members_[i]->held.empty()) settle(i, wire::Verdict::ack);
      }
    }
    REQUIRE(settled_.size() == published_);
  }

 private:
  struct Process {
    std::unique_ptr<TestClient> client;
    std::map<std::uint64_t, Delivered> held;  // by event
  };
  static BrokerDriver::Setup setup() {
    BrokerDriver::Setup setup;
    setup.segment_bytes = 64 * 1024;
    return setup;
  }

  void pass(Duration by) {
    producer_->send(wire::Renew{{producer_->session}});
    for (auto& member : members_) {
      if (member) member->client->send(wire::Renew{{member->client->session}});
    }
    driver_.advance(by);
  }

  void join(int i) {
    Process process;
    process.client = std::make_unique<TestClient>(driver_, "m" + std::to_string(i) + "/" + std::to_string(++joined_));
    process.client->hello();
    attach(process);
    members_[static_cast<std::size_t>(i)] = std::move(process);
    for (std::size_t k = 0; k < 3; ++k) hear(k);
  }

  void attach(Process& process) {
    auto message = process.client->attach_message("g", {">"});
    message.credit_events = 1 + random_() % 6;
    message.options.backoff_min_ms = 300;
    message.options.max_attempts = 1'000;
    for (const auto& [event, held] : process.held) message.claims.push_back({held.id, 1, held.attempt});
    const auto attached = process.client->attach(message);
    std::set<std::uint64_t> kept;
    for (const wire::Claim& claim : attached.claimed) {
      for (std::uint64_t i = 0; i < claim.count; ++i) kept.insert(claim.first.offset + i);
    }
    std::erase_if(process.held, [&](const auto& entry) { return !kept.contains(entry.second.id.offset); });
  }

  void publish_some() {
    Numbers events;
    const bool keyed = random_() % 8 != 0;
    for (std::uint64_t n = 1 + random_() % 5; n > 0; --n) {
      const std::uint64_t key = 1 + random_() % 4;
      events.push_back(keyed ? event(key, next_[key]++) : event(9, next_[9]++));
      ++published_;
    }
    keyed ? publish(*producer_, "o", events) : void(producer_->publish("o", events));
    for (std::size_t i = 0; i < 3; ++i) hear(i);
  }

  void hear(std::size_t i) {
    if (!members_[i]) return;
    for (const Delivered& delivered : members_[i]->client->deliveries()) {
      const std::uint64_t number = delivered.event;
      CAPTURE(number, i, delivered.attempt);
      REQUIRE(!settled_.contains(number));
      for (std::size_t other = 0; other < 3; ++other) {
        if (!members_[other]) continue;
        if (other != i) REQUIRE(!members_[other]->held.contains(number));
        if (other == i || key_of(number) == 9) continue;
        for (const auto& [held, is] : members_[other]->held) REQUIRE(key_of(held) != key_of(number));
      }
      if (key_of(number) != 9) {
        for (std::uint64_t n = 0; n < number % in_key; ++n) {
          const std::uint64_t before = event(key_of(number), n);
          CAPTURE(before);
          REQUIRE((settled_.contains(before) || members_[i]->held.contains(before)));
        }
      }
      members_[i]->held[number] = delivered;
    }
  }

  void settle(std::size_t i, wire::Verdict verdict) {
    hear(i);
    if (!members_[i] || members_[i]->held.empty()) return;
    auto at = members_[i]->held.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(random_() % members_[i]->held.size()));
    const Delivered delivered = at->second;
    const auto outcomes = members_[i]->client->settle({TestClient::turn({delivered.settlement(verdict)})});
    CAPTURE(delivered.event, i, delivered.attempt);
    members_[i]->held.erase(delivered.event);
    if (outcomes[0].status == OutcomeStatus::refused) {  // its deadline passed
      REQUIRE(outcomes[0].code == ErrorCode::stale);
      members_[i]->held.clear();
      members_[i]->client->deliveries();
      leave(i);
      return;
    }
    if (verdict != wire::Verdict::retry) {
      settled_.insert(delivered.event);
    } else {
      std::erase_if(members_[i]->held, [&](const auto& entry) {
        return key_of(entry.first) != 9 && key_of(entry.first) == key_of(delivered.event) &&
               entry.first > delivered.event;
      });
    }
    for (std::size_t k = 0; k < 3; ++k) hear(k);
  }

  void leave(std::size_t i) {
    if (!members_[i]) return join(static_cast<int>(i));
    members_[i]->held.clear();
    members_[i]->client->send(wire::Goodbye{});
    members_[i].reset();
    for (std::size_t k = 0; k < 3; ++k) hear(k);
  }

  void restart() {
    driver_.restart();
    producer_->reconnect();
    producer_->hello();
    for (auto& member : members_) {
      if (!member) continue;
      member->client->reconnect();
      member->client->hello();
      attach(*member);
    }
    for (std::size_t k = 0; k < 3; ++k) hear(k);
  }

  std::mt19937_64 random_;
  BrokerDriver driver_;
  std::unique_ptr<TestClient> producer_;
  std::array<std::optional<Process>, 3> members_;
  std::map<std::uint64_t, std::uint64_t> next_;
  std::set<std::uint64_t> settled_;
  std::uint64_t published_ = 0;
  int joined_ = 0;
};

}  // namespace

// SPINDLE_SEED=n runs that one.
TEST_CASE("whatever members do, no key is at two of them and none of its events overtakes another") {
  const char* asked = std::getenv("SPINDLE_SEED");
  const std::uint64_t first = asked != nullptr ? std::stoull(asked) : 1;
  const std::uint64_t last = asked != nullptr ? first : 100;
  std::cout << "seeds " << first << " to " << last << ", 200 steps each\n";
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    CAPTURE(seed);
    KeyedWorld world(seed);
    for (int step = 0; step < 200; ++step) {
      CAPTURE(step);
      world.step();
    }
    world.finish();
  }
}

TEST_CASE("a turn may ask to retry an event and settle later ones of its key, in any order") {
  Two t;
  t.a.attach();
  publish(t.producer, "x", {event(1, 1), event(1, 2), event(1, 3)});
  const auto held = t.a.client.deliveries();
  REQUIRE(held.size() == 3);
  auto retried = [&](std::size_t i) {
    auto settlement = held[i].settlement(wire::Verdict::retry);
    settlement.retry_after_ms = 0;
    return settlement;
  };
  const auto outcomes = t.a.client.settle({TestClient::turn({retried(0), held[2].settlement(), retried(1)})});
  REQUIRE(outcomes.size() == 1);
  CHECK(outcomes[0].status == OutcomeStatus::stored);
  t.proxy.advance(1s);
  CHECK(t.a.take() == Numbers{event(1, 1), event(1, 2)});
}
