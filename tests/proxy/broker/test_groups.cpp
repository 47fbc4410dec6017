#include <set>

#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;
using Numbers = std::vector<std::uint64_t>;

namespace {

struct Member {
  Member(BrokerDriver& proxy, const std::string& source) : client(proxy, source) { client.hello(); }

  wire::Attached attach(std::vector<std::string> patterns = {">"}, std::uint64_t events = 1'000) {
    auto message = client.attach_message("g", std::move(patterns));
    message.credit_events = events;
    message.options = options;
    return client.attach(message);
  }
  std::vector<wire::Outcome> retry(const Delivered& delivered, std::optional<std::uint64_t> after_ms = std::nullopt) {
    auto settlement = delivered.settlement(wire::Verdict::retry);
    settlement.retry_after_ms = after_ms;
    return client.settle({TestClient::turn({settlement})});
  }

  TestClient client;
  wire::GroupOptions options;
};

/// Time passes in steps of a second while these stay alive.
void pass(BrokerDriver& proxy, int seconds, const std::vector<TestClient*>& alive) {
  for (int i = 0; i < seconds; ++i) {
    for (TestClient* client : alive) client->send(wire::Renew{{client->session}});
    proxy.advance(1s);
  }
}

Numbers numbers(std::uint64_t first, std::uint64_t count) {
  Numbers all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(first + i);
  return all;
}

}  // namespace

TEST_CASE("one member gets all events in the order of their offsets") {
  BrokerDriver proxy;
  TestClient producer(proxy, "shop/1");
  producer.hello();
  for (std::uint64_t i = 0; i < 3'000; ++i) producer.publish(i % 2 == 0 ? "a.x" : "b", {2 * i, 2 * i + 1});
  Member member(proxy, "m/1");
  member.attach({">"}, 10'000);
  REQUIRE(events_of(member.client.deliveries()) == numbers(0, 6'000));
}

TEST_CASE("credit in events bounds what a member holds, and settling frees it") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  member.attach({">"}, 3);
  member.client.publish("a", numbers(0, 10));
  auto held = member.client.deliveries();
  REQUIRE(events_of(held) == Numbers{0, 1, 2});
  member.client.ack(held[1]);
  REQUIRE(events_of(member.client.deliveries()) == Numbers{3});
  member.client.send(wire::Credit{1, 5, 1 << 20});
  REQUIRE(events_of(member.client.deliveries()) == Numbers{4, 5});
}

TEST_CASE("credit in bytes bounds what a member holds") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  auto attach = member.client.attach_message("g", {">"});
  const auto packet = member.client.packet("a", numbers(0, 100));
  attach.credit_bytes = packet.packet.view.size() / 2;
  member.client.attach(attach);
  member.client.publish({packet});
  const auto held = member.client.deliveries().size();
  REQUIRE(held > 30);
  REQUIRE(held <= 52);
}

TEST_CASE("one event is always delivered to a member that holds none") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  auto attach = member.client.attach_message("g", {">"});
  attach.credit_events = attach.credit_bytes = 0;
  member.client.attach(attach);
  member.client.publish("a", {1, 2});
  auto held = member.client.deliveries();
  REQUIRE(events_of(held) == Numbers{1});
  member.client.ack(held[0]);
  REQUIRE(events_of(member.client.deliveries()) == Numbers{2});
}

TEST_CASE("two members share events and none is out twice") {
  BrokerDriver proxy;
  Member first(proxy, "m/1");
  Member second(proxy, "m/2");
  first.attach();
  second.attach();
  const bool one_packet = GENERATE(false, true);
  if (one_packet) {
    first.client.publish("a", numbers(0, 600));
  } else {
    for (std::uint64_t i = 0; i < 600; ++i) first.client.publish("a", {i});
  }
  const auto a = first.client.deliveries();
  const auto b = second.client.deliveries();
  REQUIRE(a.size() == 300);
  REQUIRE(b.size() == 300);
  std::set<std::uint64_t> all;
  for (const auto& d : a) all.insert(d.event);
  for (const auto& d : b) all.insert(d.event);
  REQUIRE(all.size() == 600);
  std::set<std::uint64_t> handouts;
  for (const auto& d : a) handouts.insert(d.id.handout);
  if (one_packet) REQUIRE(handouts.size() == 1);
}

TEST_CASE("a member without room does not hold back another") {
  BrokerDriver proxy;
  Member slow(proxy, "m/1");
  Member fast(proxy, "m/2");
  slow.attach({">"}, 1);
  fast.attach();
  for (std::uint64_t i = 0; i < 100; ++i) slow.client.publish("a", {i});
  REQUIRE(slow.client.deliveries().size() == 1);
  REQUIRE(fast.client.deliveries().size() == 99);
}

TEST_CASE("what waits for a member without room does not hold back retries of others") {
  BrokerDriver proxy;
  Member a(proxy, "m/1");
  Member b(proxy, "m/2");
  a.attach({"a"}, 1);
  b.attach({"b"}, 1);
  a.client.publish("a", {1});
  a.client.publish("b", {2});
  auto held_a = a.client.deliveries();
  auto held_b = b.client.deliveries();
  // Both come again, but a keeps another event, so its retry waits; b's must not.
  auto attach = a.client.attach_message("g", {"a"});
  attach.credit_events = 2;
  a.client.publish("a", {3});
  a.client.send(wire::Credit{1, 2, 1 << 20});
  REQUIRE(a.client.deliveries().size() == 1);
  a.client.send(wire::Credit{1, 1, 1 << 20});
  a.retry(held_a[0], 0);
  REQUIRE(a.client.deliveries().empty());
  b.retry(held_b[0], 0);
  REQUIRE(events_of(b.client.deliveries()) == Numbers{2});
}

TEST_CASE("what a lost member held goes to others, the one it worked on counted") {
  BrokerDriver proxy;
  Member lost(proxy, "m/1");
  Member other(proxy, "m/2");
  lost.attach();
  lost.client.publish("a", {0, 1, 2, 3});
  lost.client.ack(lost.client.deliveries()[0]);
  other.attach();
  pass(proxy, 11, {&other.client});
  const auto again = other.client.deliveries();
  REQUIRE(events_of(again) == Numbers{1, 2, 3});
  REQUIRE(again[0].attempt == 2);
  REQUIRE(again[1].attempt == 1);
}

TEST_CASE("what a member held that says goodbye or detaches comes again uncounted") {
  BrokerDriver proxy;
  Member gone(proxy, "m/1");
  Member other(proxy, "m/2");
  gone.attach();
  gone.client.publish("a", {0, 1});
  if (GENERATE(false, true)) {
    gone.client.send(wire::Goodbye{"done"});
  } else {
    gone.client.send(wire::Detach{1});
    REQUIRE(gone.client.take<wire::Detached>()->member == 1);
    gone.client.deliveries();
    gone.client.publish("a", {2});
    REQUIRE(gone.client.deliveries().empty());
  }
  other.attach();
  const auto again = other.client.deliveries();
  REQUIRE(again.size() >= 2);
  REQUIRE(again[0].attempt == 1);
}

TEST_CASE("a deadline that passes counts an attempt and the event comes again after the backoff") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  member.options.ack_deadline_ms = 5'000;
  member.options.backoff_min_ms = 2'000;
  member.attach();
  member.client.publish("a", {0, 1});
  const auto held = member.client.deliveries();
  pass(proxy, 4, {&member.client});
  REQUIRE(member.client.ack(held[1])[0].status == OutcomeStatus::stored);
  pass(proxy, 2, {&member.client});
  REQUIRE(member.client.deliveries().empty());
  REQUIRE(member.client.ack(held[0])[0].code == ErrorCode::stale);
  pass(proxy, 2, {&member.client});
  const auto again = member.client.deliveries();
  REQUIRE(events_of(again) == Numbers{0});
  REQUIRE(again[0].attempt == 2);
}

TEST_CASE("the deadline runs from when a delivery became the oldest, and anew after extend") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  member.options.ack_deadline_ms = 5'000;
  member.attach();
  member.client.publish("a", {0, 1});
  const auto held = member.client.deliveries();
  pass(proxy, 4, {&member.client});
  member.client.ack(held[0]);
  pass(proxy, 4, {&member.client});
  member.client.send(wire::Extend{1, held[1].id});
  pass(proxy, 4, {&member.client});
  REQUIRE(member.client.ack(held[1])[0].status == OutcomeStatus::stored);
  member.client.send(wire::Extend{1, held[1].id});
  REQUIRE(member.client.error() == "stale");
}

TEST_CASE("retries back off, and the last attempt makes a dead letter") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  member.options.max_attempts = 4;
  member.options.backoff_min_ms = 1'000;
  member.options.backoff_factor = 3;
  member.options.backoff_max_ms = 5'000;
  member.attach();
  member.client.publish("a", {7});
  const std::uint64_t delays_s[] = {1, 3, 5};
  for (std::uint64_t attempt = 1; attempt <= 4; ++attempt) {
    auto held = member.client.deliveries();
    REQUIRE(held.size() == 1);
    REQUIRE(held[0].attempt == attempt);
    member.retry(held[0]);
    if (attempt == 4) break;
    pass(proxy, static_cast<int>(delays_s[attempt - 1]) - 1, {&member.client});
    REQUIRE(member.client.deliveries().empty());
    pass(proxy, 1, {&member.client});
  }
  REQUIRE(proxy.stored().back().topic == "_spindle.dead.g");
  pass(proxy, 60, {&member.client});
  REQUIRE(member.client.deliveries().empty());
}

TEST_CASE("attempts and delays survive a restart") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  member.attach();
  member.client.publish("a", {7});
  member.retry(member.client.deliveries()[0], 5'000);
  proxy.restart();
  if (GENERATE(false, true)) proxy.restart();
  member.client.reconnect();
  member.client.hello();
  member.attach();
  pass(proxy, 4, {&member.client});
  REQUIRE(member.client.deliveries().empty());
  pass(proxy, 1, {&member.client});
  REQUIRE(member.client.deliveries()[0].attempt == 2);
}

TEST_CASE("a group has its members' patterns together, a member gets what matches its own") {
  BrokerDriver proxy;
  Member a(proxy, "m/1");
  Member b(proxy, "m/2");
  a.attach({"a", "both"});
  b.attach({"b.>", "both"});
  a.client.publish("a", {1});
  a.client.publish("b.x", {2});
  a.client.publish("c", {3});
  REQUIRE(events_of(a.client.deliveries()) == Numbers{1});
  REQUIRE(events_of(b.client.deliveries()) == Numbers{2});
}

TEST_CASE("a pattern added later counts from the group's position, also when the proxy restarts afterwards") {
  const bool restart = GENERATE(false, true);
  BrokerDriver proxy;
  Member a(proxy, "m/1");
  a.attach({"a"});
  for (std::uint64_t i = 1; i <= 5; ++i) {
    a.client.publish("a", {10 * i});
    a.client.publish("b", {i});
  }
  for (const Delivered& delivered : a.client.deliveries()) a.client.ack(delivered);
  Member b(proxy, "m/2");
  b.attach({"a", "b"});
  if (restart) {
    proxy.restart();
    b.client.reconnect();
    b.client.hello();
    b.attach({"a", "b"});
    pass(proxy, 15, {&b.client});  // m/1 does not come back
  }
  b.client.publish("b", {7});
  REQUIRE(events_of(b.client.deliveries()) == Numbers{7});
}

TEST_CASE("what was passed over is logged with what is settled, and not looked at again after a restart") {
  BrokerDriver proxy;
  Member a(proxy, "m/1");
  a.attach({"a"});
  for (std::uint64_t i = 1; i <= 20; ++i) {
    a.client.publish("b", {i});
    a.client.publish("a", {100 + i});
    a.client.ack(a.client.deliveries().at(0));
  }
  proxy.restart();
  a.client.reconnect();
  a.client.hello();
  // All but what followed the last acknowledgement that noted it.
  REQUIRE(a.attach({"a"}).position >= 38);
}

TEST_CASE("what no present member wants waits for one that does") {
  BrokerDriver proxy;
  Member a(proxy, "m/1");
  Member b(proxy, "m/2");
  a.attach({"a"});
  b.attach({"b"});
  b.client.send(wire::Detach{1});
  a.client.publish("b", {1});
  a.client.publish("a", {2});
  REQUIRE(events_of(a.client.deliveries()) == Numbers{2});
  if (GENERATE(false, true)) {
    b.attach({"b"});
    REQUIRE(events_of(b.client.deliveries()) == Numbers{1});
  } else {
    a.attach({"a", "b"});
    REQUIRE(events_of(a.client.deliveries()) == Numbers{1, 2});
  }
}

TEST_CASE("a group starts at the beginning, now, or at an offset") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  member.client.publish("a", {0, 1, 2});
  auto attach = member.client.attach_message("g", {">"});
  SECTION("beginning") {
    member.client.attach(attach);
    REQUIRE(events_of(member.client.deliveries()) == Numbers{0, 1, 2});
  }
  SECTION("now") {
    attach.start.at = wire::Start::At::now;
    member.client.attach(attach);
    member.client.publish("a", {3});
    REQUIRE(events_of(member.client.deliveries()) == Numbers{3});
  }
  SECTION("offset") {
    attach.start = {wire::Start::At::offset, 1};
    member.client.attach(attach);
    REQUIRE(events_of(member.client.deliveries()) == Numbers{1, 2});
  }
  SECTION("offset beyond the end") {
    attach.start = {wire::Start::At::offset, 100};
    REQUIRE(member.client.attach(attach).position == 3);
  }
  SECTION("and keeps that over a restart") {
    attach.start = {wire::Start::At::offset, 2};
    attach.credit_events = 1;
    member.client.attach(attach);
    proxy.restart();
    member.client.reconnect();
    member.client.hello();
    member.client.attach(attach);
    REQUIRE(events_of(member.client.deliveries()) == Numbers{2});
  }
}

TEST_CASE("attach is refused by name") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  auto attach = member.client.attach_message("g", {">"});
  SECTION("no such group") {
    attach.create = false;
    member.client.send(attach);
    REQUIRE(member.client.error() == "unknown_group");
  }
  SECTION("a bad pattern") {
    attach.patterns = {"a.>.b"};
    member.client.send(attach);
    REQUIRE(member.client.error() == "malformed");
  }
  SECTION("no pattern") {
    attach.patterns = {};
    member.client.send(attach);
    REQUIRE(member.client.error() == "malformed");
  }
  SECTION("a bad name") {
    attach.group = "a.b";
    member.client.send(attach);
    REQUIRE(member.client.error() == "malformed");
  }
  SECTION("other options") {
    member.client.attach(attach);
    attach.options.max_attempts = 3;
    member.client.send(attach);
    REQUIRE(member.client.error() == "group_mismatch");
  }
  SECTION("a member of another group") {
    member.client.attach(attach);
    attach.group = "h";
    member.client.send(attach);
    REQUIRE(member.client.error() == "invalid_argument");
  }
}

TEST_CASE("a delivery never has more packets than a message may") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  proxy.by_hand = true;
  for (std::uint64_t i = 0; i < 900; ++i) member.client.publish("a", {i});
  proxy.by_hand = false;
  proxy.settle();
  for (std::uint64_t i = 0; i < 5'000; ++i) member.client.publish("a", {900 + i});
  member.attach({">"}, 10'000);
  REQUIRE(events_of(member.client.deliveries()) == numbers(0, 5'900));  // the driver checks each message
}

TEST_CASE("a read that fails stalls the group by name until something changes") {
  BrokerDriver::Setup setup;
  setup.tail_cache_bytes = 0;
  BrokerDriver proxy(setup);
  Member member(proxy, "m/1");
  member.client.publish("a", {1, 2});
  proxy.files().fail_reads(true);
  member.attach();
  REQUIRE(member.client.deliveries().empty());
  member.client.send(wire::Admin{"groups", "g"});
  REQUIRE(member.client.take<wire::AdminReply>()->body.find("io_error") != Bytes::npos);
  proxy.files().fail_reads(false);
  member.client.send(wire::Credit{1, 100, 1 << 20});
  REQUIRE(member.client.deliveries().size() == 2);
}

TEST_CASE("groups tells of each group what it has and waits for") {
  BrokerDriver proxy;
  Member member(proxy, "m/1");
  member.client.publish("a", {1, 2, 3, 4, 5});
  member.attach({"a"}, 2);
  member.client.send(wire::Admin{"groups", ""});
  const auto reply = member.client.take<wire::AdminReply>();
  wire::Values values;
  REQUIRE(values.read_whole(reply->body));
  wire::Cursor at(values);
  REQUIRE(at.array("groups") == 1);
  const std::uint32_t pairs = at.map("group");
  std::map<std::string, std::uint64_t> figures;
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const std::string key(at.str("key"));
    at.peek() == wire::ValueType::uint ? void(figures[key] = at.uint(key)) : at.skip();
  }
  REQUIRE(at.ok());
  REQUIRE(figures["lag"] == 3);
  REQUIRE(figures["pending"] == 2);
  REQUIRE(figures["position"] == 2);
  REQUIRE(figures["end"] == 5);
  member.client.send(wire::Admin{"dance", ""});
  REQUIRE(member.client.error() == "unsupported");
}
