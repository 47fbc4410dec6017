#include "spindle/transport/socket.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "spindle/base/mailbox.hpp"
#include "spindle/transport/context.hpp"
#include "spindle/transport/endpoint.hpp"
#include "spindle/transport/multipart.hpp"
#include "spindle/transport/poll_set.hpp"

using namespace spindle;
using namespace spindle::transport;
using namespace std::chrono_literals;

namespace {

/// Sends until a connection takes it.
void send_soon(Socket& socket, const wire::Message& message) {
  const Instant deadline = monotonic_now() + 10s;
  PollSet poll;
  poll.add(socket);
  while (*socket.send(message) != Sent::sent) {
    REQUIRE(monotonic_now() < deadline);
    REQUIRE(poll.wait(1ms));
  }
}

bool wait_readable(const Socket& socket) {
  PollSet poll;
  poll.add(socket);
  return poll.wait(10s).has_value() && poll.readable(0);
}

struct Pair {
  Context context;
  Socket router = Socket::open(context, SocketKind::router).value();
  Socket dealer = Socket::open(context, SocketKind::dealer).value();
  std::string endpoint = router.bind("tcp://127.0.0.1:0").value();

  Pair() { REQUIRE(dealer.connect(endpoint)); }
};

}  // namespace

TEST_CASE("a message travels whole and its frames outlive the next one") {
  Pair pair;
  const std::string large(1 << 20, 'p');
  wire::Message message{"head", {{SharedBytes::own("topic"), SharedBytes::own(large)}}};
  send_soon(pair.dealer, message);
  send_soon(pair.dealer, {"second", {}});
  std::vector<SharedBytes> frames;
  REQUIRE(wait_readable(pair.router));
  REQUIRE(pair.router.receive(frames).value());
  REQUIRE(frames.size() == 4);
  const std::vector<SharedBytes> kept = frames;
  REQUIRE(wait_readable(pair.router));
  REQUIRE(pair.router.receive(frames).value());
  CHECK(kept[1].view == "head");
  CHECK(kept[2].view == "topic");
  CHECK(kept[3].view == large);
  CHECK(frames[1].view == "second");
  CHECK(pair.router.send_to(kept[0].view, message).value() == Sent::sent);
  REQUIRE(wait_readable(pair.dealer));
  REQUIRE(pair.dealer.receive(frames).value());
  CHECK(frames.size() == 3);
}

TEST_CASE("a large frame is sent without copying and its owner is released") {
  auto owner = std::make_shared<const Bytes>(Bytes(100'000, 'z'));
  std::weak_ptr<const Bytes> alive = owner;
  {
    Pair pair;
    const std::vector<SharedBytes> frames{{owner, *owner}};
    send_soon(pair.dealer, {"ready?", {}});
    REQUIRE(pair.dealer.send(frames).value() == Sent::sent);
    owner.reset();
    std::vector<SharedBytes> received;
    REQUIRE(wait_readable(pair.router));
    REQUIRE(pair.router.receive(received).value());
    REQUIRE(wait_readable(pair.router));
    REQUIRE(pair.router.receive(received).value());
    CHECK(received.at(1).view.size() == 100'000);
  }
  CHECK(alive.expired());
}

TEST_CASE("a message over the limits is dropped whole, reported, and the next one is read") {
  Pair pair;
  std::vector<SharedBytes> many(limits::message_frames_max + 10, SharedBytes::own("x"));
  send_soon(pair.dealer, {"first", {}});
  REQUIRE(pair.dealer.send(many).value() == Sent::sent);
  std::vector<SharedBytes> heavy(9, SharedBytes::own(Bytes(1 << 20, 'h')));
  REQUIRE(pair.dealer.send(heavy).value() == Sent::sent);
  REQUIRE(pair.dealer.send(wire::Message{"last", {}}).value() == Sent::sent);
  std::vector<SharedBytes> frames;
  REQUIRE(wait_readable(pair.router));
  REQUIRE(pair.router.receive(frames).value());
  const std::string sender(frames.at(0).view);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(wait_readable(pair.router));
    auto received = pair.router.receive(frames);
    REQUIRE_FALSE(received);
    CHECK(received.error().code == ErrorCode::too_large);
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].view == sender);
  }
  REQUIRE(wait_readable(pair.router));
  REQUIRE(pair.router.receive(frames).value());
  CHECK(frames.at(1).view == "last");
}

TEST_CASE("sending never blocks: without a connection it would, to nobody it is unreachable") {
  Context context;
  auto dealer = Socket::open(context, SocketKind::dealer).value();
  REQUIRE(dealer.connect("tcp://127.0.0.1:1"));
  CHECK(dealer.send(wire::Message{"head", {{SharedBytes::own("t"), SharedBytes::own("p")}}}).value() ==
        Sent::would_block);
  auto router = Socket::open(context, SocketKind::router).value();
  REQUIRE(router.bind("tcp://127.0.0.1:0"));
  CHECK(router.send_to("nobody", {"head", {}}).value() == Sent::unreachable);
}

TEST_CASE("port 0 gives the chosen port, a taken one and a foreign scheme are errors") {
  Context context;
  auto first = Socket::open(context, SocketKind::router).value();
  const std::string endpoint = first.bind("tcp://127.0.0.1:0").value();
  CHECK(endpoint.starts_with("tcp://127.0.0.1:"));
  CHECK(endpoint != "tcp://127.0.0.1:0");
  auto second = Socket::open(context, SocketKind::router).value();
  CHECK(second.bind(endpoint).error().code == ErrorCode::unavailable);
  CHECK(second.bind("udp://127.0.0.1:5555").error().code == ErrorCode::invalid_argument);
  CHECK(second.connect("tcp://").error().code == ErrorCode::invalid_argument);
  CHECK(second.connect("127.0.0.1:5555").error().code == ErrorCode::invalid_argument);
}

TEST_CASE("messages pass a loop without being copied") {
  Context context;
  auto xsub = Socket::open(context, SocketKind::xsub).value();
  auto xpub = Socket::open(context, SocketKind::xpub).value();
  auto pub = Socket::open(context, SocketKind::pub).value();
  auto sub = Socket::open(context, SocketKind::sub).value();
  const std::string in = xsub.bind("tcp://127.0.0.1:0").value();
  const std::string out = xpub.bind("tcp://127.0.0.1:0").value();
  const BytesView all("\x01", 1);
  REQUIRE(pub.connect(in));
  REQUIRE(sub.connect(out));
  REQUIRE(sub.subscribe("a."));
  REQUIRE(xsub.send_copy({&all, 1}).value() == Sent::sent);
  std::vector<SharedBytes> got;
  Multipart message;
  const std::string payload(10'000, 'y');
  const Instant deadline = monotonic_now() + 10s;
  while (got.empty()) {
    REQUIRE(monotonic_now() < deadline);
    const std::vector<BytesView> sent{"a.b", payload};
    REQUIRE(pub.send_copy(sent));
    PollSet poll;
    poll.add(xsub);
    poll.add(xpub);
    poll.add(sub);
    REQUIRE(poll.wait(5ms));
    while (xpub.receive(message).value()) {
    }
    while (xsub.receive(message).value()) {
      REQUIRE(message.frame_count() == 2);
      CHECK(message.frame(0) == "a.b");
      const SharedBytes shared = message.share(1);
      CHECK(shared.view == payload);
      CHECK(shared.view.data() == message.frame(1).data());
      REQUIRE(xpub.send(message).value() == Sent::sent);
    }
    REQUIRE(sub.receive(got));
  }
  CHECK(got.at(1).view == payload);
}

TEST_CASE("a message of more frames than are kept is counted and not passed on") {
  Pair pair;
  std::vector<SharedBytes> many(7, SharedBytes::own("x"));
  send_soon(pair.dealer, {"first", {}});
  REQUIRE(pair.dealer.send(many).value() == Sent::sent);
  Multipart message;
  REQUIRE(wait_readable(pair.router));
  REQUIRE(pair.router.receive(message).value());
  CHECK(message.frame_count() == 2);
  REQUIRE(wait_readable(pair.router));
  REQUIRE(pair.router.receive(message).value());
  CHECK(message.frame_count() == 8);
  CHECK(pair.router.send(message).error().code == ErrorCode::too_large);
}

TEST_CASE("a poll set waits for descriptors and sockets, and no longer than it is told") {
  Pair pair;
  Mailbox<int> mailbox;
  PollSet poll;
  const std::size_t socket = poll.add(pair.router);
  const std::size_t box = poll.add(mailbox.fd());
  REQUIRE(poll.wait(0s));
  CHECK_FALSE(poll.readable(box));
  std::thread other([&] { mailbox.post(1); });
  REQUIRE(poll.wait(10s));
  other.join();
  CHECK(poll.readable(box));
  CHECK_FALSE(poll.readable(socket));
}

TEST_CASE("live endpoints take the dialled host unless another one is advertised") {
  CHECK(live_endpoint("tcp://broker:5555", "", 5556) == "tcp://broker:5556");
  CHECK(live_endpoint("tcp://[::1]:5555", "", 5556) == "tcp://[::1]:5556");
  CHECK(live_endpoint("tcp://broker:5555", "10.0.0.1", 5557) == "tcp://10.0.0.1:5557");
  CHECK(live_endpoint("tcp://broker:5555", "fe80::1", 5557) == "tcp://[fe80::1]:5557");
  CHECK(live_endpoint("ipc:///tmp/x", "", 5557) == "tcp://127.0.0.1:5557");
}

TEST_CASE("an endpoint's port is a number that a port can have") {
  for (const char* good :
       {"tcp://127.0.0.1:5555", "tcp://[::1]:0", "tcp://host:65535", "tcp://127.0.0.1:*", "ipc:///x", "inproc://y"}) {
    CAPTURE(good);
    CHECK(check_endpoint(good));
  }
  for (const char* bad : {"tcp://127.0.0.1:abc", "tcp://127.0.0.1:99999", "tcp://127.0.0.1", "tcp://:5555",
                          "tcp://h:", "udp://h:1", "h:1"}) {
    CAPTURE(bad);
    CHECK(check_endpoint(bad).error().code == ErrorCode::invalid_argument);
  }
}
