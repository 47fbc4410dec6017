#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

TEST_CASE("hello grants an epoch only when it is durable") {
  BrokerDriver proxy;
  proxy.by_hand = true;
  TestClient client(proxy, "shop/1");
  client.say_hello();
  proxy.collect();
  REQUIRE(client.look().empty());

  SECTION("then it is told") {
    proxy.commit();
    proxy.collect();
    REQUIRE(client.take<wire::Welcome>()->epoch > 0);
  }
  SECTION("and no other process ever has it, whatever the power cut keeps") {
    proxy.commit(false);
    proxy.power_cut(1);
    proxy.start();
    TestClient other(proxy, "shop/2");
    proxy.by_hand = false;
    const auto epoch = other.hello().epoch;
    REQUIRE(client.hello().epoch != epoch);
  }
}

TEST_CASE("a new process of a source fences the older one") {
  BrokerDriver proxy;
  TestClient older(proxy, "shop/1");
  older.hello();
  TestClient newer(proxy, "shop/1");
  const auto welcome = newer.hello();
  REQUIRE(welcome.epoch > older.epoch);
  REQUIRE(older.error() == "fenced");

  older.publish("a", {1});
  REQUIRE(older.error() == "unknown_session");
  older.say_hello();
  REQUIRE(older.error() == "fenced");

  proxy.restart();
  older.reconnect();
  older.say_hello();
  REQUIRE(older.error() == "fenced");
}

TEST_CASE("a process that reconnects with its epoch keeps its members and what they hold") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1, 2});
  const auto held = client.deliveries();
  REQUIRE(held.size() == 2);

  client.reconnect();
  const auto epoch = client.epoch;
  REQUIRE(client.hello().epoch == epoch);
  SECTION("when it claims them") {
    auto attach = client.attach_message("g", {">"});
    attach.create = false;
    attach.claims.push_back({held[0].id, 2, 1});
    const auto attached = client.attach(attach);
    REQUIRE(attached.claimed.size() == 1);
    REQUIRE(attached.claimed[0].count == 2);
    REQUIRE(client.deliveries().empty());
    REQUIRE(client.ack(held[1])[0].status == wire::OutcomeStatus::stored);
  }
  SECTION("and gets anew what it does not claim, uncounted") {
    auto attach = client.attach_message("g", {">"});
    client.attach(attach);
    const auto again = client.deliveries();
    REQUIRE(events_of(again) == std::vector<std::uint64_t>{1, 2});
    REQUIRE(again[0].attempt == 1);
    REQUIRE(client.ack(held[0])[0].code == ErrorCode::stale);
  }
  SECTION("but a member that it does not attach again gives them back after a lease") {
    TestClient other(proxy, "shop/2");
    other.hello();
    other.attach("g", {">"});
    REQUIRE(other.deliveries().empty());
    for (int i = 0; i < 12; ++i) {
      client.send(wire::Renew{{client.session, other.session}});
      proxy.advance(1s);
    }
    const auto again = other.deliveries();
    REQUIRE(again.size() == 2);
    REQUIRE(again[0].attempt == 1);
  }
}

TEST_CASE("a claim with holes is granted whole") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1, 2, 3, 4, 5});
  const auto held = client.deliveries();
  client.ack(held[2]);

  const bool restarted = GENERATE(false, true);
  if (restarted) proxy.restart();
  client.reconnect();
  client.hello();
  auto attach = client.attach_message("g", {">"});
  attach.claims = {{held[0].id, 2, 1}, {held[3].id, 2, 1}};
  REQUIRE(client.attach(attach).claimed.size() == 2);
  REQUIRE(client.deliveries().empty());
  for (int i : {4, 0, 3, 1}) REQUIRE(client.ack(held[std::size_t(i)])[0].status == wire::OutcomeStatus::stored);
}

TEST_CASE("claims of what was never handed out are not granted") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1, 2, 3});
  auto attach = client.attach_message("g", {">"});
  SECTION("an invented hand-out of this run") { attach.claims = {{{2, 1, (2ull << 40) + 5, 0}, 3, 1}}; }
  SECTION("events beyond the end of the log") { attach.claims = {{{1, 1, 1, 3}, 60'000, 1}}; }
  SECTION("another generation") { attach.claims = {{{1, 7, 1, 0}, 3, 1}}; }
  REQUIRE(client.attach(attach).claimed.empty());
  REQUIRE(client.deliveries().size() == 3);
}

TEST_CASE("ranges of offsets that run over the last number are malformed") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  auto attach = client.attach_message("g", {">"});
  attach.claims = {{{1, 1, 1, ~0ull - 1}, 3, 1}};
  client.send(attach);
  REQUIRE(client.error() == "malformed");
}

TEST_CASE("a client whose lease ended while its connection is up is told to say hello again") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.look();
  client.inbox.clear();
  proxy.advance(11s);
  REQUIRE(client.error() == "unknown_session");
}

TEST_CASE("a keeper does not keep a session whose connection is lost") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.broker().on_unreachable(client.peer, proxy.now());
  TestClient keeper(proxy, "");
  for (int i = 0; i < 3; ++i) {
    keeper.send(wire::Renew{{client.session}});
    proxy.advance(5s);
  }
  client.publish("a", {1});
  REQUIRE(client.error() == "unknown_session");
}

TEST_CASE("a source that said goodbye cannot come back under its old epoch") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  client.send(wire::Goodbye{"done"});
  client.reconnect();
  client.say_hello();
  REQUIRE(client.error() == "source_forgotten");
}

TEST_CASE("a claim of a delivery whose attempt failed meanwhile is not granted") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.attach("g", {">"});
  client.publish("a", {1});
  const auto held = client.deliveries()[0];
  client.send(wire::Credit{1, 0, 0});
  proxy.by_hand = true;  // its retry is stored, and the answer is lost with the connection
  auto retry = held.settlement(wire::Verdict::retry);
  retry.retry_after_ms = 0;
  client.send_settle(client.next_commit++, {TestClient::turn({retry})});
  client.reconnect();
  proxy.by_hand = false;
  client.hello();
  auto attach = client.attach_message("g", {">"});
  attach.claims = {{held.id, 1, held.attempt}};
  REQUIRE(client.attach(attach).claimed.empty());
  REQUIRE(client.deliveries()[0].attempt == 2);
}

TEST_CASE("unknown_session is said once for a connection") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.session = 77;
  for (int i = 0; i < 5; ++i) client.publish("a", {1});
  REQUIRE(client.look().size() == 1);
  REQUIRE(client.error() == "unknown_session");
  client.hello();
  proxy.restart();
  client.publish("a", {1});
  REQUIRE(client.error() == "unknown_session");
}

TEST_CASE("a renew in a session that the proxy does not know is answered, one from a keeper is not") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.session = 77;
  client.send(wire::Renew{{77}});
  REQUIRE(client.error() == "unknown_session");
  TestClient keeper(proxy, "");
  keeper.send(wire::Renew{{77}});
  REQUIRE(keeper.look().empty());
}

TEST_CASE("a lease that is not renewed ends the session") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.advance(9s);
  SECTION("any message renews it") { client.publish("a", {1}); }
  SECTION("so does a keeper on another connection") {
    TestClient keeper(proxy, "");
    keeper.send(wire::Renew{{client.session}});
  }
  client.look();
  client.inbox.clear();
  proxy.advance(9s);
  client.publish("a", {2});
  REQUIRE(client.error() == "");
  proxy.advance(10s);
  client.publish("a", {3});
  REQUIRE(client.error() == "unknown_session");
}

TEST_CASE("next_deadline says when a lease ends") {
  BrokerDriver proxy;
  REQUIRE_FALSE(proxy.broker().next_deadline());
  TestClient client(proxy, "shop/1");
  client.hello();
  REQUIRE(proxy.broker().next_deadline() == proxy.now().instant + 10s);
}

TEST_CASE("goodbye forgets a source that has nothing outstanding") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  client.send(wire::Goodbye{"done"});
  if (GENERATE(false, true)) proxy.restart();
  TestClient again(proxy, "shop/1");
  REQUIRE(again.hello().last_number == 0);
  REQUIRE(again.epoch > client.epoch);
}

TEST_CASE("goodbye keeps a source whose commits are not durable yet") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.by_hand = true;
  client.publish("a", {1});
  client.send(wire::Goodbye{"done"});
  proxy.by_hand = false;
  TestClient again(proxy, "shop/1");
  REQUIRE(again.hello().last_number == 1);
}

TEST_CASE("a source that the log lost is told so") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.acknowledged = 4;
  client.say_hello();
  REQUIRE(client.error() == "source_forgotten");

  client.acknowledged = 0;
  client.hello();
  client.publish("a", {1});
  client.acknowledged = 3;
  client.reconnect();
  client.say_hello();
  REQUIRE(client.error() == "spool_rolled_back");

  client.acknowledged = 1;
  client.spool = "another";
  client.say_hello();
  REQUIRE(client.error() == "source_forgotten");
}

TEST_CASE("a hello that comes late does not fence the process that said it on another connection meanwhile") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.process = 7;
  TestClient given_up(proxy, "shop/1");
  given_up.process = 7;
  given_up.hellos = client.hellos;
  client.hellos += 1;
  client.hello();
  given_up.say_hello();
  REQUIRE_FALSE(given_up.take<wire::Welcome>());
  REQUIRE(client.error() == "");
  client.publish("a", {1});
  REQUIRE(client.take<wire::Published>());
}

TEST_CASE("a process that missed its welcome is no new one when it says hello again") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.process = 7;
  const auto missed = client.hello();
  client.attach("g", {"a"});
  client.reconnect();
  client.epoch = 0;
  REQUIRE(client.hello().epoch == missed.epoch);
  TestClient other(proxy, "shop/1");
  other.process = 8;
  REQUIRE(other.hello().epoch > missed.epoch);
  REQUIRE(client.error() == "fenced");
}

TEST_CASE("a hello that cannot be is refused by name") {
  BrokerDriver proxy;
  SECTION("a foreign source") {
    TestClient client(proxy, "_spindle/proxy");
    client.say_hello();
    REQUIRE(client.error() == "denied");
  }
  SECTION("a name that is not one") {
    TestClient client(proxy, "shop 1");
    client.say_hello();
    REQUIRE(client.error() == "malformed");
  }
  SECTION("a protocol from the future") {
    TestClient client(proxy, "shop/1");
    wire::Hello hello;
    hello.protocol_min = hello.protocol_max = 2;
    client.send(hello);
    REQUIRE(client.error() == "unsupported_version");
  }
}

TEST_CASE("a session without a source administers and cannot publish or attach") {
  BrokerDriver proxy;
  TestClient admin(proxy, "");
  admin.hello();
  REQUIRE(admin.epoch == 0);
  admin.send(wire::Admin{"groups", ""});
  REQUIRE(admin.take<wire::AdminReply>());
  admin.publish("a", {1});
  REQUIRE(admin.error() == "denied");
  admin.send(admin.attach_message("g", {">"}));
  REQUIRE(admin.error() == "denied");
}

TEST_CASE("nobody gets a message before one that was sent earlier") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  client.attach("g", {">"});
  client.deliveries();
  client.reconnect();
  client.hello();

  proxy.by_hand = true;
  TestClient other(proxy, "shop/2");
  other.say_hello();  // something that is not durable yet
  client.send(client.attach_message("g", {">"}));
  proxy.read();
  proxy.collect();
  REQUIRE(client.look().empty());
  proxy.commit();
  proxy.collect();
  REQUIRE(client.look().size() == 2);
  REQUIRE(client.inbox[0].envelope.kind == wire::Kind::attached);
  REQUIRE(client.inbox[1].envelope.kind == wire::Kind::deliver);
}

TEST_CASE("a proxy that stops says goodbye to every session") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.broker().say_goodbye(proxy.now());
  proxy.collect();
  REQUIRE(client.take<wire::Goodbye>());
}
