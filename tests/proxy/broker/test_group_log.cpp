#include "admin_client.hpp"
#include "log_lines.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;

// What operators read in the proxy's log of groups.

namespace {

wire::Attach attach_for(TestClient& member, std::uint64_t max_attempts, std::uint64_t ack_deadline_ms = 3'600'000) {
  auto attach = member.attach_message("g", {"a", "b.*"});
  attach.options.max_attempts = max_attempts;
  attach.options.ack_deadline_ms = ack_deadline_ms;
  return attach;
}

std::size_t count(const std::string& text, const std::string& of) {
  std::size_t found = 0;
  for (std::size_t at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("the log says of a group that it was made, by whom, where it begins and what it wants, once") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.publish("a", {1, 2});
  auto attach = attach_for(member, 3);
  attach.start.at = wire::Start::At::now;
  LogLines log;
  member.attach(attach);
  CHECK(log.take() == "group g is made by member 1 of m/1: it begins at offset 2, patterns a b.*\n");
  member.attach(attach);
  CHECK(log.take().empty());
  attach.options.max_attempts = 4;
  attach.alter = true;
  member.attach(attach);
  CHECK(count(log.take(), "group g: options changed by member 1 of m/1: max_attempts") == 1);
}

TEST_CASE("the log says who changed a group and what, and nothing of a dry run or of what changes nothing") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach(attach_for(member, 3));
  member.publish("a", {1, 2});
  AdminClient admin(proxy);
  TestClient named(proxy, "ops/1");
  named.hello();
  LogLines log;
  admin.ask("group.pause", "g", AdminClient::dry_run());
  admin.group("g");
  CHECK(log.take().empty());
  admin.ask("group.pause", "g");
  const std::string paused = log.take();
  CAPTURE(paused);
  CHECK(count(paused, "\n") == 1);
  CHECK(paused.starts_with("group g: group.pause by connection 70656572"));
  CHECK(count(paused, "2 events that are out") == 1);
  admin.ask("group.pause", "g");
  CHECK(log.take().empty());
  named.send(wire::Admin{"group.resume", "g"});
  REQUIRE(named.take<wire::AdminReply>());
  CHECK(log.take() == "group g: group.resume by source ops/1: hands out again\n");
  admin.seek("g", 1);
  CHECK(count(log.take(), "reads on at offset 1 (kept are 0 to 1; everything below 0 was settled)") == 1);
  admin.ask("group.seek", "g", AdminClient::arguments("time_ns", [](wire::Writer& to) { to.sint(0); }));
  CHECK(count(log.take(), "reads on at offset 0 (kept are 0 to 1;") == 1);
  wire::GroupOptions options;
  options.max_attempts = 5;
  admin.alter("g", options);
  const std::string altered = log.take();
  CHECK(count(altered, "group g: group.alter by connection ") == 1);
  CHECK(count(altered, "max_attempts") == 1);
}

TEST_CASE("the log says which member was lost and what it held, and nothing of one that says goodbye") {
  BrokerDriver proxy;
  TestClient lost(proxy, "m/1");
  lost.hello();
  lost.attach(attach_for(lost, 3));
  lost.publish("a", {1, 2, 3});
  REQUIRE(lost.deliveries().size() == 3);
  LogLines log;
  proxy.advance(11s);
  CHECK(log.take() ==
        "group g lost member 1 of m/1, which said no goodbye; 3 deliveries that it held go to others\n");
  TestClient leaves(proxy, "m/2");
  leaves.hello();
  leaves.attach(attach_for(leaves, 3));
  leaves.send(wire::Detach{1});
  REQUIRE(leaves.take<wire::Detached>());
  CHECK(log.take().empty());
  leaves.attach(attach_for(leaves, 3));
  proxy.restart();
  proxy.advance(11s);
  CHECK(count(log.take(), "group g waits no longer for member 1 of m/2") == 1);
}

TEST_CASE("the log says which deadline passed, and of many in a second how many") {
  BrokerDriver proxy;
  TestClient first(proxy, "m/1");
  TestClient second(proxy, "m/2");
  for (TestClient* member : {&first, &second}) {
    member->hello();
    auto attach = attach_for(*member, 2, 2'000);
    attach.options.backoff_min_ms = attach.options.backoff_max_ms = 60'000;
    attach.credit_events = 1;
    member->attach(attach);
  }
  first.publish("a", {1});
  first.publish("a", {2});
  REQUIRE(first.deliveries().size() + second.deliveries().size() == 2);
  LogLines log;
  proxy.advance(2s);
  const std::string passed = log.take();
  CAPTURE(passed);
  CHECK(count(passed, "\n") == 1);
  CHECK(passed.starts_with("group g: the ack deadline (2000 ms) of the event at offset "));
  CHECK(count(passed, " passed, attempt 1; 1 other deadlines passed since the last such line\n") == 1);
}

TEST_CASE("the log says which events became dead letters and why, in one line whatever the reason, not a line each") {
  BrokerDriver proxy;
  TestClient member(proxy, "m/1");
  member.hello();
  member.attach(attach_for(member, 3));
  for (std::uint64_t event = 0; event < 50; ++event) member.publish("a", {event});
  LogLines log;
  for (const Delivered& delivered : member.deliveries()) {
    auto settlement = delivered.settlement(wire::Verdict::reject);
    settlement.reason = "no such\ncustomer";
    member.settle({TestClient::turn({settlement})});
  }
  CHECK(log.take() ==
        "group g has a new dead letter: the event at offset 0 of topic a, attempts 1, reason: no such customer\n");
  proxy.advance(1s);
  CHECK(log.take() == "49 other dead letters were made since the last such line\n");
}
