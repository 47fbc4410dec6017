#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <thread>

#include "proxy/forwarder.hpp"
#include "raw_socket.hpp"
#include "spindle/spool/appender.hpp"
#include "spindle/transport/context.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using raw::Frames;

namespace {

constexpr const char* echo = "_spindle.echo.";

struct Bound {
  Bound(transport::Context& context, transport::SocketKind kind) : socket(*transport::Socket::open(context, kind)) {
    endpoint = *socket.bind("tcp://127.0.0.1:0");
  }
  transport::Socket socket;
  std::string endpoint;
};

/// A forwarder that runs, and clients for it.
struct Running {
  explicit Running(std::vector<wire::Pattern> capture = {}, std::size_t captured_bytes_max = capture_queue_bytes_max)
      : captured(captured_bytes_max),
        publish(context, transport::SocketKind::xsub),
        subscribe(context, transport::SocketKind::xpub),
        forwarder(std::move(publish.socket), std::move(subscribe.socket), std::move(capture), copies, captured),
        thread([this] { result = forwarder.run(); }) {}
  ~Running() {
    forwarder.stop();
    thread.join();
    CHECK(result.has_value());
  }

  raw::Socket publisher() { return {clients, zmq::socket_type::pub, publish.endpoint}; }
  raw::Socket subscriber(const std::string& prefix) {
    raw::Socket socket(clients, zmq::socket_type::sub, subscribe.endpoint);
    socket.subscribe(prefix);
    socket.subscribe(echo);
    return socket;
  }

  zmq::context_t clients;
  transport::Context context;
  LiveCopies copies;
  CaptureQueue captured;
  Bound publish;
  Bound subscribe;
  Forwarder forwarder;
  Result<void> result;
  std::thread thread;
};

std::shared_ptr<const spool::Batch> batch_of(spool::Appender& log, const std::vector<std::string>& topics) {
  log.begin(2);
  for (const std::string& topic : topics) log.append(spool::Kind::events, topic, "packet of " + topic, 1);
  log.finish();
  return log.take_batch();
}

spool::Appender new_log() {
  spool::Appender log(spool::Tail{.newest = {.spool_id = "0123456789abcdef"}});
  log.roll("state", 1);
  (void)log.take_batch();
  return log;
}

/// Waits, with a deadline, for what another thread brings about.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + raw::patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

TEST_CASE("live messages pass from publishers to those who subscribed, in order") {
  Running running;
  auto publisher = running.publisher();
  auto subscriber = running.subscriber("orders.");
  raw::connect_through(publisher, subscriber);

  const std::string large(200'000, 'x');
  for (int round = 0; round < 30; ++round) {  // within the queues: beyond them live messages may be dropped
    publisher.send({"orders.large", large});
    for (int i = 0; i < 100; ++i) {
      publisher.send({"orders.placed", std::to_string(i)});
      publisher.send({"other.topic", "x"});
    }
    REQUIRE(subscriber.receive() == Frames{"orders.large", large});
    for (int i = 0; i < 100; ++i) REQUIRE(subscriber.receive() == Frames{"orders.placed", std::to_string(i)});
  }
}

TEST_CASE("what is not a topic and a packet does not pass") {
  Running running;
  auto publisher = running.publisher();
  auto subscriber = running.subscriber("");
  raw::connect_through(publisher, subscriber);

  const std::vector<Frames> wrong = {
      {"one.frame"},
      {"three", "frames", "here"},
      {"far", "too", "many", "frames", "a", "b", "c", "d"},
      {"", "empty topic"},
      {"two..dots", "x"},
      {"spa ce", "x"},
      {std::string(201, 'a'), "too long"},
      {std::string(100'000, 'a'), "much too long"},
      {"\x01orders", "x"},
      {"_spindle.dead.billing", "only Spindle itself says that"},
      {"_spindle.echo", "not an echo"},
  };
  for (const Frames& message : wrong) publisher.send(message);
  publisher.send({"good", "x"});
  CHECK(subscriber.receive() == Frames{"good", "x"});
  // and the same topic is judged the same again
  publisher.send({"two..dots", "x"});
  publisher.send({"good"});
  publisher.send({"good", "y"});
  CHECK(subscriber.receive() == Frames{"good", "y"});
}

TEST_CASE("what a subscriber sends up reaches no publisher") {
  Running running;
  raw::Socket publisher(running.clients, zmq::socket_type::xpub, running.publish.endpoint);
  REQUIRE(publisher.receive() == Frames{"\x01"});  // the forwarder takes everything
  raw::Socket subscriber(running.clients, zmq::socket_type::xsub, running.subscribe.endpoint);
  subscriber.send({"hello publishers"});
  subscriber.send({"hello", "\x01orders"});
  subscriber.send({"\x01" + std::string(echo)});
  raw::connect_through(publisher, subscriber);
  CHECK_FALSE(publisher.receive(50ms));
}

TEST_CASE("copies of durable events go to those who subscribed, in log order") {
  Running running;
  auto publisher = running.publisher();
  auto subscriber = running.subscriber("orders.");
  raw::connect_through(publisher, subscriber);

  auto log = new_log();
  REQUIRE(running.copies.offer(batch_of(log, {"orders.a", "other", "orders.b"})));
  REQUIRE(running.copies.offer(batch_of(log, {"orders.c"})));
  for (const std::string topic : {"orders.a", "orders.b", "orders.c"}) {
    CHECK(subscriber.receive() == Frames{topic, "packet of " + topic});
  }
}

TEST_CASE("copies that nobody wants are let go") {
  Running running;
  auto log = new_log();
  for (int i = 0; i < 100; ++i) {
    REQUIRE(eventually([&] { return running.copies.offer(batch_of(log, {"orders.a"})); }));
  }
  CHECK(eventually([&] { return running.copies.bytes_held() == 0; }));
}

TEST_CASE("captured topics are posted for storing, and pass as well") {
  Running running({*wire::Pattern::parse("orders.>")});
  auto publisher = running.publisher();
  auto subscriber = running.subscriber("");
  raw::connect_through(publisher, subscriber);
  publisher.send({"other", "0"});
  publisher.send({"orders.placed", "1"});
  publisher.send({"orders.placed", std::string(100'000, '2')});
  publisher.send({"other", "3"});
  for (int i = 0; i < 4; ++i) REQUIRE(subscriber.receive());

  const auto captured = running.captured.take();
  REQUIRE(captured.size() == 2);
  CHECK(captured[0].topic.view == "orders.placed");
  CHECK(captured[0].packet.view == "1");
  CHECK(captured[1].packet.view == std::string(100'000, '2'));
}

TEST_CASE("capturing is bounded while the disk is behind") {
  Running running({*wire::Pattern::parse("orders.>")}, 1'000);
  auto publisher = running.publisher();
  auto subscriber = running.subscriber("");
  raw::connect_through(publisher, subscriber);
  for (int i = 0; i < 100; ++i) publisher.send({"orders.placed", std::string(87, 'x')});  // 100 bytes
  for (int i = 0; i < 100; ++i) REQUIRE(subscriber.receive());
  CHECK(running.captured.bytes() == 1'000);
  CHECK(running.captured.take().size() == 10);
}

TEST_CASE("a subscriber that does not read holds up nobody") {
  Running running;
  auto publisher = running.publisher();
  auto stalled = running.subscriber("");
  raw::connect_through(publisher, stalled);
  auto subscriber = running.subscriber("n");
  raw::connect_through(publisher, subscriber);

  const std::string filler(10'000, 'x');
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 100; ++i) publisher.send({"filler", filler});
    publisher.send({"n", std::to_string(round)});
    REQUIRE(subscriber.receive() == Frames{"n", std::to_string(round)});
  }
}
