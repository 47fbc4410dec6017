// Changes of groups in the middle of something else: a full disk, a search, a member that leaves, replays.
#include "admin_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;
using Numbers = std::vector<std::uint64_t>;

namespace {

constexpr std::uint64_t reserve_bytes = 1 << 23;
constexpr std::uint64_t plenty = 1ull << 40;

BrokerDriver::Setup with_reserve() {
  BrokerDriver::Setup setup;
  setup.segment_bytes = 1 << 20;
  setup.config.disk_reserve_bytes = reserve_bytes;
  return setup;
}

/// So much is left for what is written below all of the reserve that anything may take.
void leave_bare(BrokerDriver& proxy, std::uint64_t bytes) {
  const std::uint64_t space = reserve_bytes / 8 + bytes;
  REQUIRE(space >= proxy.segment_bytes_left);
  proxy.broker().on_space(space - proxy.segment_bytes_left);
}

void fill_disk(BrokerDriver& proxy) {
  proxy.broker().on_space(0);
  proxy.advance(1s);
}

void free_disk(BrokerDriver& proxy) {
  proxy.broker().on_space(plenty);
  proxy.advance(1s);
}

}  // namespace

TEST_CASE("dropping a pattern is refused when there is no space to settle all that waits for it") {
  BrokerDriver proxy(with_reserve());
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"old", "new"});
  member.attach("g", {"new"});
  for (std::uint64_t i = 0; i < 2'000; ++i) member.publish({member.packet(i % 2 == 0 ? "old" : "x", {i})});
  AdminClient admin(proxy);
  const std::string parked = admin.group("g")["unhandled_events"];
  REQUIRE(parked == "1000");
  leave_bare(proxy, 4'096);
  REQUIRE(admin.ask("group.alter", "g", AdminClient::dropping("old", true))["settled"] == parked);
  REQUIRE(admin.refused("group.alter", "g", AdminClient::dropping("old")).code == "spool_full");
  REQUIRE(admin.group("g")["patterns"] == "[old, new]");
  REQUIRE(admin.group("g")["unhandled_events"] == parked);
  proxy.broker().on_space(plenty);
  REQUIRE(admin.ask("group.alter", "g", AdminClient::dropping("old"))["settled"] == parked);
  REQUIRE(admin.group("g")["unhandled_events"] == "0");
}

TEST_CASE("an event of a dropped pattern that comes back while the disk is full is settled once it is not") {
  BrokerDriver proxy(with_reserve());
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"old", "new"});
  member.publish("old", {0});
  const auto held = member.deliveries();
  auto attach = member.attach_message("g", {"new"});
  attach.claims = {{held[0].id, 1, 1}};
  member.attach(attach);
  AdminClient admin(proxy);
  REQUIRE(admin.ask("group.alter", "g", AdminClient::dropping("old"))["settled"] == "0");  // it is out
  fill_disk(proxy);
  attach.claims = {};
  member.attach(attach);
  REQUIRE(member.deliveries().empty());
  REQUIRE(admin.group("g")["floor"] == "0");
  free_disk(proxy);
  auto figures = admin.group("g");
  REQUIRE(figures["floor"] == "1");
  REQUIRE(figures["unhandled"] == "[]");
}

TEST_CASE("a pattern is added only when there is space to log what was passed over before it") {
  BrokerDriver proxy(with_reserve());
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {"a"});
  attach.credit_events = 10'000;
  attach.credit_bytes = 1 << 28;
  member.attach(attach);
  member.publish("a", Numbers(2'000, 7));
  const auto held = member.deliveries();
  std::vector<wire::Turn> turns;
  std::vector<wire::Claim> claims;
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (i % 2 == 1) turns.push_back(TestClient::turn({held[i].settlement()}));
    if (i % 2 == 0) claims.push_back({held[i].id, 1, 1});
  }
  member.settle(turns);
  attach.claims = claims;
  leave_bare(proxy, 8'192);
  attach.patterns = {"a", "b"};
  member.send(attach);
  REQUIRE(member.error() == "spool_full");
  REQUIRE(AdminClient(proxy).group("g")["patterns"] == "[a]");
  attach.patterns = {"a"};
  REQUIRE(member.attach(attach).claimed.size() == claims.size());  // nothing new is to be logged
  fill_disk(proxy);
  REQUIRE(member.attach(attach).claimed.size() == claims.size());
  attach.options.max_attempts = 3;
  attach.alter = true;
  member.send(attach);
  REQUIRE(member.error() == "spool_full");
  attach.options = {};
  proxy.broker().on_space(plenty);
  attach.patterns = {"a", "b", "c"};
  member.attach(attach);
  REQUIRE(AdminClient(proxy).group("g")["patterns"] == "[a, b, c]");
}

TEST_CASE("a member that left one group while the disk was full has left it, though it asks for another one") {
  BrokerDriver proxy(with_reserve());
  TestClient member(proxy, "m/1");
  TestClient other(proxy, "m/2");
  member.hello();
  other.hello();
  member.attach("g", {"a"});
  other.attach("other", {"a"});
  member.publish("a", {0, 1});
  REQUIRE(events_of(member.deliveries()) == Numbers{0, 1});
  auto attach = other.attach_message("g", {"a"});
  attach.member = 2;
  other.attach(attach);
  other.deliveries();
  fill_disk(proxy);
  member.send(wire::Detach{1});
  member.send(member.attach_message("other", {"a"}));
  REQUIRE(member.error() == "spool_full");
  free_disk(proxy);
  REQUIRE(AdminClient(proxy).group("g")["member_count"] == "1");
  REQUIRE(events_of(other.deliveries()) == Numbers{0, 1});
}

TEST_CASE("an attach that is refused has made no group and changed none") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"a"});
  auto attach = member.attach_message("other", {"a"});
  member.send(attach);
  REQUIRE(member.error() == "invalid_argument");  // it is in another group under this number
  REQUIRE(AdminClient(proxy).groups().size() == 1);
  attach.member = 2;
  member.attach(attach);
  attach.member = 1;
  attach.options.max_attempts = 3;
  attach.alter = true;
  attach.patterns = {"b"};
  member.send(attach);
  REQUIRE(member.error() == "invalid_argument");
  auto figures = AdminClient(proxy).group("other");
  REQUIRE(figures["patterns"] == "[a]");
  REQUIRE(figures["options"].find("max_attempts: 8") != std::string::npos);
}

TEST_CASE("a time that is sought moves no later group of that name") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"a"});
  member.publish("a", {0, 1});
  AdminClient admin(proxy);
  proxy.by_hand = true;
  admin.client.send(wire::Admin{
      "group.seek", "g", AdminClient::arguments("time_ns", [&](wire::Writer& to) { to.sint(proxy.now().wall_ns); })});
  admin.client.send(wire::Admin{"group.delete", "g", {}});
  member.send(member.attach_message("g", {"a"}));
  proxy.by_hand = false;
  proxy.settle();
  const auto refused = admin.client.take<wire::ErrorMessage>();
  REQUIRE(refused);
  REQUIRE(refused->code == "unknown_group");
  REQUIRE(admin.client.take<wire::AdminReply>());  // of the deletion
  const auto attached = member.take<wire::Attached>();
  REQUIRE(attached);
  REQUIRE(admin.group("g")["generation"] == std::to_string(attached->generation));
}

TEST_CASE("whoever lets a group without a member expire is told that it may go at once") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"a"});
  AdminClient admin(proxy);
  wire::GroupOptions expires;
  expires.expires_ms = 60'000;
  REQUIRE(admin.alter("g", expires, true)["changes"] == "[expires_ms: 0 -> 60000]");
  member.send(wire::Detach{1});
  REQUIRE(admin.alter("g", expires, true)["changes"].find("has no member: it is deleted") != std::string::npos);
}

TEST_CASE("options that contradict one another are refused, so that the same ones always agree with their group") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {"a"});
  attach.options.backoff_min_ms = 120'000;
  attach.options.backoff_max_ms = 60'000;
  member.send(attach);
  const auto refused = member.take<wire::ErrorMessage>();
  REQUIRE(refused);
  REQUIRE(refused->code == "invalid_argument");
  REQUIRE(refused->text.find("backoff_max_ms (60000) is below backoff_min_ms (120000)") != std::string::npos);
  attach.options.backoff_max_ms.reset();
  for (int i = 0; i < 2; ++i) member.attach(attach);
  AdminClient admin(proxy);
  wire::GroupOptions lower;
  lower.backoff_max_ms = 1'000;
  const auto below = AdminClient::arguments("options", [&](wire::Writer& to) { lower.write(to); });
  REQUIRE(admin.refused("group.alter", "g", below).code == "invalid_argument");
  wire::GroupOptions higher;
  higher.backoff_min_ms = 180'000;
  REQUIRE(admin.alter("g", higher)["changes"] ==
          "[backoff_min_ms: 120000 -> 180000, backoff_max_ms: 120000 -> 180000]");
}

TEST_CASE("a replayed event with a key counts as pending for the pattern of its own topic") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"other", "a"});
  wire::PacketBuilder builder;
  Bytes data;
  wire::Writer(data).uint(0);
  builder.add(data, {}, 7);
  wire::PacketHeader header;
  header.source = member.source();
  header.epoch = member.epoch;
  header.event_class = wire::EventClass::durable;
  header.sequence = member.next_commit;
  member.publish({{SharedBytes::own("a"), SharedBytes::own(builder.finish(header))}});
  auto held = member.deliveries();
  member.settle({TestClient::turn({held[0].settlement(wire::Verdict::reject)})});
  AdminClient admin(proxy);
  REQUIRE(admin.ask("dead_replay", "g", AdminClient::arguments("letters", [](wire::Writer& to) {
                      to.array(1).array(2).uint(1).uint(1);
                    }))["done"] == "1");
  REQUIRE(member.deliveries().size() == 1);
  REQUIRE(admin.group("g")["by_pattern"].find("{pattern: a, pending: 1,") != std::string::npos);
}
