#include "spindle/transport/link.hpp"

#include <catch2/catch.hpp>

#include "fake_proxy.hpp"
#include "spindle/transport/context.hpp"
#include "spindle/transport/keeper_socket.hpp"
#include "spindle/transport/poll_set.hpp"
#include "spindle/transport/socket.hpp"

using namespace spindle;
using namespace spindle::transport;
using namespace spindle::transport::session_event;
using spindle::transport::testing::event_on;
using namespace std::chrono_literals;

namespace {

/// A control port that welcomes every hello and remembers what else it is told.
struct ControlPort {
  explicit ControlPort(Context& context) : router(Socket::open(context, SocketKind::router).value()) {}

  void serve() {
    std::vector<SharedBytes> frames;
    while (router.receive(frames).value_or(false)) {
      wire::Values values;
      wire::Head head(frames.at(1).view, values);
      if (head.envelope().kind == wire::Kind::renew) continue;  // when those come is the clock's business
      kinds.push_back(head.envelope().kind);
      if (head.envelope().kind != wire::Kind::hello) continue;
      hello = wire::decode<wire::Hello>(head).value();
      wire::Welcome welcome;
      welcome.answers = head.envelope().number;
      welcome.session = ++session;
      welcome.epoch = 1;
      welcome.spool = "s";
      welcome.lease_ms = 10'000;
      welcome.publish_window_bytes = 1 << 20;
      welcome.commits_in_flight_max = 100;
      REQUIRE(router.send_to(frames[0].view, {wire::encode(session, session, welcome), {}}));
    }
  }

  Socket router;
  std::uint64_t session = 0;
  std::vector<wire::Kind> kinds;
  wire::Hello hello;
};

/// Runs both sides until `done`.
template <class Done>
void run(Link& link, ControlPort& port, Done done) {
  const Instant deadline = monotonic_now() + 20s;
  PollSet poll;
  while (!done()) {
    REQUIRE(monotonic_now() < deadline);
    poll.clear();
    link.watch(poll);
    poll.add(port.router);
    REQUIRE(poll.wait(time_until(link.next_deadline(), std::nullopt, monotonic_now(), 20ms)));
    port.serve();
    link.process(Now::read());
  }
}

}  // namespace

TEST_CASE("a link says hello when its proxy appears, and again when it comes back") {
  Context context;
  std::string endpoint;
  {
    ControlPort found(context);
    endpoint = found.router.bind("tcp://127.0.0.1:0").value();
  }
  auto link = Link::open(context, endpoint, SessionOptions{"shop/1/0"}).value();
  link.process(Now::read());
  {
    ControlPort port(context);
    // The port's former socket closes in the background.
    for (const Instant until = monotonic_now() + 10s; !port.router.bind(endpoint);) REQUIRE(monotonic_now() < until);
    run(link, port, [&] { return link.session().ready(); });
    const OutgoingEvent event = event_on("a");
    REQUIRE(link.session().publish({&event, 1}, 1));
    link.flush();
    run(link, port, [&] { return port.kinds.size() == 2; });
    CHECK(port.kinds[1] == wire::Kind::publish);
  }
  ControlPort port(context);
  for (const Instant until = monotonic_now() + 10s; !port.router.bind(endpoint);) REQUIRE(monotonic_now() < until);
  run(link, port, [&] { return port.kinds.size() == 2; });
  CHECK(port.hello.epoch == 1);
  CHECK(port.kinds[1] == wire::Kind::publish);
  bool lost = false;
  for (const SessionEvent& event : link.session().take_events()) lost |= std::holds_alternative<Lost>(event);
  CHECK(lost);
  link.close("done", 1s);
  run(link, port, [&] { return port.kinds.back() == wire::Kind::goodbye; });
}

TEST_CASE("a link works inside one process") {
  Context context;
  ControlPort port(context);
  REQUIRE(port.router.bind("inproc://control"));
  auto link = Link::open(context, "inproc://control", SessionOptions{"shop/1/0"}).value();
  run(link, port, [&] { return link.session().ready(); });
}

TEST_CASE("a link does not open to what is no endpoint") {
  Context context;
  CHECK(Link::open(context, "localhost:5555", SessionOptions{"s"}).error().code == ErrorCode::invalid_argument);
}

TEST_CASE("the keeper renews sessions on a socket of its own") {
  Context context;
  auto router = Socket::open(context, SocketKind::router).value();
  const std::string endpoint = router.bind("tcp://127.0.0.1:0").value();
  auto keeper = KeeperSocket::open(context, endpoint).value();
  const std::vector<std::uint64_t> sessions{5, 6};
  PollSet poll;
  poll.add(router);
  const Instant deadline = monotonic_now() + 10s;
  std::vector<SharedBytes> frames;
  while (!router.receive(frames).value()) {
    REQUIRE(monotonic_now() < deadline);
    REQUIRE(keeper.renew(sessions));
    REQUIRE(poll.wait(5ms));
  }
  wire::Values values;
  wire::Head head(frames.at(1).view, values);
  CHECK(head.envelope().session == 0);
  CHECK(wire::decode<wire::Renew>(head).value().sessions == sessions);
}
