// What waits for a disk that hangs is bounded, and being bounded loses nothing.
#include <malloc.h>

#include "proxy/broker_state.hpp"
#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;

namespace {

std::size_t heap_bytes() { return ::mallinfo2().uordblks; }

/// Whether the heap stays where it is once the answers fill what is set aside for them.
template <class Ask>
void stays_flat(Ask ask) {
  const std::size_t empty = heap_bytes();
  for (int i = 0; i < 200'000; ++i) ask(i);
  const std::size_t before = heap_bytes();
  for (int i = 200'000; i < 400'000; ++i) ask(i);
  const std::size_t after = heap_bytes();
  CHECK(after < before + 1024 * 1024);
  CHECK(after < empty + 96 * 1024 * 1024);
}

}  // namespace

TEST_CASE("slow_disk: a flood of requests while nothing becomes durable takes no more memory") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  client.attach("g", {">"});
  client.look();
  proxy.by_hand = true;  // and the disk never answers
  client.publish("a", {2});
  SECTION("hellos on new connections") {
    stays_flat([&](int i) {
      wire::Hello hello;
      hello.source = "other/" + std::to_string(i % 7);
      proxy.receive("p" + std::to_string(i % 5'000), {wire::encode(0, 1, hello), {}});
    });
  }
  SECTION("hellos on one connection") {
    stays_flat([&](int) { client.say_hello(); });
  }
  SECTION("repeats") {
    stays_flat([&](int i) {
      client.send(wire::Publish{1}, {client.packet("a", {1})});
      if (i % 10 == 0) (void)proxy.broker().take_outgoing();
    });
  }
  SECTION("administration") {
    stays_flat([&](int) { client.send(wire::Admin{"groups", "", {}}); });
  }
  SECTION("errors") {
    stays_flat([&](int) { client.send(wire::Detach{77}); });
  }
  SECTION("nonsense of strangers") {
    stays_flat([&](int i) { proxy.receive("p" + std::to_string(i % 5'000), {Bytes("\xc1"), {}}); });
  }
  proxy.by_hand = false;
  proxy.settle();
  client.reconnect();
  REQUIRE(client.hello().last_number >= 2);
}

TEST_CASE("a client that was not heard loses nothing: its next commit leaves a gap, and it sends again") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  client.publish("a", {1});
  client.look();
  proxy.by_hand = true;
  client.publish("a", {2});
  for (int i = 0; i < 20'000; ++i) client.send(wire::Admin{"groups", "", {}});
  client.publish("a", {3});  // not heard
  proxy.advance(9s);
  client.send(wire::Admin{"groups", "", {}});  // not heard either, but a sign of life
  proxy.advance(9s);
  proxy.by_hand = false;
  proxy.settle();
  client.look();
  client.publish("a", {4});
  REQUIRE(client.error() == "number_gap");
  client.reconnect();
  client.acknowledged = 2;
  REQUIRE(client.hello().last_number == 2);
  client.publish("a", {3});
  client.publish("a", {4});
  std::vector<std::uint64_t> stored;
  for (const auto& one : proxy.stored()) stored.push_back(numbers_in(one.packet).at(0));
  REQUIRE(stored == std::vector<std::uint64_t>{1, 2, 3, 4});
}
