#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;

// Groups that want little of what is stored: what is left out of the blocks they read is passed over, for good.

namespace {

BrokerDriver::Setup on_disk() {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  setup.tail_cache_bytes = 0;
  return setup;
}

/// Events 0, 1, …, one a commit: every tenth on `rare`, the others on three more topics.
void publish_mixed(TestClient& client, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t i = from; i < to; ++i) {
    client.publish(i % 10 == 5 ? "rare" : "other." + std::to_string(i % 3), {i});
  }
}

std::vector<std::uint64_t> rare_between(std::uint64_t from, std::uint64_t to) {
  std::vector<std::uint64_t> events;
  for (std::uint64_t i = from; i < to; ++i) {
    if (i % 10 == 5) events.push_back(i);
  }
  return events;
}

/// A number that `groups` tells of the group.
std::uint64_t figure(TestClient& client, const std::string& group, const std::string& name) {
  client.send(wire::Admin{"groups", group});
  const Bytes body = client.take<wire::AdminReply>()->body;
  wire::Values values;
  const std::size_t at = body.find(name);
  REQUIRE(at != Bytes::npos);
  std::size_t end = at + name.size();
  const std::size_t begin = end;
  REQUIRE(wire::skip_value(body, end));
  REQUIRE(values.read_whole(BytesView(body).substr(begin, end - begin)));
  return wire::Cursor(values).uint("figure");
}

}  // namespace

TEST_CASE("a group gets all of a rare topic, from memory and from disk, and its floor passes over the rest") {
  const bool from_disk = GENERATE(true, false);
  BrokerDriver proxy(from_disk ? on_disk() : BrokerDriver::Setup{});
  TestClient client(proxy, "shop/1");
  client.hello();
  publish_mixed(client, 0, 300);
  client.attach("g", {"rare"});
  auto held = client.deliveries();
  CHECK(events_of(held) == rare_between(0, 300));
  CHECK(figure(client, "g", "position") == 300);
  CHECK(figure(client, "g", "floor") == 5);
  for (const Delivered& one : held) REQUIRE(client.ack(one)[0].status == OutcomeStatus::stored);
  CHECK(figure(client, "g", "floor") == 300);
  CHECK(figure(client, "g", "lag") == 0);

  publish_mixed(client, 300, 333);
  held = client.deliveries();
  CHECK(events_of(held) == rare_between(300, 333));
  client.attach("g", {"rare", "other.1"});  // counts from here on; what it held and does not claim comes again
  publish_mixed(client, 333, 336);
  std::vector<std::uint64_t> again = rare_between(300, 333);
  again.insert(again.end(), {334, 335});
  CHECK(events_of(client.deliveries()) == again);

  proxy.restart();
  client.reconnect();
  client.hello();
  client.attach("g", {"rare", "other.1"});
  CHECK(events_of(client.deliveries()) == again);
}

TEST_CASE("what comes between what members claim after a restart is passed over, what they claim is not") {
  BrokerDriver proxy(on_disk());
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {"rare"});
  publish_mixed(client, 0, 100);
  const auto held = client.deliveries();
  REQUIRE(held.size() == 10);
  proxy.restart();
  client.reconnect();
  client.hello();
  auto attach = client.attach_message("g", {"rare"});
  attach.claims.push_back({held[3].id, 1, 1});
  attach.claims.push_back({held[7].id, 1, 1});
  REQUIRE(client.attach(attach).claimed.size() == 2);
  CHECK(events_of(client.deliveries()) == std::vector<std::uint64_t>{5, 15, 25, 45, 55, 65, 85, 95});
  CHECK(figure(client, "g", "floor") == 5);
  REQUIRE(client.ack(held[3])[0].status == OutcomeStatus::stored);
  REQUIRE(client.ack(held[7])[0].status == OutcomeStatus::stored);
  CHECK(figure(client, "g", "floor") == 5);
}

TEST_CASE("what a member holds of a rare topic comes again when it is lost, and a dead letter is made of it") {
  BrokerDriver proxy(on_disk());
  TestClient client(proxy, "shop/1");
  client.hello();
  publish_mixed(client, 0, 200);
  client.attach("g", {"rare"});
  auto held = client.deliveries();
  REQUIRE(held.size() == 20);
  client.send(wire::Detach{1});
  TestClient next(proxy, "shop/2");
  next.hello();
  next.attach("g", {"rare"});
  held = next.deliveries();
  CHECK(events_of(held) == rare_between(0, 200));
  REQUIRE(next.settle({TestClient::turn({held[7].settlement(wire::Verdict::reject)})})[0].status ==
          OutcomeStatus::stored);
  CHECK(proxy.stored().back().topic == "_spindle.dead.g");
}

TEST_CASE(
    "events of another topic that a member claims as its own are handed out and buried, not looked for for ever") {
  BrokerDriver proxy(on_disk());
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {"rare"});
  publish_mixed(client, 0, 6);
  const auto held = client.deliveries();
  REQUIRE(events_of(held) == std::vector<std::uint64_t>{5});
  publish_mixed(client, 6, 9);
  proxy.restart();
  client.reconnect();
  client.hello();
  auto attach = client.attach_message("g", {"rare"});
  Delivered lie = held[0];
  lie.id.offset = 7;  // never handed out to anybody
  attach.claims.push_back({lie.id, 1, 1});
  REQUIRE(client.attach(attach).claimed.size() == 1);
  const auto again = client.deliveries();
  CHECK(events_of(again) == std::vector<std::uint64_t>{5});
  REQUIRE(client.ack(again.at(0))[0].status == OutcomeStatus::stored);
  CHECK(figure(client, "g", "position") == 9);
  CHECK(figure(client, "g", "floor") == 7);
  SECTION("rejected: to be buried") {
    REQUIRE(client.settle({TestClient::turn({lie.settlement(wire::Verdict::reject)})})[0].status ==
            OutcomeStatus::stored);
    CHECK(proxy.stored().back().topic == "_spindle.dead.g");
  }
  SECTION("given back: to be handed out again") {
    client.send(wire::Detach{1});
    client.attach("g", {"rare"});
    publish_mixed(client, 9, 16);
    CHECK(events_of(client.deliveries()) == std::vector<std::uint64_t>{15});
  }
}
