#include "admin_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

// Events that a group still needs are damaged or gone, in a segment that recovery does not read.

namespace {

BrokerDriver::Setup small_segments() {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  setup.tail_cache_bytes = 0;
  return setup;
}

/// A spool of several segments with one event a packet, the numbers of the events being their offsets, and a group
/// that has settled none of them.
struct Backlog {
  BrokerDriver proxy{small_segments()};
  std::uint64_t events = 0;

  Backlog() {
    TestClient member(proxy, "m/1");
    member.hello();
    attach(member, "g", 0);
    TestClient producer(proxy, "shop/1");
    producer.hello();
    for (; events < 200; ++events) producer.publish("a", {events});
    proxy.kill();
  }

  static void attach(TestClient& member, const std::string& group, std::uint64_t credit_events) {
    wire::Attach attach = member.attach_message(group, {"a"});
    attach.credit_events = credit_events;
    member.attach(attach);
  }

  std::string path(std::size_t i) { return "spool/" + proxy.files().list("spool").value().at(i); }
  /// The first offset of the segment that is the i-th now.
  std::uint64_t begin_of(std::size_t i) {
    return spool::parse_segment_name(proxy.files().list("spool").value().at(i))->first_offset;
  }
  void damage_first_event(std::size_t segment) {
    Bytes bytes = proxy.files().contents(path(segment)).value();
    const auto head = spool::parse_header(BytesView(bytes).substr(0, spool::segment_header_bytes), path(segment));
    REQUIRE(head);
    const auto at = bytes.find("shop/1", head->head_end);
    REQUIRE(at != Bytes::npos);
    bytes[at] ^= 1;
    REQUIRE(proxy.files().set_contents(path(segment), bytes));
  }
  void start(bool accept) {
    proxy.accept_loss(accept);
    if (auto started = proxy.try_start(); !started) FAIL(started.error().message());
  }

  std::set<std::uint64_t> deliver_to(TestClient& member, const std::string& group = "g") {
    member.hello();
    attach(member, group, 100'000);
    for (int i = 0; i < 20; ++i) {  // longer than those may take who held events before
      member.send(wire::Renew{{member.session}});
      proxy.advance(1s);
    }
    std::set<std::uint64_t> got;
    for (const Delivered& delivered : member.deliveries()) CHECK(got.insert(delivered.event).second);
    return got;
  }

  /// All that was published but for [begin, end).
  std::set<std::uint64_t> all_but(std::uint64_t begin, std::uint64_t end) const {
    std::set<std::uint64_t> all;
    for (std::uint64_t event = 0; event < events; ++event) {
      if (event < begin || event >= end) all.insert(event);
    }
    return all;
  }
};

void check_lost(TestClient& member, std::uint64_t begin, std::uint64_t end) {
  const auto lost = member.take<wire::Lost>();
  REQUIRE(lost);
  REQUIRE(lost->ranges.size() == 1);
  CHECK(lost->ranges[0].offset == begin);
  CHECK(lost->ranges[0].count == end - begin);
  CHECK_FALSE(member.take<wire::Lost>());
}

}  // namespace

TEST_CASE("a segment whose loss was accepted is lost to each group that needs it, exactly, and they go on") {
  Backlog log;
  const std::uint64_t begin = log.begin_of(2);
  const std::uint64_t end = log.begin_of(3);
  REQUIRE(begin < end);
  REQUIRE(log.proxy.files().remove(log.path(2)));
  REQUIRE_FALSE(log.proxy.try_start());
  log.start(true);
  {
    TestClient member(log.proxy, "m/2");
    CHECK(log.deliver_to(member) == log.all_but(begin, end));
    check_lost(member, begin, end);
  }
  log.proxy.kill();
  log.start(false);
  TestClient again(log.proxy, "m/3");
  CHECK(log.deliver_to(again) == log.all_but(begin, end));
  CHECK_FALSE(again.take<wire::Lost>());  // told, and logged
  TestClient late(log.proxy, "m/4");
  CHECK(log.deliver_to(late, "made-later") == log.all_but(begin, end));
  check_lost(late, begin, end);
}

TEST_CASE("a group that damage stopped says so when nobody is in it any more, until it is past the damage") {
  Backlog log;
  const std::uint64_t begin = log.begin_of(2);
  log.damage_first_event(2);
  log.start(false);
  auto stalled = [&] { return AdminClient(log.proxy).group("g")["stalled"]; };
  REQUIRE(stalled() == "nil");
  {
    TestClient member(log.proxy, "m/2");
    auto held = log.deliver_to(member);
    REQUIRE(held.size() == begin);
    REQUIRE(stalled().find("corrupt") != std::string::npos);
    member.send(wire::Detach{1});
    REQUIRE(member.take<wire::Detached>());
  }
  AdminClient admin(log.proxy);
  REQUIRE(admin.group("g")["member_count"] == "0");
  REQUIRE(stalled().find("corrupt") != std::string::npos);
  const std::uint64_t position = std::stoull(admin.group("g")["position"]);
  SECTION("a seek beyond it") {
    admin.seek("g", position + 1);
    CHECK(stalled() == "nil");
  }
  SECTION("a seek before it, and a member that comes to it again") {
    admin.seek("g", 0);
    CHECK(stalled() == "nil");
    TestClient next(log.proxy, "m/3");
    next.hello();
    Backlog::attach(next, "g", 100'000);
    CHECK(next.deliveries().size() == begin);
    CHECK(stalled().find("corrupt") != std::string::npos);
  }
}

TEST_CASE("a group that could not read says so until it has read, and not because a member comes or goes") {
  BrokerDriver proxy(small_segments());
  TestClient member(proxy, "m/1");
  member.hello();
  member.publish("a", {1, 2});
  AdminClient admin(proxy);
  auto stalled = [&] { return admin.group("g")["stalled"]; };
  proxy.files().fail_reads(true);
  Backlog::attach(member, "g", 10);
  REQUIRE(stalled().find("io_error") != std::string::npos);
  member.send(wire::Credit{1, 0, 0});
  REQUIRE(stalled().find("io_error") != std::string::npos);
  member.send(wire::Detach{1});
  REQUIRE(member.take<wire::Detached>());
  REQUIRE(stalled().find("io_error") != std::string::npos);
  Backlog::attach(member, "g", 10);
  REQUIRE(member.deliveries().empty());
  REQUIRE(stalled().find("io_error") != std::string::npos);
  proxy.files().fail_reads(false);
  member.send(wire::Credit{1, 100, 1 << 20});
  REQUIRE(member.deliveries().size() == 2);
  REQUIRE(stalled() == "nil");
}

TEST_CASE("a damaged event stops a group by name and loses nothing, until its loss is accepted") {
  Backlog log;
  const std::uint64_t begin = log.begin_of(2);
  log.damage_first_event(2);
  log.start(false);
  {
    TestClient member(log.proxy, "m/2");
    const auto got = log.deliver_to(member);
    CHECK(got.size() == begin);
    CHECK_FALSE(member.take<wire::Lost>());
    member.send(wire::Admin{"groups", "g"});
    const Bytes groups = member.take<wire::AdminReply>()->body;
    CHECK(groups.find("offsets " + std::to_string(begin) + " to " + std::to_string(begin + 1)) != Bytes::npos);
  }
  log.proxy.kill();
  log.start(true);
  {
    TestClient member(log.proxy, "m/3");
    CHECK(log.deliver_to(member) == log.all_but(begin, begin + 1));
    check_lost(member, begin, begin + 1);
  }
  log.proxy.kill();
  log.start(false);
  TestClient member(log.proxy, "m/4");
  CHECK(log.deliver_to(member) == log.all_but(begin, begin + 1));
  CHECK_FALSE(member.take<wire::Lost>());
}
