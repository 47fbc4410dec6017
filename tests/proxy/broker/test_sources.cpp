// Which sources the log remembers, and for how long.
#include "proxy/source_table.hpp"
#include "spindle/spool/recovery.hpp"
#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;

namespace {

constexpr Duration day = 24h;

/// Bytes of the state at the head of the newest segment, which a restart has just begun.
std::uint64_t state_bytes(BrokerDriver& proxy) {
  proxy.restart();
  auto segments = spool::list_segments(proxy.files(), "spool");
  REQUIRE(segments);
  return segments->back().header.head_end;
}

/// What a client is told that comes back as the process it was.
std::string told_when_back(TestClient& client) {
  client.reconnect();
  client.say_hello();
  client.look();
  return client.error();
}

/// A source that has stored a commit and whose connection is gone.
TestClient stored_one(BrokerDriver& proxy, const std::string& name) {
  TestClient client(proxy, name);
  client.hello();
  client.publish("a", {1});
  REQUIRE(client.published()->status == OutcomeStatus::stored);
  client.acknowledged = 1;
  proxy.disconnect(client.peer);
  proxy.broker().on_unreachable(client.peer, proxy.now());
  proxy.advance(11s);
  return client;
}

}  // namespace

TEST_CASE("an idle source is forgotten, and told so when it comes back") {
  BrokerDriver proxy;
  TestClient client = stored_one(proxy, "shop/1");
  proxy.advance(30 * day - 1h);
  REQUIRE(told_when_back(client) == "");
  proxy.disconnect(client.peer);
  proxy.broker().on_unreachable(client.peer, proxy.now());
  proxy.advance(11s);  // its session ends: idle from here on
  proxy.advance(29 * day);
  REQUIRE(told_when_back(client) == "");

  proxy.disconnect(client.peer);
  proxy.broker().on_unreachable(client.peer, proxy.now());
  proxy.advance(11s);
  proxy.advance(30 * day + 10min);
  if (GENERATE(false, true)) proxy.restart();
  REQUIRE(told_when_back(client) == "source_forgotten");
  client.acknowledged = 0;  // the epoch alone says that it was known
  REQUIRE(told_when_back(client) == "source_forgotten");
  client.epoch = 0;
  client.spool = "";
  REQUIRE(client.hello().last_number == 0);
}

TEST_CASE("a forgotten source that takes itself for new but numbers on is told so, not accepted") {
  BrokerDriver proxy;
  TestClient client = stored_one(proxy, "shop/1");
  proxy.advance(30 * day + 10min);
  client.reconnect();
  client.epoch = client.acknowledged = 0;
  client.spool = "";
  client.hello();
  client.next_commit = 2;
  const bool settles = GENERATE(false, true);
  if (settles) {
    wire::Settlement settlement;
    settlement.member = 1;
    settlement.first = {1, 1, 1, 0};
    client.send_settle(2, {TestClient::turn({settlement})});
  } else {
    client.publish("a", {2});
  }
  REQUIRE(client.error() == "source_forgotten");
  REQUIRE(proxy.stored().size() == 1);
}

TEST_CASE("a source with a session is never forgotten, however little it says") {
  BrokerDriver::Setup setup;
  setup.config.lease = 2'000h;
  BrokerDriver proxy(setup);
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  proxy.advance(40 * day);
  proxy.advance(40 * day);
  const std::uint64_t next = client.publish("a", {2});
  REQUIRE(client.published()->number == 1);
  REQUIRE(client.published()->number == next);
}

TEST_CASE("a restart gives those that were idle the time to come back") {
  BrokerDriver::Setup setup;
  setup.config.lease = 2'000h;
  BrokerDriver proxy(setup);
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  client.acknowledged = 1;
  for (int i = 0; i < 40; ++i) proxy.advance(1 * day);
  proxy.restart();  // its session is unknown now, and its commit long ago
  proxy.advance(30min);
  REQUIRE(told_when_back(client) == "");
}

TEST_CASE("the time in which no proxy runs does not count") {
  BrokerDriver proxy;
  TestClient client = stored_one(proxy, "shop/1");
  for (int i = 0; i < 10; ++i) {
    proxy.kill();
    proxy.jump_wall_clock(100 * day);
    proxy.start();
    proxy.advance(2 * day);
  }
  REQUIRE(told_when_back(client) == "");
}

TEST_CASE("wall_clock_jump_1y: no source is forgotten by it, and none remembered for ever") {
  BrokerDriver::Setup setup;
  setup.config.retention.keep_for = 40'000 * day;  // events do grow old by the wall clock
  BrokerDriver proxy(setup);
  TestClient client = stored_one(proxy, "shop/1");
  const Duration jump = GENERATE(365 * day, -365 * day);
  const bool restarts = GENERATE(false, true);
  proxy.jump_wall_clock(jump);
  if (restarts) proxy.restart();
  proxy.advance(1h);
  client.reconnect();
  REQUIRE(client.hello().last_number == 1);
  client.next_commit = 1;
  client.publish("a", {1});
  REQUIRE(client.published()->status == OutcomeStatus::stored);
  REQUIRE(proxy.stored().size() == 1);

  TestClient other = stored_one(proxy, "shop/2");
  proxy.jump_wall_clock(-jump);
  if (restarts) proxy.restart();
  proxy.advance(29 * day);
  REQUIRE(told_when_back(other) == "");
  TestClient third = stored_one(proxy, "shop/3");
  proxy.advance(30 * day + 10min);
  REQUIRE(told_when_back(third) == "source_forgotten");
}

TEST_CASE("many idle sources are forgotten some at a time, and the proxy asks to go on at once") {
  BrokerDriver proxy;
  std::vector<TestClient> clients;
  for (int i = 0; i < 1'000; ++i) {
    clients.emplace_back(proxy, "shop/" + std::to_string(i));
    clients.back().hello();
  }
  proxy.advance(11s);
  const std::uint64_t all = state_bytes(proxy);
  proxy.by_hand = true;
  std::size_t turns = 0;
  proxy.advance(31 * day);
  const auto is_due = [&] {
    const auto next = proxy.broker().next_deadline();
    return next && *next < proxy.now().instant;
  };
  for (; turns < 100 && is_due(); ++turns) {
    proxy.settle();
    proxy.advance(1ms);
  }
  proxy.settle();
  REQUIRE(turns >= 1'000 / 256);
  REQUIRE(turns < 20);
  proxy.by_hand = false;
  REQUIRE(state_bytes(proxy) + 1'000 * 10 < all);
  REQUIRE(told_when_back(clients[0]) == "source_forgotten");
}

TEST_CASE("a shell loop of 100,000 `spindle pub` calls fills nothing") {
  BrokerDriver proxy;
  const std::uint64_t empty = state_bytes(proxy);
  for (std::uint64_t i = 0; i < sources_max + 1'000; ++i) {
    TestClient client(proxy, "pub/" + std::to_string(i) + "/0");
    client.hello();
    client.publish("a", {i});
    REQUIRE(client.published());
    client.send(wire::Goodbye{"done"});
    proxy.take(client.peer);
  }
  REQUIRE(proxy.stored().size() == sources_max + 1'000);
  REQUIRE(state_bytes(proxy) < empty + 100);
}

TEST_CASE("100,000 sources that never say goodbye fill the table, which says what to do") {
  BrokerDriver::Setup setup;
  setup.config.lease = 1s;
  BrokerDriver proxy(setup);
  for (std::uint64_t i = 0; i < sources_max; ++i) {
    TestClient client(proxy, "pub/" + std::to_string(i) + "/0");
    client.hello();
    client.publish("a", {i});
    proxy.take(client.peer);
    if (i % 5'000 == 0) proxy.advance(2s);
  }
  proxy.advance(2s);
  TestClient one_more(proxy, "one-more");
  one_more.say_hello();
  const auto error = one_more.take<wire::ErrorMessage>();
  REQUIRE(error);
  REQUIRE(error->code == "too_many");
  REQUIRE(error->error_class == "passing");
  REQUIRE(error->text.find("--forget-sources-after") != std::string::npos);
  TestClient known(proxy, "pub/77/0");
  REQUIRE(known.hello().last_number == 1);
  WARN("state of 100,000 sources with a commit each: " << state_bytes(proxy) << " bytes");
}

TEST_CASE("what is stored is known across restarts and trimming") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  BrokerDriver proxy(setup);
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  client.publish("not a topic", {2});
  const auto stored = client.published();
  const auto refused = client.published();
  REQUIRE(refused->status == OutcomeStatus::refused);
  TestClient other(proxy, "shop/2");
  other.hello();
  while (proxy.segments_made < 6) other.publish("b", {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  proxy.kill();
  auto segments = spool::list_segments(proxy.files(), "spool");
  REQUIRE(segments);
  for (std::size_t i = 0; i + 2 < segments->size(); ++i) {
    REQUIRE(proxy.files().remove("spool/" + (*segments)[i].name()));
  }
  proxy.start();
  client.reconnect();
  client.acknowledged = 2;
  REQUIRE(client.hello().last_number == 2);
  client.next_commit = 1;
  client.publish("a", {1});
  REQUIRE(client.published()->first_offset == stored->first_offset);
  client.publish("not a topic", {2});
  const auto again = client.published();
  REQUIRE(again->code == refused->code);
  REQUIRE(again->text == refused->text);
}
