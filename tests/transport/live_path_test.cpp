#include "spindle/transport/live_path.hpp"

#include <catch2/catch.hpp>

#include "fake_proxy.hpp"
#include "spindle/transport/context.hpp"
#include "spindle/transport/endpoint.hpp"
#include "spindle/transport/multipart.hpp"
#include "spindle/transport/poll_set.hpp"
#include "spindle/wire/writer.hpp"

using namespace spindle;
using namespace spindle::transport;
using spindle::transport::testing::event_on;
using namespace std::chrono_literals;

namespace {

/// The live ports of a proxy, as small as can be; it can be deaf.
struct LivePorts {
  explicit LivePorts(Context& context)
      : xsub(Socket::open(context, SocketKind::xsub).value()),
        xpub(Socket::open(context, SocketKind::xpub).value()) {}

  wire::Welcome bind() {
    wire::Welcome welcome;
    welcome.epoch = 3;
    welcome.publish_port = port_of(xsub.bind("tcp://127.0.0.1:0").value());
    welcome.subscribe_port = port_of(xpub.bind("tcp://127.0.0.1:0").value());
    const BytesView all("\x01", 1);
    REQUIRE(xsub.send_copy({&all, 1}).value() == Sent::sent);
    return welcome;
  }

  void forward() {
    while (xpub.receive(message).value()) {
    }
    while (xsub.receive(message).value()) {
      if (message.frame_count() == 2 && message.frame(0).starts_with("_spindle.echo.")) ++echoes;
      if (drop > 0 && !message.frame(0).starts_with("_")) {
        --drop;
        continue;
      }
      if (!deaf) REQUIRE(xpub.send(message));
    }
  }

  static std::uint64_t port_of(const std::string& endpoint) {
    return std::stoull(endpoint.substr(endpoint.rfind(':') + 1));
  }

  Socket xsub;
  Socket xpub;
  Multipart message;
  bool deaf = false;
  int drop = 0;
  int echoes = 0;
};

/// Runs path and ports until `done`, collecting messages.
struct Loop {
  LivePath& path;
  LivePorts& ports;
  std::vector<LiveMessage> messages;
  Duration ahead{};  // what the path's clock is ahead of the real one

  Now now() const {
    Now now = Now::read();
    now.instant += ahead;
    return now;
  }

  template <class Done>
  void until(Done done) {
    const Instant deadline = monotonic_now() + 20s;
    PollSet poll;
    while (!done()) {
      REQUIRE(monotonic_now() < deadline);
      poll.clear();
      path.watch(poll);
      poll.add(ports.xsub);
      poll.add(ports.xpub);
      REQUIRE(poll.wait(time_until(path.next_deadline(), std::nullopt, now().instant, 10ms)));
      ports.forward();
      for (LiveMessage& message : path.receive(100, now())) messages.push_back(std::move(message));
      REQUIRE(path.process(now()));
    }
  }
};

wire::Pattern pattern(std::string_view text) { return wire::Pattern::parse(text).value(); }

struct Fixture {
  Context context;
  LivePorts ports{context};
  LivePath path = LivePath::open(context, "tcp://127.0.0.1:5555", ports.bind(), "shop/1/0").value();
  Loop loop{path, ports, {}, {}};

  void confirm() {
    path.confirm(loop.now());
    loop.until([&] { return path.confirmed(); });
  }
  void publish(std::string_view topic, BytesView data = "\xc0") {
    REQUIRE(path.publisher().publish(event_on(topic, data), loop.now()));
  }
};

const wire::Packet& packet_of(const LiveMessage& message) { return std::get<wire::Packet>(message.content); }

}  // namespace

TEST_CASE("an echo proves the path: nothing published after it is lost") {
  Fixture f;
  REQUIRE(f.path.subscriber().subscribe(pattern("orders.*")));
  f.confirm();
  f.publish("orders.placed", "\x01");
  f.publish("orders.placed", "\x02");
  f.publish("orders.cancelled");
  f.publish("other");
  f.publish("orders.a.b");  // the prefix lets it through, the pattern does not
  f.confirm();              // after what was published
  REQUIRE(f.loop.messages.size() == 2);
  const LiveMessage& first = f.loop.messages[0];
  CHECK(first.topic_name() == "orders.placed");
  CHECK(first.missed == 0);
  CHECK(packet_of(first).header().source == "shop/1/0");
  CHECK(packet_of(first).header().epoch == 3);
  REQUIRE(packet_of(first).events().size() == 2);
  CHECK(packet_of(first).events()[1].data == "\x02");
  CHECK(f.loop.messages[1].topic_name() == "orders.cancelled");
}

TEST_CASE("lost packets show, the last one by the totals") {
  Fixture f;
  REQUIRE(f.path.subscriber().subscribe(pattern("a")));
  f.confirm();
  f.publish("a");
  f.confirm();
  f.ports.drop = 1;
  f.publish("a");
  f.publish("a");
  f.confirm();
  f.publish("a");
  f.confirm();
  REQUIRE(f.loop.messages.size() == 2);
  CHECK(f.loop.messages[1].missed == 2);
  f.ports.drop = 1;
  f.publish("a");
  f.confirm();
  REQUIRE(f.loop.messages.size() == 2);
  f.loop.ahead += live_totals_after;
  f.loop.until([&] { return f.loop.messages.size() == 3; });
  CHECK(packet_of(f.loop.messages[2]).header().count == 0);
  CHECK(f.loop.messages[2].missed == 1);
  CHECK(f.path.subscriber().misses().total() == 3);
}

TEST_CASE("a path whose echo stays away gets new sockets") {
  Fixture f;
  REQUIRE(f.path.subscriber().subscribe(pattern("a")));
  f.confirm();
  f.ports.deaf = true;
  f.path.confirm(f.loop.now());
  const int before = f.ports.echoes;
  f.loop.until([&] { return f.ports.echoes > before; });
  CHECK_FALSE(f.path.confirmed());
  f.ports.deaf = false;
  f.loop.ahead += echo_deadline;
  f.loop.until([&] { return f.path.reconnects() == 1 && f.path.confirmed(); });
  f.publish("a");
  f.confirm();
  CHECK(f.loop.messages.size() == 1);
}

TEST_CASE("a CloudEvent map from a plain publisher is understood, garbage is counted") {
  Fixture f;
  REQUIRE(f.path.subscriber().subscribe(pattern(">")));
  f.confirm();
  Bytes map;
  wire::Writer(map)
      .map(5)
      .str("specversion")
      .str("1.0")
      .str("id")
      .str("1")
      .str("source")
      .str("curl")
      .str("type")
      .str("a.b")
      .str("data")
      .uint(5);
  auto pub = Socket::open(f.context, SocketKind::pub).value();
  REQUIRE(pub.connect("tcp://127.0.0.1:" +
                      std::to_string(f.ports.port_of(f.ports.xsub.bind("tcp://127.0.0.1:0").value()))));
  const std::vector<BytesView> garbage{"a.b", "garbage"};
  const std::vector<BytesView> event{"a.b", map};
  f.loop.until([&] {
    REQUIRE(pub.send_copy(garbage));
    REQUIRE(pub.send_copy(event));
    return !f.loop.messages.empty();
  });
  const auto& content = std::get<wire::CloudEvent>(f.loop.messages[0].content);
  CHECK(content.source == "curl");
  CHECK(content.data == "\x05");
  CHECK(f.path.malformed() > 0);
  CHECK(f.path.last_malformed()->code == ErrorCode::malformed);
}

TEST_CASE("events beyond the limits of the wire are refused") {
  Context context;
  auto publisher = LivePublisher::open(context, "tcp://127.0.0.1:1", "s", 1).value();
  CHECK(publisher.publish(event_on("a b"), Now::read()).error().code == ErrorCode::malformed);
  const std::string big(limits::event_bytes_max + 1, 'x');
  CHECK(publisher.publish(event_on("a", big), Now::read()).error().code == ErrorCode::too_large);
}

TEST_CASE("a proxy that does not read makes the publisher's backlog full and loses nothing") {
  Context context;
  LivePorts ports(context);
  const wire::Welcome welcome = ports.bind();
  auto publisher = LivePublisher::open(context, live_endpoint("", "", welcome.publish_port), "s", 1).value();
  PollSet poll;
  poll.add(ports.xsub);
  const Instant deadline = monotonic_now() + 30s;
  while (!poll.readable(0)) {  // before the proxy's subscription has come, libzmq drops
    REQUIRE(monotonic_now() < deadline);
    REQUIRE(publisher.send_echo("_spindle.echo.x", 1, 1));
    REQUIRE(poll.wait(5ms));
  }
  const std::string data(60'000, 'x');
  std::uint64_t accepted = 0;
  Result<void> published;
  while ((published = publisher.publish(event_on("a", data), Now::read()))) {
    ++accepted;
    REQUIRE(monotonic_now() < deadline);
    REQUIRE(publisher.flush(Now::read()));
  }
  CHECK(published.error().code == ErrorCode::outbox_full);

  std::uint64_t arrived = 0;
  MissCounter misses;
  wire::Values values;
  while (arrived < accepted) {
    REQUIRE(monotonic_now() < deadline);
    REQUIRE(poll.wait(5ms));
    while (ports.xsub.receive(ports.message).value()) {
      auto packet = wire::Packet::parse(ports.message.frame(1), values);
      REQUIRE(packet);
      arrived += packet->header().count;
      if (ports.message.frame(0) == "a") REQUIRE(misses.note("a", packet->header()) == 0);
    }
    REQUIRE(publisher.flush(Now::read()));
  }
  CHECK(arrived == accepted);
  CHECK(publisher.publish(event_on("a", data), Now::read()));
}
