#include "admin_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;
using Numbers = std::vector<std::uint64_t>;

namespace {

/// What the log says of a group: the same before and after a restart, while nobody is in it.
Figures logged(BrokerDriver& proxy, const std::string& name) {
  Figures figures = AdminClient(proxy).group(name);
  for (const char* key : {"keeps_bytes", "keeps_oldest", "redelivered", "position", "by_pattern"}) figures.erase(key);
  return figures;
}

wire::GroupOptions attempts(std::uint64_t most) {
  wire::GroupOptions options;
  options.max_attempts = most;
  return options;
}

/// Settles these, one turn each.
void settle_all(TestClient& client, const std::vector<Delivered>& deliveries,
                wire::Verdict verdict = wire::Verdict::ack) {
  std::vector<wire::Turn> turns;
  for (const Delivered& one : deliveries) turns.push_back(TestClient::turn({one.settlement(verdict)}));
  if (!turns.empty()) client.settle(turns);
}

}  // namespace

TEST_CASE("a paused group hands nothing out, what is out may be settled, and it stays paused over a restart") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {">"});
  member.publish("a", {1, 2});
  const auto held = member.deliveries();
  AdminClient admin(proxy);
  REQUIRE(admin.ask("group.pause", "g")["changes"].find("2 events that are out may be settled") != std::string::npos);
  REQUIRE(admin.group("g")["stalled"] == "paused by an operator");
  member.publish("a", {3});
  REQUIRE(member.deliveries().empty());
  REQUIRE(member.ack(held[0])[0].status == OutcomeStatus::stored);
  REQUIRE(admin.ask("group.pause", "g")["changes"] == "[]");
  REQUIRE(admin.group("g")["floor"] == "1");  // it keeps what it has not settled

  proxy.restart();
  TestClient again(proxy, "m/1");
  again.epoch = member.epoch;
  again.spool = member.spool;
  again.hello();
  again.attach("g", {">"});
  proxy.advance(11s);
  REQUIRE(again.deliveries().empty());
  proxy.restart();  // now from the state alone
  again.reconnect();
  again.hello();
  again.attach("g", {">"});
  REQUIRE(again.deliveries().empty());
  REQUIRE(AdminClient(proxy).ask("group.resume", "g")["paused"] == "false");
  REQUIRE(events_of(again.deliveries()) == Numbers{2, 3});
}

TEST_CASE("a seek takes what is out from its members and delivers again from there, under a higher generation") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  const auto attached = member.attach("g", {">"});
  member.publish("a", {0, 1, 2, 3, 4});
  auto held = member.deliveries();
  member.ack(held[0]);
  member.ack(held[1]);
  settle_all(member, {held[2]}, wire::Verdict::retry);
  AdminClient admin(proxy);
  const auto dry = admin.seek("g", 1, true);
  REQUIRE(dry.at("dry_run") == "true");
  REQUIRE(member.deliveries().empty());
  const auto reply = admin.seek("g", 1);
  REQUIRE(reply.at("changes") == dry.at("changes"));
  REQUIRE(reply.at("position") == "1");
  REQUIRE(reply.at("clamped") == "false");
  REQUIRE(reply.at("generation") == std::to_string(attached.generation + 1));
  REQUIRE(dry.at("generation") == reply.at("generation"));

  const auto again = member.deliveries();
  REQUIRE(events_of(again) == Numbers{1, 2, 3, 4});
  for (const Delivered& one : again) {
    REQUIRE(one.attempt == 1);
    REQUIRE(one.id.generation == attached.generation + 1);
  }
  REQUIRE(member.ack(held[3])[0].code == ErrorCode::stale);
  REQUIRE(member.ack(again[2])[0].status == OutcomeStatus::stored);
  auto figures = admin.group("g");
  REQUIRE(figures["pending"] == "3");
  REQUIRE(figures["retrying"] == "0");
}

TEST_CASE("a seek to the end settles everything, and a seek to the beginning nothing") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {">"});
  member.publish("a", {0, 1, 2});
  member.deliveries();
  AdminClient admin(proxy);
  auto word = [](const char* where) {
    return AdminClient::arguments("to", [=](wire::Writer& to) { to.str(where); });
  };
  REQUIRE(admin.ask("group.seek", "g", word("now"))["position"] == "3");
  REQUIRE(admin.group("g")["floor"] == "3");
  REQUIRE(admin.group("g")["lag"] == "0");
  REQUIRE(member.deliveries().empty());
  REQUIRE(admin.ask("group.seek", "g", word("beginning"))["position"] == "0");
  REQUIRE(events_of(member.deliveries()) == Numbers{0, 1, 2});
}

TEST_CASE("a seek beyond the end is refused: it would skip everything by a slip of the finger") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {">"});
  member.publish("a", {0, 1, 2});
  AdminClient admin(proxy);
  const auto refused =
      admin.refused("group.seek", "g", AdminClient::arguments("to", [](wire::Writer& to) { to.uint(4); }));
  REQUIRE(refused.code == "invalid_argument");
  REQUIRE(refused.text.find("the next one is 3") != std::string::npos);
  REQUIRE(admin.group("g")["generation"] == "1");
  REQUIRE(admin.seek("g", 3).at("position") == "3");
}

TEST_CASE("dead letters stay when their group is moved") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"a"});
  member.publish("a", {0, 1});
  settle_all(member, member.deliveries(), wire::Verdict::reject);
  AdminClient admin(proxy);
  REQUIRE(admin.group("g")["letters"] == "2");
  admin.seek("g", 4);
  REQUIRE(admin.group("g")["letters"] == "2");
  REQUIRE(admin.group("g")["keeps_from"] == "2");
}

TEST_CASE("a time is sought in the log, to the very record, over its segments") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  BrokerDriver proxy(setup);
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {"never"});
  member.attach(attach);
  std::vector<WallNs> times;
  const std::string filler(3'000, 'x');
  for (std::uint64_t i = 0; i < 300; ++i) {
    if (i == 150) proxy.restart();
    if (i == 150) {
      member.reconnect();
      member.hello();
    }
    member.publish("a", Numbers(400, i));
    times.push_back(proxy.now().wall_ns);
    proxy.advance(1s);
  }
  REQUIRE(proxy.segments_made > 5);
  for (const std::uint64_t i : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{77}, std::uint64_t{149},
                                std::uint64_t{150}, std::uint64_t{151}, std::uint64_t{299}}) {
    CAPTURE(i);
    for (const bool before : {false, true}) {
      AdminClient admin(proxy);
      const WallNs time = times[i] - (before ? 1 : 0);
      const auto reply =
          admin.ask("group.seek", "g", AdminClient::arguments("time_ns", [&](wire::Writer& to) { to.sint(time); }));
      REQUIRE(reply.at("position") == std::to_string(400 * i));
    }
  }
  AdminClient admin(proxy);
  const auto future = AdminClient::arguments(
      "time_ns", [&](wire::Writer& to) { to.sint(times.back() + 1); }, true);
  REQUIRE(admin.ask("group.seek", "g", future).at("position") == std::to_string(400 * 300));
  REQUIRE(admin.group("g").at("floor") == std::to_string(400 * 299));  // it was a dry run
}

TEST_CASE("a time that is sought is found in what is not durable yet, and nobody is told before it is") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"never"});
  member.publish("a", {0, 1});
  proxy.advance(1s);
  AdminClient admin(proxy);
  proxy.by_hand = true;
  member.publish("a", {2, 3});
  admin.client.send(wire::Admin{
      "group.seek", "g", AdminClient::arguments("time_ns", [&](wire::Writer& to) { to.sint(proxy.now().wall_ns); })});
  proxy.read();
  proxy.collect();
  REQUIRE_FALSE(admin.client.take<wire::AdminReply>());
  proxy.commit();
  proxy.read();
  proxy.collect();
  REQUIRE_FALSE(admin.client.take<wire::AdminReply>());  // it is decided, and not on the disk
  proxy.commit();
  proxy.collect();
  const auto reply = admin.client.take<wire::AdminReply>();
  REQUIRE(reply);
  wire::Values values;
  REQUIRE(values.read_whole(reply->body));
  std::size_t at = 0;
  REQUIRE(read_figures(values.all(), at)["position"] == "2");
}

TEST_CASE("members of a group that is deleted are told, and what they held is nobody's") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {">"});
  member.publish("a", {1, 2});
  const auto held = member.deliveries();
  AdminClient admin(proxy);
  REQUIRE(admin.ask("group.delete", "g", AdminClient::dry_run())["members"] == "1");
  REQUIRE(admin.groups().size() == 1);
  REQUIRE(admin.ask("group.delete", "g")["pending"] == "2");
  REQUIRE(admin.groups().empty());
  const auto told = member.take<wire::ErrorMessage>();
  REQUIRE(told);
  REQUIRE(told->code == "group_deleted");
  REQUIRE(told->member == 1);
  REQUIRE(told->answers == 0);
  REQUIRE(told->text.find("group g") == 0);
  REQUIRE(member.ack(held[0])[0].code == ErrorCode::stale);
  auto attach = member.attach_message("g", {">"});
  attach.create = false;
  member.send(attach);
  REQUIRE(member.error() == "unknown_group");
  REQUIRE(admin.refused("group.delete", "g").code == "unknown_group");

  // A group of that name is another one: no delivery id of the deleted one fits.
  member.attach("g", {">"});
  const auto fresh = member.deliveries();
  REQUIRE(events_of(fresh) == Numbers{1, 2});
  REQUIRE(member.ack(held[1])[0].code == ErrorCode::stale);
  REQUIRE(member.ack(fresh[1])[0].status == OutcomeStatus::stored);
  for (int i = 0; i < 2; ++i) proxy.restart();
  REQUIRE(AdminClient(proxy).groups().size() == 1);
}

TEST_CASE("a deleted group keeps nothing of the log") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  setup.config.retention.keep_for = 0s;
  BrokerDriver proxy(setup);
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("other", {"never"});
  auto attach = member.attach_message("g", {"a"});
  attach.member = 2;
  member.attach(attach);
  settle_all(member, {}, wire::Verdict::reject);
  for (std::uint64_t i = 0; i < 300; ++i) member.publish("a", Numbers(400, i));
  proxy.advance(1s);
  REQUIRE(proxy.first_offset() == 0);
  AdminClient(proxy).ask("group.delete", "g");
  for (int i = 0; i < 3; ++i) proxy.advance(1s);
  REQUIRE(proxy.first_offset() > 0);

  // And the other one cannot go back to what is gone.
  const auto clamped = AdminClient(proxy).seek("other", 0);
  REQUIRE(clamped.at("clamped") == "true");
  REQUIRE(clamped.at("position") == std::to_string(proxy.first_offset()));
  REQUIRE(clamped.at("changes").find("offset 0 is not kept") != std::string::npos);
}

TEST_CASE("every difference of options is named, and changed only when that is asked for") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {">"});
  auto attach = member.attach_message("g", {">"});
  attach.options.max_attempts = 3;
  attach.options.expires_ms = 7;
  attach.options.backoff_factor = 2;  // as it is
  member.send(attach);
  auto error = member.take<wire::ErrorMessage>();
  REQUIRE(error);
  REQUIRE(error->code == "group_mismatch");
  REQUIRE(error->text.find("max_attempts is 8, not 3; expires_ms is 0, not 7;") != std::string::npos);
  attach.alter = true;
  member.attach(attach);
  attach.alter = false;
  attach.create_options.max_attempts = 99;  // not for a group that is there
  member.attach(attach);

  AdminClient admin(proxy);
  REQUIRE(admin.alter("g", attempts(5), true)["changes"] == "[max_attempts: 3 -> 5]");
  REQUIRE(admin.group("g")["options"].find("max_attempts: 3") != std::string::npos);
  admin.alter("g", attempts(5));
  REQUIRE(admin.alter("g", attempts(5))["changes"] == "[]");
  const auto options = admin.group("g")["options"];
  REQUIRE(options.find("max_attempts: 5") != std::string::npos);
  REQUIRE(options.find("expires_ms: 7") != std::string::npos);
  auto wrong = AdminClient::arguments("options", [](wire::Writer& to) { attempts(0).write(to); });
  REQUIRE(admin.refused("group.alter", "g", wrong).code == "invalid_argument");
  wrong = AdminClient::arguments("options", [](wire::Writer& to) { to.map(1).str("colour").uint(1); });
  REQUIRE(admin.refused("group.alter", "g", wrong).code == "unsupported");
  wrong = AdminClient::arguments("force", [](wire::Writer& to) { to.boolean(true); });
  REQUIRE(admin.refused("group.alter", "g", wrong).code == "unsupported");
  for (int i = 0; i < 2; ++i) {
    proxy.restart();
    REQUIRE(AdminClient(proxy).group("g")["options"] == options);
  }
}

TEST_CASE("a group that is made takes the options for new ones") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {">"});
  attach.create_options.expires_ms = 3'600'000;
  attach.options.max_attempts = 2;
  member.attach(attach);
  const auto options = AdminClient(proxy).group("g")["options"];
  REQUIRE(options.find("expires_ms: 3600000") != std::string::npos);
  REQUIRE(options.find("max_attempts: 2") != std::string::npos);
}

TEST_CASE("a pattern that is dropped settles what waits for it only") {
  BrokerDriver proxy;
  TestClient old(proxy, "m/1");
  TestClient member(proxy, "m/2");
  old.hello();
  member.hello();
  old.attach("g", {"old", "both.*"});
  old.publish("old", {0});
  const auto failed = old.deliveries();
  auto retry = failed[0].settlement(wire::Verdict::retry);
  retry.retry_after_ms = 0;
  AdminClient admin(proxy);
  REQUIRE(admin.refused("group.alter", "g", AdminClient::dropping("old")).text.find("m/1") != std::string::npos);
  old.settle({TestClient::turn({retry})});
  old.send(wire::Detach{1});
  member.attach("g", {"both.*"});
  member.publish("old", {1, 2});
  member.publish("both.x", {3});
  member.publish("old", {4});
  REQUIRE(events_of(member.deliveries()) == Numbers{3});
  REQUIRE(admin.group("g")["unhandled"] == "[{topic: old, events: 4}]");
  REQUIRE(admin.group("g")["unhandled_events"] == "4");

  REQUIRE(admin.refused("group.alter", "g", AdminClient::dropping("new")).code == "not_found");
  REQUIRE(admin.refused("group.alter", "g", AdminClient::dropping("both.*")).code == "invalid_argument");
  REQUIRE(admin.ask("group.alter", "g", AdminClient::dropping("old", true))["settled"] == "4");
  REQUIRE(admin.group("g")["unhandled_events"] == "4");
  REQUIRE(admin.ask("group.alter", "g", AdminClient::dropping("old"))["settled"] == "4");
  auto figures = admin.group("g");
  REQUIRE(figures["unhandled"] == "[]");
  REQUIRE(figures["patterns"] == "[both.*]");
  REQUIRE(figures["retrying"] == "0");
  REQUIRE(figures["lag"] == "0");
  REQUIRE(figures["floor"] == "3");  // 3 is out
  REQUIRE(admin.refused("group.alter", "g", AdminClient::dropping("both.*")).text.find("m/2") != std::string::npos);
  member.send(wire::Detach{1});
  REQUIRE(admin.refused("group.alter", "g", AdminClient::dropping("both.*")).text.find("only") != std::string::npos);
}

TEST_CASE("events that were given back are passed over once their pattern is dropped, also after a restart") {
  BrokerDriver proxy;
  const bool restarts = GENERATE(false, true);
  CAPTURE(restarts);
  TestClient old(proxy, "m/1");
  old.hello();
  old.attach("g", {"old", "new"});
  old.publish("old", {0, 1});
  auto retry = old.deliveries()[0].settlement(wire::Verdict::retry);
  retry.retry_after_ms = 5'000;
  old.settle({TestClient::turn({retry})});
  old.send(wire::Detach{1});
  REQUIRE(AdminClient(proxy).ask("group.alter", "g", AdminClient::dropping("old"))["settled"] == "0");
  if (restarts) proxy.restart();
  if (restarts) old.reconnect();
  old.hello();
  old.attach("g", {"new"});
  old.publish("new", {2});
  REQUIRE(events_of(old.deliveries()) == Numbers{2});
  for (int i = 0; i < 6; ++i) {
    old.send(wire::Renew{{old.session}});
    proxy.advance(1s);
  }
  REQUIRE(old.deliveries().empty());
  auto figures = AdminClient(proxy).group("g");
  REQUIRE(figures["retrying"] == "0");
  REQUIRE(figures["floor"] == "2");
}

TEST_CASE("what is lost to a group does not wait for a member any more") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  setup.config.retention.keep_for = 0s;
  BrokerDriver proxy(setup);
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {"a", "b"});
  attach.options.keep_at_most_bytes = 1;
  member.attach(attach);
  attach.patterns = {"b"};
  member.attach(attach);
  for (std::uint64_t i = 0; i < 300; ++i) member.publish("a", Numbers(400, i));
  AdminClient admin(proxy);
  REQUIRE(admin.group("g")["unhandled_events"] == std::to_string(400 * 300));
  for (int i = 0; i < 3; ++i) proxy.advance(1s);
  const std::uint64_t lost = std::stoull(admin.group("g")["lost"]);
  REQUIRE(lost > 0);
  REQUIRE(admin.group("g")["unhandled_events"] == std::to_string(400 * 300 - lost));
  attach.patterns = {"a"};
  member.attach(attach);
  REQUIRE_FALSE(member.deliveries().empty());
  REQUIRE(admin.group("g")["stalled"] == "nil");
}

TEST_CASE("every change is the same after a restart, from its record and from the state at a segment's head") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"a", "b"});
  member.publish("a", {0, 1, 2, 3});
  member.publish("b", {4, 5});
  settle_all(member, {member.deliveries()[1]}, wire::Verdict::retry);
  member.send(wire::Detach{1});
  const auto change = GENERATE(0, 1, 2, 3, 4);
  CAPTURE(change);
  AdminClient admin(proxy);
  if (change == 0) admin.ask("group.pause", "g");
  if (change == 1) admin.seek("g", 2);
  if (change == 2) admin.alter("g", attempts(3));
  if (change == 3) admin.ask("group.alter", "g", AdminClient::dropping("a"));
  if (change == 4) admin.ask("group.delete", "g");
  if (change == 4) member.attach("g", {"a", "b"});  // another one
  if (change == 4) member.send(wire::Detach{1});
  const Figures before = logged(proxy, "g");
  for (int i = 0; i < 2; ++i) {
    proxy.restart();
    CHECK(logged(proxy, "g") == before);
  }
}

TEST_CASE("no change is told before it is durable, and a power cut before that may undo it, never after") {
  for (int change = 0; change < 5; ++change) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      for (const bool written : {false, true}) {
        CAPTURE(change, seed, written);
        BrokerDriver proxy;
        TestClient member(proxy, "m/1");
        member.hello();
        member.attach("g", {"a", "b"});
        member.publish("a", {0, 1, 2, 3});
        member.deliveries();
        member.look();
        member.inbox.clear();
        member.send(wire::Detach{1});
        member.take<wire::Detached>();
        const Figures before = logged(proxy, "g");
        AdminClient admin(proxy);
        proxy.by_hand = true;
        const Bytes arguments[] = {{},
                                   AdminClient::arguments("to", [](wire::Writer& to) { to.uint(2); }),
                                   AdminClient::arguments("options", [](wire::Writer& to) { attempts(3).write(to); }),
                                   AdminClient::dropping("b"),
                                   {}};
        const char* verbs[] = {"group.pause", "group.seek", "group.alter", "group.alter", "group.delete"};
        admin.client.send(wire::Admin{verbs[change], "g", arguments[change]});
        proxy.collect();
        REQUIRE(admin.client.look().empty());
        if (written) {
          proxy.commit();
          proxy.collect();
          REQUIRE(admin.client.take<wire::AdminReply>());
        }
        proxy.power_cut(seed);
        proxy.by_hand = false;
        proxy.start();
        const auto groups = AdminClient(proxy).groups();
        if (change == 4) {
          REQUIRE(groups.size() == (written ? 0 : 1));
        } else {
          REQUIRE((logged(proxy, "g") == before) == !written);
        }
      }
    }
  }
}

TEST_CASE("a group without a member expires, counted while a proxy runs") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {">"});
  attach.options.expires_ms = 60'000;
  member.attach(attach);
  attach.group = "kept";
  attach.member = 2;
  attach.options.expires_ms = 0;
  member.attach(attach);
  auto pass = [&](int seconds, bool renews) {
    for (int i = 0; i < seconds; ++i) {
      if (renews) member.send(wire::Renew{{member.session}});
      proxy.advance(1s);
    }
  };
  pass(300, true);
  REQUIRE(AdminClient(proxy).groups().size() == 2);  // it has a member
  member.send(wire::Goodbye{"done"});
  pass(50, false);
  REQUIRE(AdminClient(proxy).groups().size() == 2);
  proxy.kill();
  proxy.jump_wall_clock(24h);  // nobody could have come back
  proxy.start();
  REQUIRE(AdminClient(proxy).groups().size() == 2);
  pass(5, false);
  REQUIRE(AdminClient(proxy).groups().size() == 2);
  pass(30, false);
  REQUIRE(AdminClient(proxy).group("kept")["name"] == "kept");
  REQUIRE(AdminClient(proxy).groups().size() == 1);
  for (int i = 0; i < 2; ++i) {
    proxy.restart();
    REQUIRE(AdminClient(proxy).groups().size() == 1);
  }
}

TEST_CASE("a member that comes back before a group expires begins its time anew") {
  BrokerDriver proxy;
  for (int i = 0; i < 3; ++i) {
    TestClient member(proxy, "m/1");
    member.hello();
    auto attach = member.attach_message("g", {">"});
    attach.options.expires_ms = 60'000;
    attach.create = i == 0;
    member.attach(attach);
    member.send(wire::Goodbye{"done"});
    for (int k = 0; k < 45; ++k) proxy.advance(1s);
    if (i == 1) proxy.restart();
  }
  REQUIRE(AdminClient(proxy).groups().size() == 1);
}

TEST_CASE("figures tell of the oldest delivery, of retries, and of each pattern") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {"a", "b.*", "c"});
  attach.credit_events = 4;
  member.attach(attach);
  attach.patterns = {"a", "b.*"};
  member.attach(attach);
  member.publish("c", {0, 1});
  member.publish("a", {2});
  member.publish("b.x", {3, 4, 5, 6});
  const auto held = member.deliveries();
  REQUIRE(events_of(held) == Numbers{2, 3, 4, 5});
  proxy.advance(2s);
  AdminClient admin(proxy);
  auto figures = admin.group("g");
  REQUIRE(figures["oldest_ms"] == "2000");
  REQUIRE(figures["oldest_attempt"] == "1");
  REQUIRE(figures["oldest_offset"] == "2");
  REQUIRE(figures["redelivered"] == "0");
  REQUIRE(figures["lag"] == "3");  // two that nobody handles, one without credit
  REQUIRE(figures["by_pattern"] ==
          "[{pattern: a, pending: 1, unhandled: 0, lag: 1}, {pattern: b.*, pending: 3, unhandled: 0, lag: 1}, "
          "{pattern: c, pending: 0, unhandled: 2, lag: 3}]");
  REQUIRE(figures["unhandled"] == "[{topic: c, events: 2}]");
  auto retry = held[0].settlement(wire::Verdict::retry);
  retry.retry_after_ms = 0;
  member.settle({TestClient::turn({retry})});
  settle_all(member, {held[1], held[2]});
  figures = admin.group("g");
  REQUIRE(figures["redelivered"] == "1");
  REQUIRE(figures["by_pattern"].find("{pattern: b.*, pending: 2,") != std::string::npos);
  REQUIRE(figures["by_pattern"].find("{pattern: a, pending: 1,") != std::string::npos);
  REQUIRE(figures["members"].find("oldest_offset: 5") != std::string::npos);
  member.send(wire::Detach{1});
  figures = admin.group("g");
  REQUIRE(figures["oldest_ms"] == "nil");
  REQUIRE(figures["by_pattern"].find("{pattern: b.*, pending: 0,") != std::string::npos);
}

TEST_CASE("figures of thousands of groups come in pages that follow one another") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  const std::uint64_t count = 3'000;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto attach = member.attach_message("g" + std::to_string(i), {"topic.of.group." + std::to_string(i)});
    attach.member = i + 1;
    member.attach(attach);
  }
  AdminClient admin(proxy);
  std::set<std::string> names;
  std::uint64_t after = 0;
  std::size_t pages = 0;
  while (true) {
    const auto page = admin.groups("", AdminClient::arguments("after", [&](wire::Writer& to) { to.uint(after); }));
    if (page.empty()) break;
    ++pages;
    for (const Figures& group : page) {
      REQUIRE(std::stoull(group.at("id")) > after);
      after = std::stoull(group.at("id"));
      names.insert(group.at("name"));
    }
  }
  REQUIRE(pages > 2);
  REQUIRE(names.size() == count);
}

namespace {

/// Events of one key each on a topic, as keys and numbers at once.
void publish_keyed(TestClient& client, const std::string& topic, const Numbers& events, std::uint32_t key) {
  wire::PacketBuilder builder;
  for (std::uint64_t number : events) {
    Bytes data;
    wire::Writer(data).uint(number);
    builder.add(data, {}, key);
  }
  wire::PacketHeader header;
  header.source = client.source();
  header.epoch = client.epoch;
  header.event_class = wire::EventClass::durable;
  header.sequence = client.next_commit;
  client.publish({{SharedBytes::own(topic), SharedBytes::own(builder.finish(header))}});
}

}  // namespace

TEST_CASE("what waits behind an event of its key goes on when the event's pattern is dropped") {
  BrokerDriver proxy;
  const bool failed = GENERATE(false, true);
  const bool restarts = GENERATE(false, true);
  CAPTURE(failed, restarts);
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {"old", "new"});
  publish_keyed(member, "old", {0}, 7);
  auto held = member.deliveries();
  auto attach = member.attach_message("g", {"new"});
  if (failed) {
    auto retry = held[0].settlement(wire::Verdict::retry);
    retry.retry_after_ms = 3'000;
    member.settle({TestClient::turn({retry})});
  }
  member.attach(attach);  // it handles the old topic no more, and gives back what it had
  publish_keyed(member, "new", {1, 2}, 7);
  REQUIRE(member.deliveries().empty());
  AdminClient(proxy).ask("group.alter", "g", AdminClient::dropping("old"));
  if (restarts) {
    proxy.restart();
    member.reconnect();
    member.hello();
    member.attach(attach);
  }
  for (int i = 0; i < 5; ++i) {
    member.send(wire::Renew{{member.session}});
    proxy.advance(1s);
  }
  held = member.deliveries();
  REQUIRE(events_of(held) == Numbers{1, 2});
  settle_all(member, held);
  auto figures = AdminClient(proxy).group("g");
  REQUIRE(figures["floor"] == "3");
  REQUIRE(figures["lag"] == "0");
  REQUIRE(figures["retrying"] == "0");
}

TEST_CASE("a seek forgets what waits behind others of its key") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {">"});
  attach.credit_events = 2;
  member.attach(attach);
  publish_keyed(member, "a", {0, 1, 2, 3}, 7);
  auto held = member.deliveries();
  REQUIRE(events_of(held) == Numbers{0, 1});
  settle_all(member, {held[0]}, wire::Verdict::retry);
  AdminClient admin(proxy);
  admin.seek("g", 1);
  held = member.deliveries();
  REQUIRE(events_of(held) == Numbers{1, 2});
  REQUIRE(admin.group("g")["by_pattern"] == "[{pattern: >, pending: 2, unhandled: 0, lag: 1}]");
  settle_all(member, held);
  REQUIRE(events_of(member.deliveries()) == Numbers{3});
  REQUIRE(admin.group("g")["floor"] == "3");
}

TEST_CASE("a group that wants other topics than before finds them in segments that it has passed") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = spool::segment_bytes_min;
  setup.tail_cache_bytes = 0;
  BrokerDriver proxy(setup);
  TestClient member(proxy, "m/1");
  member.hello();
  auto attach = member.attach_message("g", {"a", "b"});
  attach.credit_events = 100'000;
  attach.credit_bytes = 1 << 28;
  member.attach(attach);
  for (std::uint64_t i = 0; i < 300; ++i) member.publish(i == 150 ? "a" : i == 151 ? "c" : "x", Numbers(400, i));
  AdminClient admin(proxy);
  admin.seek("g", 0);  // now also by the indexes of sealed segments
  REQUIRE(member.deliveries().size() == 2 * 400);
  attach.patterns = {"a", "c"};
  member.attach(attach);
  admin.ask("group.alter", "g", AdminClient::dropping("b"));
  admin.seek("g", 0);
  std::set<std::string> topics;
  for (const Delivered& one : member.deliveries()) topics.insert(one.topic);
  REQUIRE(topics == std::set<std::string>{"a", "c"});
  REQUIRE(admin.group("g")["position"] == std::to_string(400 * 300));
}

TEST_CASE("groups tells which events failed, why and when they are tried again, and how many are held back") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {">"});
  AdminClient admin(proxy);
  REQUIRE(admin.group("g")["failed"] == "[]");
  wire::PacketBuilder builder;
  for (int i = 0; i < 3; ++i) builder.add("\x01", {}, 7);
  wire::PacketHeader header;
  header.source = "m/1";
  header.epoch = member.epoch;
  header.event_class = wire::EventClass::durable;
  header.sequence = member.next_commit;
  member.publish({{SharedBytes::own("a"), SharedBytes::own(builder.finish(header))}});
  const auto held = member.deliveries();
  REQUIRE(held.size() == 3);
  auto retry = held[0].settlement(wire::Verdict::retry);
  retry.retry_after_ms = 5'000;
  retry.reason = "no such customer";
  member.settle({TestClient::turn({retry})});
  auto figures = admin.group("g");
  REQUIRE(figures["failed"] == "[{offset: 0, attempts: 1, reason: no such customer, retry_in_ms: 5000}]");
  REQUIRE(figures["held_back"] == "2");
  proxy.advance(2s);
  REQUIRE(admin.group("g")["failed"].find("retry_in_ms: 3000}") != std::string::npos);
  proxy.advance(3s);
  REQUIRE(member.deliveries().size() == 3);
  figures = admin.group("g");
  REQUIRE(figures["failed"] == "[{offset: 0, attempts: 1, reason: no such customer, retry_in_ms: nil}]");
  REQUIRE(figures["held_back"] == "0");

  for (std::uint64_t event = 0; event < 30; ++event) member.publish("b", {event});
  settle_all(member, member.deliveries(), wire::Verdict::retry);
  figures = admin.group("g");
  REQUIRE(figures["retrying"] == "31");
  const std::string& failed = figures["failed"];
  std::size_t shown = 0;
  for (std::size_t at = failed.find("offset"); at != std::string::npos; at = failed.find("offset", at + 1)) ++shown;
  REQUIRE(shown == 20);
}

TEST_CASE("groups tells since when nothing was heard of a member") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach("g", {">"});
  auto says = [&](const std::string& silence) {
    return AdminClient(proxy).group("g")["members"].find("silent_ms: " + silence + "}") != std::string::npos;
  };
  REQUIRE(says("0"));
  proxy.advance(4s);
  REQUIRE(says("4000"));
  member.send(wire::Renew{{member.session}});
  REQUIRE(says("0"));
  proxy.advance(9s);
  REQUIRE(says("9000"));
}
