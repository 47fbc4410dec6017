// A proxy on an older copy of a spool: what is lost is said exactly, and nothing of the lost time is mistaken for the
// new.
#include "spindle/spool/backup.hpp"
#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;

namespace {

/// Takes a backup of the running proxy's spool, on which go_back() starts another.
void back_up(BrokerDriver& proxy) { REQUIRE(spool::backup(proxy.files(), "spool", "copy")); }

void go_back(BrokerDriver& proxy) {
  proxy.kill();
  proxy.directory = "copy";
  proxy.start();
}

}  // namespace

TEST_CASE("a producer that was acknowledged beyond a restored copy is told the exact range, and goes on") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  const auto before = client.hello();
  for (std::uint64_t i = 1; i <= 3; ++i) client.publish("a", {i});
  back_up(proxy);
  for (std::uint64_t i = 4; i <= 7; ++i) client.publish("a", {i});
  go_back(proxy);

  client.reconnect();
  client.incarnation = before.incarnation;
  client.acknowledged = 7;
  client.say_hello();
  const auto error = client.take<wire::ErrorMessage>();
  REQUIRE(error);
  REQUIRE(error->code == "spool_rolled_back");
  REQUIRE(error->text.find("commits 4 to 7 of source shop/1") != std::string::npos);

  client.acknowledged = 0;
  client.spool = "";
  client.incarnation = 0;
  const auto after = client.hello();
  REQUIRE(after.spool == before.spool);
  REQUIRE(after.incarnation > before.incarnation);
  REQUIRE(after.last_number == 3);
  client.publish("a", {8});
  REQUIRE(client.published()->status == OutcomeStatus::stored);
  REQUIRE(proxy.stored().size() == 4);
}

TEST_CASE("a source that the copy does not know was rolled back to nothing") {
  BrokerDriver proxy;
  back_up(proxy);
  TestClient client(proxy, "shop/1");
  client.incarnation = client.hello().incarnation;
  client.publish("a", {1});
  go_back(proxy);
  client.reconnect();
  client.acknowledged = 1;
  client.say_hello();
  const auto error = client.take<wire::ErrorMessage>();
  REQUIRE(error);
  REQUIRE(error->code == "spool_rolled_back");
  REQUIRE(error->text.find("commits 1 to 1 of") != std::string::npos);
  client.acknowledged = 0;  // then nothing is lost
  REQUIRE(client.hello().last_number == 0);
}

TEST_CASE("no epoch of the lost time is given again") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  back_up(proxy);
  std::uint64_t highest = 0;
  for (int i = 0; i < 50; ++i) {
    TestClient later(proxy, "later/" + std::to_string(i));
    highest = later.hello().epoch;
  }
  go_back(proxy);
  TestClient other(proxy, "other");
  REQUIRE(other.hello().epoch > highest);
  REQUIRE(other.epoch >= static_cast<std::uint64_t>(proxy.now().wall_ns / 1'000'000));
}

TEST_CASE("no delivery of the lost time can be settled or claimed in the restored one") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.incarnation = client.hello().incarnation;
  client.publish("a", {1, 2, 3});
  back_up(proxy);
  // The lost time: another run of the proxy, in which a group is made and gets the same hand-outs as will the new
  // one.
  proxy.restart();
  client.reconnect();
  client.hello();
  client.attach("g", {">"});
  const auto lost = client.deliveries();
  REQUIRE(lost.size() == 3);
  go_back(proxy);
  client.reconnect();
  client.hello();
  auto attach = client.attach_message("g", {">"});
  attach.claims = {{lost[0].id, 3, 1}};
  REQUIRE(client.attach(attach).claimed.empty());
  const auto held = client.deliveries();
  REQUIRE(held.size() == 3);
  for (const Delivered& one : lost) REQUIRE(client.ack(one)[0].code == ErrorCode::stale);
  for (const Delivered& one : held) REQUIRE(client.ack(one)[0].status == OutcomeStatus::stored);
}

TEST_CASE("a group in the copy loses no event of it and takes no settlement of the lost time") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.incarnation = client.hello().incarnation;
  client.attach("g", {">"});
  client.publish("a", {1, 2, 3});
  const auto first = client.deliveries();
  client.ack(first[0]);
  back_up(proxy);
  proxy.restart();  // a run of the lost time, whose number the next one has too
  client.reconnect();
  client.hello();
  client.attach("g", {">"});
  const auto lost = client.deliveries();
  REQUIRE(lost.size() == 2);
  client.publish("a", {4});
  go_back(proxy);
  client.reconnect();
  client.acknowledged = 0;
  client.hello();
  auto attach = client.attach_message("g", {">"});
  attach.claims = {{first[1].id, 2, 1}};
  REQUIRE(client.attach(attach).claimed.empty());
  const auto again = client.deliveries();
  REQUIRE(events_of(again) == std::vector<std::uint64_t>{2, 3});
  REQUIRE(client.ack(first[1])[0].code == ErrorCode::stale);
  REQUIRE(client.ack(lost[0])[0].code == ErrorCode::stale);
  client.publish("a", {5});
  REQUIRE(events_of(client.deliveries()) == std::vector<std::uint64_t>{5});
}

TEST_CASE("a client of another spool starts as a new process, whatever its epoch was there") {
  BrokerDriver proxy;
  TestClient here(proxy, "shop/1");
  here.hello();
  TestClient client(proxy, "shop/1");
  client.spool = "fedcba9876543210";
  client.epoch = here.epoch;  // by chance
  const auto welcome = client.hello();
  REQUIRE(welcome.epoch > here.epoch);
  REQUIRE(here.error() == "fenced");
}
