#include "test_client.hpp"

#include "spindle/wire/limits.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;

TEST_CASE("published names number, count and first offset") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1, 2});
  client.publish("b", {3});
  const auto first = client.published();
  REQUIRE(first->number == 1);
  REQUIRE(first->events == 2);
  REQUIRE(first->first_offset == 0);
  REQUIRE(client.published()->first_offset == 2);
}

TEST_CASE("commits of one loop turn are answered together, when all are durable") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.by_hand = true;
  client.publish("a", {1});
  client.publish("a", {2});
  proxy.commit(false);
  proxy.collect();
  REQUIRE(client.look().empty());
  client.publish("a", {3});
  proxy.commit();
  proxy.collect();
  REQUIRE(client.take<wire::Published>()->outcomes.size() == 2);
  REQUIRE(client.take<wire::Published>()->outcomes.size() == 1);
}

TEST_CASE("several packets are one commit") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish({client.packet("a", {1, 2}), client.packet("b", {3}), client.packet("a", {4})});
  REQUIRE(client.published()->events == 4);
  REQUIRE(proxy.stored().size() == 3);

  proxy.restart();
  client.reconnect();
  REQUIRE(client.hello().last_number == 1);
  client.next_commit = 1;
  client.publish("a", {1, 2});
  const auto again = client.published();
  REQUIRE(again->status == OutcomeStatus::stored);
  REQUIRE(again->events == 4);
  REQUIRE(again->first_offset == 0);
}

TEST_CASE("a commit of several packets survives whole or not at all") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    BrokerDriver proxy;
    TestClient client(proxy, "shop/1");
    client.hello();
    client.publish("a", {0});
    proxy.by_hand = true;
    client.publish({client.packet("a", {1}), client.packet("b", {2}), client.packet("c", {3})});
    proxy.files().cut_power_at(proxy.files().operations() + 1 + seed % 2, seed);
    auto decided = proxy.broker().take_batch(proxy.now());
    proxy.power_cut(seed);
    proxy.start();
    const auto stored = proxy.stored().size();
    REQUIRE((stored == 1 || stored == 4));
    proxy.by_hand = false;
    client.reconnect();
    REQUIRE(client.hello().last_number == (stored == 4 ? 2 : 1));
  }
}

TEST_CASE("a repeat is not stored again and is answered as the first time") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1, 2});
  client.publish("not a topic", {3});
  client.publish("a", {4});
  const auto stored = client.published();
  const auto refused = client.published();
  REQUIRE(refused->status == OutcomeStatus::refused);
  REQUIRE(refused->code == ErrorCode::malformed);
  const auto count = proxy.stored().size();

  if (GENERATE(false, true)) proxy.restart();
  client.reconnect();
  REQUIRE(client.hello().last_number == 3);
  client.next_commit = 1;
  client.publish("a", {1, 2});
  const auto stored_again = client.published();
  REQUIRE(stored_again->status == OutcomeStatus::stored);
  REQUIRE(stored_again->first_offset == stored->first_offset);
  REQUIRE(stored_again->events == 2);
  client.publish("a", {99});
  const auto refused_again = client.published();
  REQUIRE(refused_again->status == OutcomeStatus::refused);
  REQUIRE(refused_again->code == refused->code);
  REQUIRE(refused_again->text == refused->text);
  REQUIRE(proxy.stored().size() == count);
}

TEST_CASE("a repeat from before the window of recent commits is known as stored") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  for (std::uint64_t i = 0; i < limits::commits_in_flight_max + 10; ++i) client.publish("a", {i});
  client.look();
  client.inbox.clear();
  if (GENERATE(false, true)) {
    proxy.restart();
    client.reconnect();
    client.hello();
  }
  client.next_commit = 2;
  client.publish("a", {1});
  REQUIRE(client.published()->status == OutcomeStatus::stored_before);
  client.next_commit = 11;
  client.publish("a", {1});
  REQUIRE(client.published()->status == OutcomeStatus::stored);
}

TEST_CASE("a gap ends the session") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.by_hand = true;
  client.publish("a", {1});
  client.next_commit = 3;
  client.publish("a", {3});
  proxy.settle();
  REQUIRE(client.look().size() == 2);
  REQUIRE(client.inbox[0].envelope.kind == wire::Kind::published);
  REQUIRE(client.error() == "number_gap");
  client.publish("a", {4});
  proxy.settle();
  REQUIRE(client.error() == "unknown_session");
}

TEST_CASE("a refused commit consumes its number and later ones go on") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  auto refused = [&](std::vector<wire::TopicPacket> packets) {
    client.publish(std::move(packets));
    const auto outcome = client.published();
    REQUIRE(outcome);
    REQUIRE(outcome->status == OutcomeStatus::refused);
    return name(outcome->code);
  };
  auto with = [&](Bytes packet) {
    return std::vector<wire::TopicPacket>{{SharedBytes::own("a"), SharedBytes::own(std::move(packet))}};
  };
  REQUIRE(refused({client.packet("_spindle.dead.g", {1})}) == "denied");
  REQUIRE(refused({client.packet("a", {1}), client.packet("b..c", {2})}) == "malformed");
  REQUIRE(refused(with(packet_of("shop/2", client.epoch, 1, {1}))) == "denied");
  REQUIRE(refused(with(packet_of("shop/1", client.epoch + 1, 1, {1}))) == "malformed");
  REQUIRE(refused(with(packet_of("shop/1", client.epoch, 1, {}))) == "malformed");
  REQUIRE(refused(with("rubbish")) == "malformed");
  REQUIRE(refused({}) == "malformed");
  client.publish("a", {7});
  const auto stored = client.published();
  REQUIRE(stored->number == 8);
  REQUIRE(stored->first_offset == 0);
  REQUIRE(proxy.stored().size() == 1);
}

TEST_CASE("a refusal that quotes bytes which are not text does not damage the log") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish({{SharedBytes::own("\xff\xfe topic"), SharedBytes::own("x")}});
  const auto refused = client.published();
  REQUIRE(refused->status == OutcomeStatus::refused);
  proxy.restart();
  client.reconnect();
  REQUIRE(client.hello().last_number == 1);
}

TEST_CASE("a full disk halts publishes until they are resumed") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  REQUIRE(client.published());
  leave_space(proxy, proxy.config().disk_reserve_bytes);
  const auto halted_at = client.publish("a", {2});
  const auto halted = client.take<wire::Halted>();
  REQUIRE(halted->number == halted_at);
  REQUIRE(halted->code == "spool_full");
  client.publish("a", {3});
  proxy.broker().on_space(1ull << 40);
  client.publish("a", {4});
  REQUIRE(client.look().empty());

  client.send(wire::Resume{halted_at});
  client.next_commit = halted_at;
  client.publish("a", {2});
  REQUIRE(client.published()->number == halted_at);
  REQUIRE(proxy.stored().size() == 2);
}

TEST_CASE("on a full disk turns that publish go on below publishes, and acks always") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1, 2, 3});
  client.attach("g", {"a"});
  const auto held = client.deliveries();
  auto publishes = [&](const Delivered& delivered) {
    return TestClient::turn({delivered.settlement()}, {{0, 0, 1}});
  };
  leave_space(proxy, proxy.config().disk_reserve_bytes * 3 / 4);
  REQUIRE(client.settle({publishes(held[0])}, {client.packet("b", {4})})[0].events == 1);
  leave_space(proxy, proxy.config().disk_reserve_bytes / 2);
  client.send_settle(client.next_commit, {publishes(held[1])}, {client.packet("b", {5})});
  REQUIRE(client.take<wire::Halted>()->number == client.next_commit);
  client.send(wire::Resume{client.next_commit});
  REQUIRE(client.ack(held[2])[0].status == OutcomeStatus::stored);

  // What was stored before is answered whatever the disk.
  client.send_settle(2, {publishes(held[0])}, {client.packet("b", {4})});
  REQUIRE(client.take<wire::Settled>()->outcomes[0].events == 1);
}

TEST_CASE("who sends far more than the window loses its session") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.by_hand = true;
  const std::vector<std::uint64_t> many(60'000, ~0ull);
  for (int i = 0; i < 40; ++i) client.publish("a", many);
  proxy.settle();
  REQUIRE(client.error() == "window_exceeded");
}

TEST_CASE("the window frees itself with what becomes durable") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  const std::vector<std::uint64_t> many(60'000, ~0ull);
  for (int i = 0; i < 40; ++i) client.publish("a", many);
  REQUIRE(client.error() == "");
}

TEST_CASE("a commit that no segment could hold is refused") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = 4096;
  BrokerDriver proxy(setup);
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", std::vector<std::uint64_t>(2'000, ~0ull));
  REQUIRE(client.published()->code == ErrorCode::too_large);
  client.publish("a", {1});
  REQUIRE(client.published()->status == OutcomeStatus::stored);
}

TEST_CASE("commit number 0 does not exist") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.next_commit = 0;
  client.publish("a", {1});
  REQUIRE(client.error() == "malformed");
}

TEST_CASE("a proxy without a spool refuses durable work") {
  BrokerDriver::Setup setup;
  setup.has_spool = false;
  BrokerDriver proxy(setup);
  TestClient client(proxy, "shop/1");
  REQUIRE(client.hello().spool.empty());
  REQUIRE(client.epoch > 0);
  client.publish("a", {1});
  REQUIRE(client.published()->code == ErrorCode::no_spool);
  for (int i = 0; i < 100; ++i) {
    const auto settled = client.settle({TestClient::turn({}, {{0, 0, 1}})}, {client.packet("a", {1})});
    REQUIRE(settled[0].code == ErrorCode::no_spool);
  }
  client.send(client.attach_message("g", {">"}));
  REQUIRE(client.error() == "no_spool");
  proxy.advance(1s);

  TestClient newer(proxy, "shop/1");
  newer.hello();
  REQUIRE(client.error() == "fenced");
}

TEST_CASE("what is captured stands under the proxy's name and says whose it was") {
  BrokerDriver proxy;
  wire::PacketBuilder builder;
  builder.add("\x07", "\x81\xa1k\x01");
  wire::PacketHeader header;
  header.source = "till/1";
  header.epoch = 5;
  const Bytes packet = builder.finish(header);
  REQUIRE(proxy.broker().on_captured("a", packet, proxy.now()));
  Bytes event;
  wire::Writer to(event);
  to.map(5).str("specversion").str("1.0").str("id").str("x").str("source").str("till/2").str("type").str("a");
  to.str("data").uint(9);
  REQUIRE(proxy.broker().on_captured("a", event, proxy.now()));
  REQUIRE(proxy.broker().on_captured("_spindle.x", packet, proxy.now()));
  REQUIRE(proxy.broker().on_captured("a", "rubbish", proxy.now()).error().code == ErrorCode::malformed);
  proxy.settle();
  const auto stored = proxy.stored();
  REQUIRE(stored.size() == 2);
  wire::Values values;
  auto first = wire::Packet::parse(stored[0].packet, values);
  REQUIRE(first->header().source == "_spindle/proxy");
  REQUIRE(first->header().event_class == wire::EventClass::durable);
  REQUIRE(first->header().attributes.find("till/1") != BytesView::npos);
  REQUIRE(first->events()[0].attributes == "\x81\xa1k\x01");
  auto second = wire::Packet::parse(stored[1].packet, values);
  REQUIRE(second->header().topic_count == 1);
  REQUIRE(second->events()[0].attributes.find("till/2") != BytesView::npos);
  proxy.restart();
  REQUIRE(proxy.stored().size() == 2);
}

TEST_CASE("a captured packet at the limits does not damage the log") {
  BrokerDriver proxy;
  Bytes attributes;
  wire::Writer to(attributes);
  to.map(64);
  for (int i = 0; i < 64; ++i) to.str("a" + std::to_string(i)).uint(1);
  wire::PacketHeader header;
  header.source = "till/1";
  header.attributes = attributes;
  wire::PacketBuilder builder;
  builder.add(Bytes(1, '\xc0'));
  REQUIRE(proxy.broker().on_captured("a", builder.finish(header), proxy.now()));
  header.attributes = {};
  builder.add(Bytes(limits::event_bytes_max, 'x'));
  builder.add(Bytes(limits::packet_bytes_max - limits::event_bytes_max - 60, 'x'));
  const Bytes largest = builder.finish(header);
  REQUIRE(largest.size() <= limits::packet_bytes_max);
  (void)proxy.broker().on_captured("a", largest, proxy.now());  // stored or refused: either way the log stays whole
  proxy.settle();
  REQUIRE(proxy.stored().size() >= 1);
  proxy.restart();
}
