#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

namespace {

const Error failure{ErrorCode::io_error, "cannot sync spool/a.log: Input/output error"};

/// The batch that holds all that was decided could not be written.
void fail_disk(BrokerDriver& proxy) {
  REQUIRE(proxy.broker().take_batch(proxy.now()));
  proxy.broker().say_failed(failure);
  proxy.collect();
}

std::vector<wire::Kind> kinds(TestClient& client) {
  std::vector<wire::Kind> kinds;
  for (const Received& received : client.look()) kinds.push_back(received.envelope.kind);
  return kinds;
}

const std::vector<wire::Kind> error_and_goodbye{wire::Kind::error, wire::Kind::goodbye};

}  // namespace

TEST_CASE("eio_on_fsync_no_ack_no_retry: every session is told why, and no answer that waited is said") {
  BrokerDriver proxy;
  TestClient publisher(proxy, "shop/1");
  TestClient member(proxy, "shop/2");
  TestClient idle(proxy, "shop/3");
  TestClient admin(proxy, "");
  for (TestClient* client : {&publisher, &member, &idle, &admin}) client->hello();
  member.attach("g", {">"});
  publisher.publish("a", {1});
  REQUIRE(publisher.published());
  const auto held = member.deliveries();
  REQUIRE(held.size() == 1);

  proxy.by_hand = true;
  publisher.publish("a", {2});
  member.send_settle(member.next_commit, {TestClient::turn({held[0].settlement()})});
  fail_disk(proxy);

  for (TestClient* client : {&publisher, &member, &idle, &admin}) {
    CAPTURE(client->source());
    CHECK(kinds(*client) == error_and_goodbye);
    const auto error = client->inbox.at(0).as<wire::ErrorMessage>();
    CHECK(error.answers == 0);
    CHECK(error.code == "io_error");
    CHECK(error.error_class == "session");
    CHECK(error.text.find(failure.text) != std::string::npos);
    CHECK(client->inbox.at(0).envelope.session == client->session);
  }
}

TEST_CASE("what was durable before the disk failed is still said") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  proxy.by_hand = true;
  client.publish("a", {1});
  REQUIRE(proxy.commit());  // durable, its answer not taken yet
  client.publish("a", {2});
  fail_disk(proxy);
  CHECK(kinds(client) == std::vector<wire::Kind>{wire::Kind::published, wire::Kind::error, wire::Kind::goodbye});
  const auto published = client.published();
  REQUIRE(published);
  CHECK(published->number == 1);
}

TEST_CASE("a duplicate's answer and a fencing do not leave before what they rest on, nor after the disk failed") {
  BrokerDriver proxy;
  TestClient older(proxy, "shop/1");
  older.hello();
  proxy.by_hand = true;
  older.publish("a", {1});
  --older.next_commit;
  older.publish("a", {1});  // the same again: its answer rests on the first
  TestClient newer(proxy, "shop/1");
  newer.say_hello();  // fences the older one by an epoch that is not durable
  proxy.collect();
  CHECK(kinds(older).empty());
  CHECK(kinds(newer).empty());
  fail_disk(proxy);
  CHECK(kinds(older).empty());  // its session was replaced, and the word of that is never said
  CHECK(kinds(newer) == std::vector<wire::Kind>{wire::Kind::error});
  const auto error = newer.inbox.at(0).as<wire::ErrorMessage>();
  CHECK(error.code == "io_error");
  CHECK(error.answers == newer.number);
  CHECK(newer.inbox.at(0).envelope.session == 0);
}

TEST_CASE("after a failed disk the next proxy takes what had no answer, once") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  REQUIRE(client.published());
  proxy.by_hand = true;
  client.publish("a", {2});
  fail_disk(proxy);
  proxy.by_hand = false;

  proxy.restart();
  client.reconnect();
  CHECK(client.hello().last_number == 1);
  client.publish("a", {2});
  const auto published = client.published();
  REQUIRE(published);
  CHECK(published->first_offset == 1);
  CHECK(proxy.stored().size() == 2);
}
