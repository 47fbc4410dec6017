#include <map>
#include <random>

#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;

namespace {

/// What the log says of the groups; how much of it they keep depends on how it is cut into segments.
Bytes figures(BrokerDriver& proxy) {
  TestClient admin(proxy, "");
  admin.hello();
  admin.send(wire::Admin{"groups", ""});
  Bytes body = admin.take<wire::AdminReply>()->body;
  for (std::size_t at = body.find("keeps_bytes"); at != Bytes::npos; at = body.find("keeps_bytes", at)) {
    body.erase(at, body.find("stalled", at) - at);
  }
  return body;
}

}  // namespace

TEST_CASE("claims after a restart are honoured and not delivered elsewhere") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1, 2, 3});
  const auto held = client.deliveries();
  proxy.restart();

  TestClient other(proxy, "shop/2");
  other.hello();
  other.attach("g", {">"});
  REQUIRE(other.deliveries().empty());  // a known member may still come back
  client.reconnect();
  client.hello();
  auto attach = client.attach_message("g", {">"});
  attach.claims.push_back({held[1].id, 2, 1});
  REQUIRE(client.attach(attach).claimed.size() == 1);
  // All known members are back: what nobody claimed goes on.
  auto again = client.deliveries();
  for (const auto& delivered : other.deliveries()) again.push_back(delivered);
  REQUIRE(events_of(again) == std::vector<std::uint64_t>{1});
  REQUIRE(again[0].attempt == 1);
  REQUIRE(client.ack(held[1])[0].status == OutcomeStatus::stored);
  REQUIRE(client.ack(held[0])[0].code == ErrorCode::stale);
}

TEST_CASE("who left and joins anew is given nothing of a hand-out of which somebody else has the same attempt") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1, 2});
  std::vector<wire::Turn> retries;
  for (const Delivered& one : client.deliveries()) {
    retries.push_back(TestClient::turn({one.settlement(wire::Verdict::retry)}));
  }
  client.settle(retries);
  proxy.advance(2s);
  const auto again = client.deliveries();
  REQUIRE(again.size() == 2);
  REQUIRE(again[0].attempt == 2);
  REQUIRE(again[0].id.handout == again[1].id.handout);
  TestClient other(proxy, "shop/2");
  other.hello();
  auto attach = other.attach_message("g", {">"});
  attach.credit_events = 1;
  other.attach(attach);
  client.send(wire::Detach{1});
  REQUIRE(other.deliveries().size() == 1);
  attach.claims = {{again[0].id, 2, 2}};
  CHECK(client.attach(attach).claimed.empty());
}

TEST_CASE("who left and joined anew is given nothing back of before after a restart: others have it") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  BrokerDriver proxy(setup);
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1, 2});
  const auto before = client.deliveries();
  REQUIRE(before.size() == 2);
  TestClient other(proxy, "shop/2");
  other.hello();
  other.attach("g", {">"});
  client.send(wire::Detach{1});
  const auto held = other.deliveries();
  REQUIRE(held.size() == 2);
  client.attach("g", {">"});
  client.publish("a", {3});
  client.publish("a", {4});
  auto later = client.deliveries();
  REQUIRE(later.size() == 1);
  const bool in_state = GENERATE(false, true);  // of a new segment
  const auto files = [&] { return proxy.files().list("spool").value().size(); };
  const std::size_t one = files();
  while (in_state && files() == one) client.publish("b", {5});
  proxy.restart();

  client.reconnect();
  client.hello();
  auto attach = client.attach_message("g", {">"});
  attach.claims = {{before[0].id, 2, 1}, {later[0].id, 1, 1}};
  const auto granted = client.attach(attach).claimed;
  REQUIRE(granted.size() == 1);
  CHECK(granted[0].first.offset == later[0].id.offset);
  other.reconnect();
  other.hello();
  attach.claims = {{held[0].id, 2, 1}};
  CHECK(other.attach(attach).claimed.size() == 1);
}

TEST_CASE("what is not claimed is delivered again after one lease") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1, 2});
  proxy.restart();
  TestClient other(proxy, "shop/2");
  other.hello();
  other.attach("g", {">"});
  proxy.advance(9s);
  REQUIRE(other.deliveries().empty());
  other.send(wire::Renew{{other.session}});
  proxy.advance(1s);
  REQUIRE(other.deliveries().size() == 2);

  // The lost member is forgotten: the next restart does not wait for it.
  proxy.restart();
  other.reconnect();
  other.hello();
  other.attach("g", {">"});
  REQUIRE(other.deliveries().size() == 2);
}

TEST_CASE("delivery ids of another run are not mistaken for those of this one") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1});
  const auto before = client.deliveries();
  proxy.restart();
  client.reconnect();
  client.hello();
  client.attach("g", {">"});
  const auto after = client.deliveries();
  REQUIRE(after.size() == 1);
  REQUIRE(after[0].id.handout != before[0].id.handout);
  REQUIRE(client.ack(before[0])[0].code == ErrorCode::stale);
  REQUIRE(client.ack(after[0])[0].status == OutcomeStatus::stored);
}

TEST_CASE("nothing is told before it is durable") {
  struct Case {
    const char* what;
    void (*act)(TestClient&, const std::vector<Delivered>&);
    wire::Kind told;
  };
  const Case cases[] = {
      {"published", [](TestClient& c, const auto&) { c.publish("a", {9}); }, wire::Kind::published},
      {"a refusal", [](TestClient& c, const auto&) { c.publish("not a topic", {9}); }, wire::Kind::published},
      {"settled",
       [](TestClient& c, const auto& held) {
         c.send_settle(c.next_commit, {TestClient::turn({held[0].settlement()})});
       },
       wire::Kind::settled},
      {"attached",
       [](TestClient& c, const auto&) {
         auto attach = c.attach_message("h", {"nothing"});
         attach.member = 2;
         c.send(attach);
       },
       wire::Kind::attached},
      {"detached", [](TestClient& c, const auto&) { c.send(wire::Detach{1}); }, wire::Kind::detached},
      {"figures",
       [](TestClient& c, const auto&) {
         c.publish("a", {9});
         c.send(wire::Admin{"groups", ""});
       },
       wire::Kind::admin_reply},
      {"an error",
       [](TestClient& c, const auto&) {
         c.publish("a", {9});
         c.send(wire::Admin{"dance", ""});
       },
       wire::Kind::error},
  };
  for (const Case& one : cases) {
    DYNAMIC_SECTION(one.what) {
      BrokerDriver proxy;
      TestClient client(proxy, "shop/1");
      client.hello();
      client.publish("a", {1, 2});
      client.attach("g", {">"});
      const auto held = client.deliveries();
      client.look();
      client.inbox.clear();
      proxy.by_hand = true;
      one.act(client, held);
      proxy.collect();
      proxy.read();
      proxy.collect();
      REQUIRE(client.look().empty());
      proxy.commit();
      proxy.collect();
      client.look();
      REQUIRE(std::any_of(client.inbox.begin(), client.inbox.end(),
                          [&](const Received& r) { return r.envelope.kind == one.told; }));
    }
  }
}

TEST_CASE("an event is delivered only when it is durable") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  proxy.by_hand = true;
  client.publish("a", {1});
  proxy.commit(false);
  proxy.read();
  proxy.collect();
  REQUIRE(client.deliveries().empty());
}

TEST_CASE("the state at the head of a segment and the records behind it say the same") {
  const std::uint64_t seed = GENERATE(as<std::uint64_t>{}, 1, 2, 3, 4, 5, 6);
  CAPTURE(seed);
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  BrokerDriver proxy(setup);
  std::mt19937_64 random(seed);
  std::map<std::string, std::uint64_t> last_numbers;
  std::uint64_t event = 0;
  for (int round = 0; round < 40; ++round) {
    TestClient client(proxy, "shop/" + std::to_string(random() % 4));
    const auto welcome = client.hello();
    REQUIRE(welcome.last_number == last_numbers[client.source()]);
    auto attach = client.attach_message("g" + std::to_string(random() % 3), {random() % 2 ? "a.>" : "a.b"});
    attach.credit_events = 20;
    client.attach(attach);
    for (int i = 0; i < 60; ++i) client.publish(random() % 3 ? "a.b" : "a.c", {event++, event++, event++});
    client.publish("no topic", {0});
    std::vector<wire::Turn> turns;
    for (const Delivered& delivered : client.deliveries()) {
      const auto choice = random() % 8;
      if (choice == 0) continue;
      auto settlement = delivered.settlement(choice == 1   ? wire::Verdict::retry
                                             : choice == 2 ? wire::Verdict::reject
                                                           : wire::Verdict::ack);
      if (choice == 1) settlement.retry_after_ms = random() % 30'000;
      turns.push_back(TestClient::turn({settlement}));
    }
    if (!turns.empty()) client.settle(turns);
    if (random() % 4 == 0) proxy.advance(3s);
    last_numbers[client.source()] = client.next_commit - 1;
    client.send(wire::Detach{1});  // what it still holds is not logged: let it be nobody's

    // Twice: the first restart replays records, the second has the state alone.
    proxy.restart();
    const Bytes replayed = figures(proxy);
    const auto segments = proxy.segments_made;
    proxy.restart();
    REQUIRE(proxy.segments_made > segments);
    REQUIRE(figures(proxy) == replayed);
  }
  REQUIRE(proxy.segments_made > 100);
}

TEST_CASE("figures before a restart are those after it") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {"a"});
  for (std::uint64_t i = 0; i < 20; ++i) client.publish(i % 2 ? "a" : "b", {i});
  std::vector<wire::Turn> turns;
  for (const Delivered& delivered : client.deliveries()) {
    turns.push_back(TestClient::turn({delivered.settlement(delivered.event % 3 ? wire::Verdict::ack  //
                                                                               : wire::Verdict::reject)}));
  }
  client.settle(turns);
  client.send(wire::Detach{1});
  const Bytes before = figures(proxy);
  proxy.restart();
  const Bytes after = figures(proxy);
  // The cursor is logged lazily: what differs is how far the group has looked at topics that it does not want.
  REQUIRE(before.size() == after.size());
  proxy.restart();
  REQUIRE(figures(proxy) == after);
}

TEST_CASE("another attempt is delivered only when the one before it is logged as failed") {
  BrokerDriver proxy;
  TestClient first(proxy, "shop/1");
  TestClient second(proxy, "shop/2");
  first.hello();
  first.attach("g", {"a"});
  first.publish("a", {1});
  auto retry = first.deliveries()[0].settlement(wire::Verdict::retry);
  retry.retry_after_ms = 0;
  auto message = first.attach_message("g", {"a"});
  second.hello();
  second.attach(message);
  proxy.by_hand = true;
  first.send_settle(2, {TestClient::turn({retry})});
  first.send(wire::Detach{1});  // so that it goes to the other one
  proxy.read();
  proxy.collect();
  REQUIRE(second.deliveries().empty());
  proxy.commit();
  proxy.collect();
  REQUIRE(second.deliveries()[0].attempt == 2);
}
