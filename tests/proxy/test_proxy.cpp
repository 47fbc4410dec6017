#include <poll.h>

#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "proxy/log.hpp"
#include "proxy/proxy.hpp"
#include "raw_socket.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using raw::Frames;

namespace {

std::string address(std::uint16_t port) { return "tcp://127.0.0.1:" + std::to_string(port); }

Options options_of(std::string spool) {
  log::set_level("error");
  Options options;
  options.port = 0;
  options.spool = std::move(spool);
  options.segment_bytes = 1024 * 1024;
  return options;
}

/// A client that speaks the control protocol a message at a time.
class Client {
 public:
  Client(zmq::context_t& context, const Ports& ports)
      : socket_(context, zmq::socket_type::dealer, address(ports.control)) {}

  template <class M>
  void send(const M& message, const Frames& behind = {}) {
    Frames frames{wire::encode(session_, ++number_, message)};
    frames.insert(frames.end(), behind.begin(), behind.end());
    socket_.send(frames);
  }

  /// The next message, which must be of this kind.
  template <class M>
  M receive() {
    auto frames = socket_.receive();
    REQUIRE(frames);
    packets = *frames;
    packets.erase(packets.begin());
    wire::Values values;
    const wire::Head head(frames->front(), values);
    REQUIRE(head.ok());
    CHECK(wire::name(head.envelope().kind) == wire::name(M::kind));
    auto message = wire::decode<M>(head);
    REQUIRE(message);
    return *message;
  }

  wire::Welcome hello(const std::string& source = "test/1/0") {
    wire::Hello hello;
    hello.source = source;
    send(hello);
    auto welcome = receive<wire::Welcome>();
    session_ = welcome.session;
    epoch_ = welcome.epoch;
    commit_ = welcome.last_number;
    source_ = source;
    return welcome;
  }

  /// Publishes an event and waits until it is durable; its offset.
  std::uint64_t publish(const std::string& topic) {
    send_event(topic);
    auto published = receive<wire::Published>();
    REQUIRE(published.outcomes.size() == 1);
    CHECK(published.outcomes[0].status == wire::OutcomeStatus::stored);
    return published.outcomes[0].first_offset;
  }

  void send_event(const std::string& topic) {
    wire::Publish publish;
    publish.commit = ++commit_;
    send(publish, {topic, packet(wire::EventClass::durable)});
  }

  std::string packet(wire::EventClass event_class) const {
    wire::PacketBuilder events;
    events.add("\x01");
    wire::PacketHeader header;
    header.source = source_;
    header.epoch = epoch_;
    header.event_class = event_class;
    header.sequence = commit_;
    header.time_ns = wall_now_ns();
    return events.finish(header);
  }

  raw::Socket& socket() { return socket_; }
  Frames packets;  // of the last message received

 private:
  raw::Socket socket_;
  std::uint64_t session_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t epoch_ = 0;
  std::uint64_t commit_ = 0;
  std::string source_;
};

bool is_readable(int fd, std::chrono::milliseconds timeout) {
  pollfd waiting{fd, POLLIN, 0};
  return ::poll(&waiting, 1, static_cast<int>(timeout.count())) == 1;
}

}  // namespace

TEST_CASE("the control port tells the live ports") {
  transport::Context context;
  zmq::context_t clients;
  Proxy proxy(options_of(""), context);
  REQUIRE(proxy.start());
  Client client(clients, proxy.ports());
  const auto welcome = client.hello();
  CHECK(welcome.publish_port == proxy.ports().publish);
  CHECK(welcome.subscribe_port == proxy.ports().subscribe);
  CHECK(welcome.spool.empty());
  CHECK(proxy.stop());
}

TEST_CASE("what was published is there after a restart") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  std::string spool;
  {
    Proxy proxy(options_of("/spool"), context, files);
    REQUIRE(proxy.start());
    Client client(clients, proxy.ports());
    spool = client.hello().spool;
    for (std::uint64_t i = 0; i < 100; ++i) CHECK(client.publish("orders.placed") == i);
    files.power_cut(1);
    CHECK_FALSE(spool.empty());
  }
  files.restart();
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());
  Client client(clients, proxy.ports());
  const auto welcome = client.hello();
  CHECK(welcome.spool == spool);
  CHECK(welcome.last_number == 100);
  CHECK(client.publish("orders.placed") == 100);
  CHECK(proxy.stop());
}

TEST_CASE("a member gets what was published before it came, and what comes then") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());
  Client publisher(clients, proxy.ports());
  publisher.hello("publisher/1/0");
  publisher.publish("orders.placed");
  publisher.publish("other");

  Client member(clients, proxy.ports());
  member.hello("member/1/0");
  wire::Attach attach;
  attach.member = 1;
  attach.group = "billing";
  attach.patterns = {"orders.*"};
  attach.credit_events = 100;
  attach.credit_bytes = 1'000'000;
  member.send(attach);
  member.receive<wire::Attached>();
  CHECK(member.receive<wire::Deliver>().entries.at(0).offset == 0);
  CHECK(member.packets.at(0) == "orders.placed");
  publisher.publish("orders.paid");
  CHECK(member.receive<wire::Deliver>().entries.at(0).offset == 2);
  CHECK(member.packets.at(0) == "orders.paid");
  CHECK(proxy.stop());
}

TEST_CASE("durable events also go out live, and captured live events are stored") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  Options options = options_of("/spool");
  options.capture = {*wire::Pattern::parse("captured.>")};
  Proxy proxy(options, context, files);
  REQUIRE(proxy.start());
  raw::Socket live(clients, zmq::socket_type::pub, address(proxy.ports().publish));
  raw::Socket subscriber(clients, zmq::socket_type::sub, address(proxy.ports().subscribe));
  subscriber.subscribe("orders.");
  subscriber.subscribe("_spindle.echo.");
  raw::connect_through(live, subscriber);

  Client client(clients, proxy.ports());
  client.hello();
  client.publish("orders.placed");
  const auto copy = subscriber.receive();
  REQUIRE(copy);
  CHECK(copy->at(0) == "orders.placed");

  live.send({"captured.one", client.packet(wire::EventClass::live)});
  wire::Attach attach;
  attach.member = 1;
  attach.group = "audit";
  attach.patterns = {"captured.>"};
  attach.credit_events = 100;
  attach.credit_bytes = 1'000'000;
  client.send(attach);
  client.receive<wire::Attached>();
  client.receive<wire::Deliver>();
  CHECK(client.packets.at(0) == "captured.one");
  CHECK(proxy.stop());
}

TEST_CASE("what is on its way to the disk when a proxy is stopped is answered and still goes out live") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());
  raw::Socket live(clients, zmq::socket_type::pub, address(proxy.ports().publish));
  raw::Socket subscriber(clients, zmq::socket_type::sub, address(proxy.ports().subscribe));
  subscriber.subscribe("orders.");
  subscriber.subscribe("_spindle.echo.");
  raw::connect_through(live, subscriber);
  Client client(clients, proxy.ports());
  client.hello();
  files.hold_syncs(true);
  client.send_event("orders.placed");
  files.wait_for_held_sync();
  std::thread disk([&] { files.hold_syncs(false); });
  CHECK(proxy.stop());
  disk.join();
  CHECK(client.receive<wire::Published>().outcomes.at(0).status == wire::OutcomeStatus::stored);
  client.receive<wire::Goodbye>();
  const auto copy = subscriber.receive();
  REQUIRE(copy);
  CHECK(copy->at(0) == "orders.placed");
}

TEST_CASE("a proxy that is stopped says goodbye and leaves a spool that goes on") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  for (std::uint64_t run = 0; run < 3; ++run) {
    Proxy proxy(options_of("/spool"), context, files);
    REQUIRE(proxy.start());
    Client client(clients, proxy.ports());
    CHECK(client.hello().last_number == run);
    client.publish("orders.placed");
    CHECK(proxy.stop());
    client.receive<wire::Goodbye>();
  }
}

TEST_CASE("eio_on_fsync_no_ack_no_retry: everyone is told, the proxy ends, the next one goes on in a new segment") {
  transport::Context context;
  zmq::context_t clients;
  const std::uint64_t failing = GENERATE(1u, 2u);  // the batch's write, its sync
  CAPTURE(failing);
  MemoryFiles files;
  {
    Proxy proxy(options_of("/spool"), context, files);
    REQUIRE(proxy.start());
    Client client(clients, proxy.ports());
    client.hello();
    Client idle(clients, proxy.ports());
    idle.hello("idle/1/0");
    client.publish("orders.placed");
    log::set_level("off");
    const auto operations = files.operations();
    files.fail_at(operations + failing, ErrorCode::io_error);
    client.send_event("orders.placed");
    REQUIRE(is_readable(proxy.ended_fd(), raw::patience));
    CHECK(files.operations() == operations + failing);  // neither is tried again
    const auto ended = proxy.stop();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == ErrorCode::io_error);
    for (Client* one : {&client, &idle}) {
      const auto error = one->receive<wire::ErrorMessage>();
      CHECK(error.code == "io_error");
      CHECK(error.answers == 0);
      CHECK_THAT(error.text, Catch::Contains(ended.error().text));
      one->receive<wire::Goodbye>();
      CHECK_FALSE(one->socket().receive(50ms));
    }
  }
  const std::size_t segments = files.list("/spool")->size();
  files.kill_process();
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());
  CHECK(files.list("/spool")->size() == segments + 1);
  Client client(clients, proxy.ports());
  CHECK(client.hello().last_number == 1);
  CHECK(client.publish("orders.placed") == 1);
  CHECK(proxy.stop());
}

TEST_CASE("slow_disk_10s_fsync: while a sync takes its time nobody is told anything, then everybody is") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());
  Client first(clients, proxy.ports());
  first.hello("first/1/0");
  Client second(clients, proxy.ports());
  second.hello("second/1/0");
  files.hold_syncs(true);
  first.send_event("orders.placed");
  files.wait_for_held_sync();  // the batch with the first one's event
  second.send_event("orders.placed");
  CHECK_FALSE(first.socket().receive(50ms));
  CHECK_FALSE(second.socket().receive(50ms));
  files.hold_syncs(false);
  CHECK(first.receive<wire::Published>().outcomes.at(0).first_offset == 0);
  CHECK(second.receive<wire::Published>().outcomes.at(0).first_offset == 1);
  CHECK(proxy.stop());
}

TEST_CASE("readonly_fs_start_and_midrun: the proxy ends with the reason, and does not start on such a disk") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  {
    Proxy proxy(options_of("/spool"), context, files);
    REQUIRE(proxy.start());
    Client client(clients, proxy.ports());
    client.hello();
    client.publish("orders.placed");
    log::set_level("off");
    files.set_read_only(true);
    client.send_event("orders.placed");
    REQUIRE(is_readable(proxy.ended_fd(), raw::patience));
    const auto ended = proxy.stop();
    REQUIRE_FALSE(ended);
    CHECK_THAT(ended.error().text, Catch::Contains("Read-only file system"));
    CHECK_THAT(client.receive<wire::ErrorMessage>().text, Catch::Contains("Read-only file system"));
  }
  files.kill_process();
  files.set_read_only(true);
  {
    Proxy proxy(options_of("/spool"), context, files);
    const auto started = proxy.start();
    REQUIRE_FALSE(started);
    CHECK_THAT(started.error().text, Catch::Contains("Read-only file system"));
  }
  files.kill_process();
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());
  Client client(clients, proxy.ports());
  CHECK(client.hello().last_number == 1);
  CHECK(proxy.stop());
}

TEST_CASE("a second proxy on the same spool or port does not start") {
  transport::Context context;
  MemoryFiles files;
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());

  Proxy same_spool(options_of("/spool"), context, files);
  const auto locked = same_spool.start();
  REQUIRE_FALSE(locked);
  CHECK(locked.error().code == ErrorCode::locked);

  Options options = options_of("");
  options.port = proxy.ports().control;
  Proxy same_port(options, context, files);
  const auto taken = same_port.start();
  REQUIRE_FALSE(taken);
  CHECK_THAT(taken.error().text, Catch::Contains(std::to_string(options.port)));
}

TEST_CASE("an oversized message is refused with an error and others go on") {
  transport::Context context;
  zmq::context_t clients;
  Proxy proxy(options_of(""), context);
  REQUIRE(proxy.start());
  log::set_level("off");
  Client client(clients, proxy.ports());
  client.hello();
  client.socket().send(Frames(limits::message_frames_max + 10, "x"));
  const auto error = client.receive<wire::ErrorMessage>();
  CHECK(error.code == "too_large");
  Client other(clients, proxy.ports());
  other.hello("other/1/0");
  CHECK(proxy.stop());
}

TEST_CASE("a full disk halts publishes and says so") {
  transport::Context context;
  zmq::context_t clients;
  MemoryFiles files;
  files.set_free_bytes(200u << 20);  // below the reserve, and far above what consumers may still take
  Proxy proxy(options_of("/spool"), context, files);
  REQUIRE(proxy.start());
  Client client(clients, proxy.ports());
  client.hello();
  client.send_event("orders.placed");
  CHECK(client.receive<wire::Halted>().code == "spool_full");
  CHECK(proxy.stop());
}
