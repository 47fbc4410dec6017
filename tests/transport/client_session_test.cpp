#include <catch2/catch.hpp>

#include "fake_proxy.hpp"
#include "spindle/wire/packet.hpp"

using namespace spindle;
using namespace spindle::transport;
using namespace spindle::transport::session_event;
using spindle::transport::testing::event_on;
using spindle::transport::testing::FakeProxy;
using spindle::transport::testing::only;
using spindle::transport::testing::Said;
using wire::Kind;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  ClientSession session{SessionOptions{"shop/1/0"}};
  FakeProxy proxy{session};

  void begin(std::uint64_t last_number = 0) {
    session.connected(proxy.now);
    proxy.welcome(last_number);
    (void)session.take_events();
  }

  Ticket publish(std::string_view topic) {
    const OutgoingEvent event = event_on(topic);
    return session.publish({&event, 1}, 1).value();
  }

  std::vector<Kind> kinds() {
    std::vector<Kind> kinds;
    for (const Said& said : proxy.hear()) kinds.push_back(said.envelope.kind);
    return kinds;
  }

  std::uint64_t attach() {
    wire::Attach request;
    request.group = "billing";
    request.patterns = {"orders.>"};
    request.credit_events = 100;
    return session.attach(request);
  }

  void answer_attach(const wire::Attach& request, std::uint64_t number, std::vector<wire::Claim> claimed = {}) {
    wire::Attached attached;
    attached.answers = number;
    attached.member = request.member;
    attached.claimed = std::move(claimed);
    proxy.say(attached);
  }

  std::uint64_t attached_member() {
    const std::uint64_t member = attach();
    auto said = proxy.hear();
    answer_attach(said.at(0).as<wire::Attach>(), said.at(0).envelope.number);
    (void)session.take_events();
    return member;
  }

  wire::DeliveryId deliver(std::uint64_t member, std::uint64_t handout, std::uint64_t offset, std::uint64_t count) {
    wire::Deliver deliver;
    deliver.member = member;
    deliver.run = 3;
    deliver.generation = 1;
    deliver.entries.push_back({handout, offset, count, 1});
    proxy.say(deliver, {{SharedBytes::own("orders.placed"), SharedBytes::own("packet")}});
    return {3, 1, handout, offset};
  }

  wire::Settlement ack(std::uint64_t member, wire::DeliveryId first, std::uint64_t count = 1) {
    wire::Settlement settlement;
    settlement.member = member;
    settlement.first = first;
    settlement.count = count;
    return settlement;
  }

  void reconnect(std::uint64_t last_number) {
    session.disconnected(proxy.now);
    session.connected(proxy.now);
    proxy.welcome(last_number);
  }
};

}  // namespace

TEST_CASE("hello comes with a connection and welcome makes the session ready") {
  Fixture f;
  CHECK(f.proxy.hear().empty());
  f.session.connected(f.proxy.now);
  const wire::Hello hello = f.proxy.welcome();
  CHECK(hello.source == "shop/1/0");
  CHECK(hello.epoch == 0);
  const auto events = f.session.take_events();
  REQUIRE(only<Welcomed>(events).size() == 1);
  CHECK(only<Welcomed>(events)[0].welcome.epoch == 7);
  CHECK(only<Ready>(events).size() == 1);
  CHECK(f.session.session() == f.proxy.session);
}

TEST_CASE("commits wait for welcome and are numbered after the last one stored") {
  Fixture f;
  CHECK(f.publish("a.b") == 1);
  CHECK(f.publish("a.b") == 2);
  f.session.connected(f.proxy.now);
  f.proxy.welcome(41);
  auto said = f.proxy.hear();
  REQUIRE(said.size() == 2);
  CHECK(said[0].as<wire::Publish>().commit == 42);
  CHECK(said[1].as<wire::Publish>().commit == 43);
  CHECK(said[1].envelope.session == f.proxy.session);

  wire::Values values;
  auto packet = wire::Packet::parse(said[1].packets.at(0).packet.view, values);
  REQUIRE(packet);
  CHECK(packet->header().source == "shop/1/0");
  CHECK(packet->header().epoch == 7);
  CHECK(packet->header().event_class == wire::EventClass::durable);
  CHECK(packet->header().sequence == 43);
  CHECK(packet->header().topic_count == 1);
  CHECK(packet->header().count == 1);

  f.proxy.stored(42, 2, 2, 900);
  const auto committed = only<Committed>(f.session.take_events());
  REQUIRE(committed.size() == 1);
  CHECK(committed[0].first == 1);
  CHECK(committed[0].outcome.run == 2);
  CHECK(committed[0].outcome.first_offset == 900);
  CHECK(f.session.unanswered() == 0);
}

TEST_CASE("after a reconnect what has no outcome is sent again with the same bytes") {
  Fixture f;
  f.begin();
  f.publish("a");
  f.publish("b");
  f.publish("c");
  const auto first = f.proxy.hear();
  f.proxy.stored(1, 1, 1, 10);
  (void)f.session.take_events();

  f.proxy.epoch = 8;
  f.session.disconnected(f.proxy.now);
  CHECK(only<Lost>(f.session.take_events()).size() == 1);
  f.session.connected(f.proxy.now);
  const wire::Hello hello = f.proxy.welcome(2);  // 2 was stored, but its answer was lost
  CHECK(hello.epoch == 7);
  CHECK(hello.spool == "spool-a");
  CHECK(hello.acknowledged == 1);

  const auto again = f.proxy.hear();
  REQUIRE(again.size() == 2);
  CHECK(again[0].as<wire::Publish>().commit == 2);
  CHECK(again[1].as<wire::Publish>().commit == 3);
  CHECK(again[0].packets.at(0).packet.view == first[1].packets.at(0).packet.view);
  CHECK(again[1].packets.at(0).packet.view == first[2].packets.at(0).packet.view);
}

TEST_CASE("an outcome is told once for each commit however often it comes") {
  Fixture f;
  f.begin();
  for (int i = 0; i < 4; ++i) f.publish("a");
  (void)f.proxy.hear();
  f.proxy.stored(1, 2, 2, 10);
  f.reconnect(4);
  (void)f.proxy.hear();
  f.proxy.stored(1, 4, 4, 10);
  f.proxy.stored(3, 2, 2, 12);
  const auto committed = only<Committed>(f.session.take_events());
  REQUIRE(committed.size() == 2);
  CHECK(committed[1].first == 3);
  CHECK(committed[1].outcome.run == 2);
  CHECK(committed[1].outcome.events == 2);
  CHECK(committed[1].outcome.first_offset == 12);
}

TEST_CASE("outcomes out of order leave no commit without one") {
  Fixture f;
  f.begin();
  for (int i = 0; i < 5; ++i) f.publish("a");
  (void)f.proxy.hear();
  f.proxy.stored(3, 1, 1, 12);
  CHECK(f.session.unanswered() == 4);
  f.proxy.stored(1, 5, 5, 10);
  const auto committed = only<Committed>(f.session.take_events());
  REQUIRE(committed.size() == 3);
  CHECK(committed[1].first == 1);
  CHECK(committed[1].outcome.events == 2);
  CHECK(committed[1].outcome.first_offset == 10);
  CHECK(committed[2].first == 4);
  CHECK(committed[2].outcome.first_offset == 13);
  CHECK(f.session.unanswered() == 0);
}

TEST_CASE("answers of an old session are ignored") {
  Fixture f;
  f.begin();
  f.publish("a");
  (void)f.proxy.hear();
  const std::uint64_t old = f.proxy.session;
  f.reconnect(0);
  const auto again = f.proxy.hear();
  (void)f.session.take_events();
  wire::Published published;
  published.outcomes.push_back({.number = 1, .run = 1, .events = 1, .first_offset = 5, .text = {}});
  f.proxy.say_in(old, published);
  f.proxy.say_in(old, wire::ErrorMessage::of(2, {ErrorCode::fenced, "old"}));
  f.proxy.say_in(0, wire::ErrorMessage::of(2, {ErrorCode::unknown_session, "old"}));
  CHECK(f.session.take_events().empty());
  CHECK(f.session.ready());
  CHECK(f.session.unanswered() == 1);
}

TEST_CASE("a welcome that answers an older hello is ignored") {
  Fixture f;
  f.session.connected(f.proxy.now);
  const auto first = f.proxy.hear();
  f.session.connected(f.proxy.now);
  const auto second = f.proxy.hear();
  f.proxy.answer_hello(first.at(0).envelope.number, 0);
  CHECK_FALSE(f.session.ready());
  f.proxy.answer_hello(second.at(0).envelope.number, 0);
  CHECK(f.session.ready());
}

TEST_CASE("unknown_session makes the client say hello again, once") {
  Fixture f;
  f.begin();
  f.publish("a");
  const auto said = f.proxy.hear();
  f.proxy.say_in(0, wire::ErrorMessage::of(said.at(0).envelope.number, {ErrorCode::unknown_session, "who?"}));
  f.proxy.say_in(0, wire::ErrorMessage::of(0, {ErrorCode::unknown_session, "who?"}));
  const auto hello = f.proxy.hear();
  REQUIRE(hello.size() == 1);
  CHECK(hello[0].envelope.kind == Kind::hello);
  f.proxy.answer_hello(hello[0].envelope.number, 0);
  CHECK(f.kinds() == std::vector{Kind::publish});
}

TEST_CASE("fenced and unsupported sessions never say hello again") {
  const auto code = GENERATE(ErrorCode::fenced, ErrorCode::unsupported_version);
  const bool at_hello = GENERATE(true, false);
  Fixture f;
  f.session.connected(f.proxy.now);
  if (at_hello) {
    f.proxy.error(code, f.proxy.hear().at(0).envelope.number);
  } else {
    f.proxy.welcome();
    f.proxy.error(code);
  }
  const auto failed = only<Failed>(f.session.take_events());
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].why.code == code);
  f.session.disconnected(f.proxy.now);
  f.session.connected(f.proxy.now + 1s);
  f.session.on_tick(f.proxy.now + 1h);
  CHECK(f.proxy.hear().empty());
  CHECK_FALSE(f.session.take_reconnect());
  const OutgoingEvent event = event_on("a");
  CHECK(f.session.publish({&event, 1}, 1).error().code == ErrorCode::closed);
}

TEST_CASE("a log whose last number went back in one incarnation is nothing to go on in") {
  Fixture f;
  f.begin();
  f.publish("a");
  (void)f.proxy.hear();
  f.proxy.stored(1, 1, 1, 1);
  (void)f.session.take_events();
  f.reconnect(0);
  const auto failed = only<Failed>(f.session.take_events());
  REQUIRE(failed.size() == 1);
  CHECK(failed[0].why.code == ErrorCode::spool_rolled_back);
}

TEST_CASE("after a rollback the owner is told what is lost, and what has no outcome goes on from what the log has") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId held = f.deliver(member, 1, 100, 2);
  (void)f.session.take_events();
  for (int i = 0; i < 7; ++i) f.publish("a");
  const auto first = f.proxy.hear();
  f.proxy.stored(1, 4, 4, 10);
  f.proxy.stored(6, 1, 1, 15);  // 5 and 7 have no outcome
  (void)f.session.take_events();
  f.session.disconnected(f.proxy.now);
  f.session.connected(f.proxy.now);
  auto said = f.proxy.hear();
  CHECK(said.at(0).as<wire::Hello>().acknowledged == 6);
  f.proxy.error(ErrorCode::spool_rolled_back, said.at(0).envelope.number);
  said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  const auto hello = said[0].as<wire::Hello>();
  CHECK(hello.acknowledged == 0);
  CHECK(hello.spool.empty());
  CHECK(hello.epoch == 7);
  f.proxy.incarnation = 1'700'000'000'000;
  f.proxy.epoch = 1'700'000'000'000;
  f.proxy.answer_hello(said[0].envelope.number, 2);

  const auto events = f.session.take_events();
  const auto anew = only<StartedAnew>(events);
  REQUIRE(anew.size() == 1);
  CHECK(anew[0].first == 3);
  CHECK(anew[0].last == 6);
  CHECK(anew[0].why.code == ErrorCode::spool_rolled_back);
  CHECK(only<DeliveriesLost>(events).size() == 1);
  CHECK(f.session.settle(std::vector{f.ack(member, held)}, {}, 1).error().code == ErrorCode::stale);
  said = f.proxy.hear();
  REQUIRE(said.at(0).envelope.kind == Kind::attach);
  CHECK(said[0].as<wire::Attach>().claims.empty());
  f.answer_attach(said[0].as<wire::Attach>(), said[0].envelope.number);
  f.publish("a");

  said = f.proxy.hear();
  REQUIRE(said.size() == 3);
  CHECK(said[0].as<wire::Publish>().commit == 3);
  CHECK(said[1].as<wire::Publish>().commit == 4);
  CHECK(said[2].as<wire::Publish>().commit == 5);
  // An event that may have been seen keeps its id.
  CHECK(said[0].packets.at(0).packet.view == first[4].packets.at(0).packet.view);
  CHECK(said[1].packets.at(0).packet.view == first[6].packets.at(0).packet.view);
  f.proxy.stored(3, 3, 3, 50);
  const auto committed = only<Committed>(f.session.take_events());
  REQUIRE(committed.size() == 2);
  CHECK(committed[0].first == 5);
  CHECK(committed[0].outcome.run == 1);
  CHECK(committed[0].outcome.first_offset == 50);
  CHECK(committed[1].first == 7);
  CHECK(committed[1].outcome.run == 2);
  CHECK(committed[1].outcome.first_offset == 51);
  CHECK(f.session.unanswered() == 0);
}

TEST_CASE("in a restored log that lost nothing of a source, numbers and packets stay as they are") {
  Fixture f;
  f.begin();
  f.publish("a");
  f.publish("a");
  (void)f.proxy.hear();
  f.proxy.stored(1, 1, 1, 10);
  f.proxy.incarnation = 9;
  f.reconnect(2);  // the second was stored before the copy was made
  CHECK(only<StartedAnew>(f.session.take_events()).empty());
  const auto said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  CHECK(said[0].as<wire::Publish>().commit == 2);
}

TEST_CASE("a forgotten source goes on under a new epoch, and never sends again what may be stored") {
  Fixture f;
  f.begin(40);
  f.proxy.commits_max = 2;
  f.reconnect(40);
  (void)f.proxy.hear();
  for (int i = 0; i < 4; ++i) f.publish("a");
  CHECK(f.proxy.hear().size() == 2);
  f.proxy.stored(41, 1, 1, 10);
  (void)f.session.take_events();
  f.session.disconnected(f.proxy.now);
  f.session.connected(f.proxy.now);
  auto said = f.proxy.hear();
  f.proxy.error(ErrorCode::source_forgotten, said.at(0).envelope.number);
  said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  CHECK(said[0].as<wire::Hello>().epoch == 0);
  f.proxy.epoch = 90;
  f.proxy.answer_hello(said[0].envelope.number, 0);
  const auto events = f.session.take_events();
  REQUIRE(only<StartedAnew>(events).size() == 1);
  CHECK(only<StartedAnew>(events)[0].last < only<StartedAnew>(events)[0].first);
  const auto committed = only<Committed>(events);
  REQUIRE(committed.size() == 1);
  CHECK(committed[0].first == 2);
  CHECK(committed[0].outcome.status == wire::OutcomeStatus::refused);
  CHECK(committed[0].outcome.code == ErrorCode::source_forgotten);
  said = f.proxy.hear();
  REQUIRE(said.size() == 2);  // the two that were never sent
  CHECK(said[0].as<wire::Publish>().commit == 1);
  CHECK(said[1].as<wire::Publish>().commit == 2);
}

TEST_CASE("in another spool what has no outcome is packed anew: its epoch was not granted there") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId held = f.deliver(member, 1, 100, 1);
  const std::vector<OutgoingEvent> events{event_on("a", "\x01"), event_on("b", "\x02")};
  CHECK(f.session.publish(events, 5));
  CHECK(f.session.settle(std::vector{f.ack(member, held)}, events, 6));
  (void)f.proxy.hear();
  const bool acknowledged = GENERATE(false, true);
  if (acknowledged) f.proxy.stored(1, 1, 2, 10);
  (void)f.session.take_events();
  f.session.disconnected(f.proxy.now);
  f.session.connected(f.proxy.now);
  auto said = f.proxy.hear();
  if (acknowledged) {
    f.proxy.error(ErrorCode::source_forgotten, said.at(0).envelope.number);
    said = f.proxy.hear();
  }
  f.proxy.spool = "spool-b";
  f.proxy.epoch = 3;
  f.proxy.answer_hello(said.at(0).envelope.number, 0);
  const auto anew = only<StartedAnew>(f.session.take_events());
  REQUIRE(anew.size() == 1);
  CHECK(anew[0].last == (acknowledged ? 1 : 0));
  said = f.proxy.hear();
  f.answer_attach(said.at(0).as<wire::Attach>(), said.at(0).envelope.number);
  said = f.proxy.hear();
  REQUIRE(said.size() == (acknowledged ? 1 : 2));
  const Said& last = said.back();
  CHECK(last.as<wire::Settle>().first_number == (acknowledged ? 1 : 2));
  REQUIRE(last.packets.size() == 2);
  wire::Values values;
  for (const auto& pair : last.packets) {
    auto packet = wire::Packet::parse(pair.packet.view, values);
    REQUIRE(packet);
    CHECK(packet->header().epoch == 3);
    CHECK(packet->header().topic_count == (acknowledged ? 0 : 1));
    CHECK(packet->header().time_ns == 6);
    CHECK(packet->events().at(0).data == (pair.topic.view == "a" ? "\x01" : "\x02"));
  }
}

TEST_CASE("a log that does not take a source that asks for nothing either ends the session") {
  Fixture f;
  f.begin();
  f.session.disconnected(f.proxy.now);
  f.session.connected(f.proxy.now);
  for (int i = 0; i < 2; ++i) f.proxy.error(ErrorCode::source_forgotten, f.proxy.hear().at(0).envelope.number);
  CHECK(only<Failed>(f.session.take_events()).size() == 1);
  CHECK(f.proxy.hear().empty());
}

TEST_CASE("turns that publish nothing pass a publish that is halted for space") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  wire::DeliveryId id = f.deliver(member, 1, 100, 10);
  const OutgoingEvent event = event_on("a");
  f.publish("a");                                                  // 1
  CHECK(f.session.settle(std::vector{f.ack(member, id)}, {}, 1));  // 2, bare
  ++id.offset;
  CHECK(f.session.settle(std::vector{f.ack(member, id)}, {&event, 1}, 1));  // 3
  ++id.offset;
  CHECK(f.session.acknowledge_each(member, id, 3));  // 4 to 6, bare
  (void)f.proxy.hear();
  wire::Halted halted;
  halted.number = 1;
  halted.code = "spool_full";
  halted.retry_after_ms = 100;
  f.proxy.say(halted);
  id.offset += 3;
  CHECK(f.session.acknowledge_each(member, id, 2));  // 7 and 8, bare
  f.publish("b");                                    // 9
  (void)f.session.take_events();
  f.session.on_tick(f.proxy.now + 100ms);
  auto said = f.proxy.hear();
  REQUIRE(said.at(0).envelope.kind == Kind::resume);
  CHECK(said[0].as<wire::Resume>().number == 1);
  const auto bare = said.at(1).as<wire::Settle>();
  CHECK(bare.first_number == 1);
  REQUIRE(bare.turns.size() == 2);
  CHECK(bare.turns[1].run == 3);
  CHECK(said[1].packets.empty());
  CHECK(said.at(2).as<wire::Publish>().commit == 5);
  CHECK(said.at(3).as<wire::Settle>().first_number == 6);
  CHECK(said[3].packets.size() == 1);

  // The bare ones are taken; the publish is halted again, and those given meanwhile pass it too.
  f.proxy.stored(1, 4, 0, 0);
  const auto committed = only<Committed>(f.session.take_events());
  REQUIRE(committed.size() == 2);
  CHECK(committed[0].first == 2);
  CHECK(committed[0].outcome.run == 1);
  CHECK(committed[1].first == 4);
  CHECK(committed[1].outcome.run == 3);
  halted.number = 5;
  f.proxy.say(halted);
  CHECK(f.session.halted());
  f.session.on_tick(f.proxy.now + 100ms);
  said = f.proxy.hear();
  REQUIRE(said.size() == 5);
  CHECK(said[1].as<wire::Settle>().first_number == 5);
  CHECK(said[1].as<wire::Settle>().turns.at(0).run == 2);
  CHECK(said[2].as<wire::Publish>().commit == 7);  // the order of events is as given
  CHECK(said[3].as<wire::Settle>().first_number == 8);
  CHECK(said[4].as<wire::Publish>().commit == 9);
  f.proxy.stored(5, 5, 3, 10);
  CHECK(f.session.unanswered() == 0);
  CHECK_FALSE(f.session.halted());
}

TEST_CASE("a group's higher generation takes what its member holds of older ones") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId first = f.deliver(member, 1, 100, 10);
  CHECK(f.session.acknowledge_each(member, first, 2));  // on its way: its outcome tells
  (void)f.session.take_events();
  wire::Deliver moved;
  moved.member = member;
  moved.run = 3;
  moved.generation = 2;
  moved.entries.push_back({2, 50, 5, 1});
  f.proxy.say(moved, {{SharedBytes::own("orders.placed"), SharedBytes::own("packet")}});
  const auto events = f.session.take_events();
  REQUIRE(events.size() == 2);
  const auto lost = only<DeliveriesLost>(events);
  REQUIRE(lost.size() == 1);
  REQUIRE(lost[0].deliveries.size() == 1);
  CHECK(lost[0].deliveries[0].first.offset == 102);
  CHECK(lost[0].deliveries[0].count == 8);
  CHECK(std::holds_alternative<Delivered>(events[1]));
  wire::DeliveryId old = first;
  old.offset = 105;
  CHECK(f.session.acknowledge_each(member, old, 1).error().code == ErrorCode::stale);
  CHECK(f.session.acknowledge_each(member, {3, 2, 2, 50}, 5));
}

TEST_CASE("a member whose group was deleted is told, and the session goes on") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  wire::ErrorMessage deleted = wire::ErrorMessage::of(0, {ErrorCode::group_deleted, "gone"});
  deleted.member = member + 1;  // nobody
  f.proxy.say(deleted);
  CHECK(f.session.take_events().empty());
  deleted.member = member;
  f.proxy.say(deleted);
  const auto refused = only<AttachRefused>(f.session.take_events());
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].member == member);
  CHECK(refused[0].why.code == ErrorCode::group_deleted);
  CHECK(f.session.ready());
  f.reconnect(0);
  CHECK(f.kinds().empty());  // it is not attached again
}

TEST_CASE("a member that was attached takes the group as it is after a reconnect") {
  Fixture f;
  f.begin();
  wire::Attach request;
  request.group = "billing";
  request.patterns = {"orders.>"};
  request.options.max_attempts = 3;
  request.alter = true;
  f.session.attach(request);
  auto said = f.proxy.hear();
  CHECK(said.at(0).as<wire::Attach>().options.max_attempts == 3);
  CHECK(said.at(0).as<wire::Attach>().alter);
  f.answer_attach(said.at(0).as<wire::Attach>(), said.at(0).envelope.number);
  f.reconnect(0);
  said = f.proxy.hear();
  const auto again = said.at(0).as<wire::Attach>();
  CHECK(again.options == wire::GroupOptions());  // an operator may have altered it
  CHECK_FALSE(again.alter);
  CHECK(again.group == "billing");
}

TEST_CASE("a passing refusal of hello is tried again later") {
  Fixture f;
  f.session.connected(f.proxy.now);
  f.proxy.error(ErrorCode::too_many, f.proxy.hear().at(0).envelope.number);
  CHECK(f.proxy.hear().empty());
  REQUIRE(f.session.next_deadline());
  f.session.on_tick(*f.session.next_deadline());
  CHECK(f.kinds() == std::vector{Kind::hello});
}

TEST_CASE("a halted stream is resumed and sent again from the number it halted at") {
  Fixture f;
  f.begin();
  for (int i = 0; i < 3; ++i) f.publish("a");
  (void)f.proxy.hear();
  wire::Halted halted;
  halted.number = 2;
  halted.code = "spool_full";
  halted.text = "full";
  halted.retry_after_ms = 500;
  f.proxy.say(halted);
  const auto told = only<Halted>(f.session.take_events());
  REQUIRE(told.size() == 1);
  CHECK(told[0].why.code == ErrorCode::spool_full);
  f.publish("a");
  CHECK(f.proxy.hear().empty());
  f.proxy.stored(1, 1, 1, 1);
  f.session.on_tick(f.proxy.now + 499ms);
  CHECK(f.proxy.hear().empty());
  f.session.on_tick(f.proxy.now + 500ms);
  const auto said = f.proxy.hear();
  REQUIRE(said.size() == 4);
  CHECK(said[0].as<wire::Resume>().number == 2);
  CHECK(said[1].as<wire::Publish>().commit == 2);
  CHECK(said[3].as<wire::Publish>().commit == 4);
}

TEST_CASE("the window bounds bytes and commits in flight") {
  Fixture f;
  f.proxy.commits_max = 2;
  f.begin();
  for (int i = 0; i < 5; ++i) f.publish("a");
  CHECK(f.proxy.hear().size() == 2);
  f.proxy.stored(1, 1, 1, 1);
  CHECK(f.proxy.hear().size() == 1);

  Fixture g;
  g.proxy.window_bytes = 100'000;
  g.begin();
  const std::string data = std::string("\xc5\xc3\x50") + std::string(50'000, 'x');
  const OutgoingEvent event = event_on("a", data);
  for (int i = 0; i < 5; ++i) CHECK(g.session.publish({&event, 1}, 1));
  CHECK(g.proxy.hear().size() == 1);
  g.proxy.stored(1, 1, 1, 1);
  CHECK(g.proxy.hear().size() == 1);
}

TEST_CASE("a full outbox refuses commits until outcomes make room") {
  ClientSession session(SessionOptions{"shop/1/0", 1000});
  FakeProxy proxy(session);
  session.connected(proxy.now);
  proxy.welcome();
  const std::string data(600, '\x01');
  const OutgoingEvent event = event_on("a", data);
  CHECK(session.publish({&event, 1}, 1));
  CHECK(session.publish({&event, 1}, 1));
  CHECK_FALSE(session.has_room());
  CHECK(session.publish({&event, 1}, 1).error().code == ErrorCode::outbox_full);
  (void)proxy.hear();
  proxy.stored(1, 2, 2, 1);
  CHECK(session.has_room());
}

TEST_CASE("turns share a message and runs of bare acks are one turn") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId first = f.deliver(member, 1, 100, 10);
  CHECK(f.session.settle(std::vector{f.ack(member, first)}, {}, 1).value() == 1);
  auto next = first;
  next.offset = 101;
  CHECK(f.session.settle(std::vector{f.ack(member, next)}, {}, 1).value() == 2);
  next.offset = 102;
  const std::vector<OutgoingEvent> events{event_on("p"), event_on("p"), event_on("q")};
  CHECK(f.session.settle(std::vector{f.ack(member, next)}, events, 1).value() == 3);
  next.offset = 103;
  const std::vector<OutgoingEvent> more{event_on("q")};
  CHECK(f.session.settle(std::vector{f.ack(member, next)}, more, 1).value() == 4);
  next.offset = 104;
  CHECK(f.session.acknowledge_each(member, next, 6).value() == 5);

  const auto said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  const auto settle = said[0].as<wire::Settle>();
  CHECK(settle.first_number == 1);
  REQUIRE(settle.turns.size() == 4);
  CHECK(settle.turns[0].run == 2);
  CHECK(settle.turns[0].settlements.at(0).count == 2);
  REQUIRE(settle.turns[1].publications.size() == 2);
  CHECK(settle.turns[1].publications[0].count == 2);
  CHECK(settle.turns[1].publications[1].packet == 1);
  CHECK(settle.turns[2].publications.at(0).packet == 1);
  CHECK(settle.turns[2].publications.at(0).first == 1);
  CHECK(settle.turns[3].run == 6);
  REQUIRE(said[0].packets.size() == 2);
  CHECK(said[0].packets[1].topic.view == "q");
}

TEST_CASE("a turn that settles what is not held is stale and takes no number") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId first = f.deliver(member, 1, 100, 2);
  CHECK(f.session.settle(std::vector{f.ack(member, first)}, {}, 1));
  CHECK(f.session.settle(std::vector{f.ack(member, first)}, {}, 1).error().code == ErrorCode::stale);
  auto foreign = first;
  foreign.offset = 102;
  CHECK(f.session.settle(std::vector{f.ack(member, foreign)}, {}, 1).error().code == ErrorCode::stale);
  CHECK(f.session.unanswered() == 1);
}

TEST_CASE("deliveries come as packets with their ids") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  f.deliver(member, 9, 100, 600);
  const auto delivered = only<Delivered>(f.session.take_events());
  REQUIRE(delivered.size() == 1);
  CHECK(delivered[0].member == member);
  CHECK(delivered[0].first.handout == 9);
  CHECK(delivered[0].first.offset == 100);
  CHECK(delivered[0].count == 600);
  CHECK(delivered[0].events.topic.view == "orders.placed");
}

TEST_CASE("after a reconnect members claim what they hold before commits are sent again") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId first = f.deliver(member, 1, 100, 10);
  const wire::DeliveryId second = f.deliver(member, 2, 200, 5);
  CHECK(f.session.acknowledge_each(member, first, 4));  // 1..4: settled durably
  (void)f.proxy.hear();
  f.proxy.stored(1, 4, 0, 0);
  auto in_flight = first;
  in_flight.offset = 104;
  CHECK(f.session.acknowledge_each(member, in_flight, 2));  // 5, 6: no outcome
  (void)f.proxy.hear();
  (void)f.session.take_events();

  f.reconnect(4);
  auto said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  const auto attach = said[0].as<wire::Attach>();
  CHECK_FALSE(attach.create);
  CHECK(attach.member == member);
  REQUIRE(attach.claims.size() == 3);
  CHECK(attach.claims[0].first.offset == 106);
  CHECK(attach.claims[0].count == 4);
  CHECK(attach.claims[1].first.offset == 104);
  CHECK(attach.claims[1].count == 2);
  CHECK(attach.claims[2].first.handout == second.handout);

  // The second hand-out went to someone else.
  f.answer_attach(attach, said[0].envelope.number, {attach.claims[0], attach.claims[1]});
  const auto events = f.session.take_events();
  const auto lost = only<DeliveriesLost>(events);
  REQUIRE(lost.size() == 1);
  REQUIRE(lost[0].deliveries.size() == 1);
  CHECK(lost[0].deliveries[0].first.offset == 200);
  CHECK(only<Ready>(events).size() == 1);
  CHECK(f.session.settle(std::vector{f.ack(member, second)}, {}, 1).error().code == ErrorCode::stale);

  said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  CHECK(said[0].as<wire::Settle>().first_number == 5);
}

TEST_CASE("a submitted turn whose claim is refused is not reported lost: its outcome tells") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId first = f.deliver(member, 1, 100, 1);
  CHECK(f.session.acknowledge_each(member, first, 1));
  (void)f.proxy.hear();
  f.reconnect(1);
  auto said = f.proxy.hear();
  f.answer_attach(said.at(0).as<wire::Attach>(), said.at(0).envelope.number);
  CHECK(only<DeliveriesLost>(f.session.take_events()).empty());
  CHECK(f.kinds() == std::vector{Kind::settle});
  f.proxy.stored(1, 1, 0, 0);
  CHECK(only<Committed>(f.session.take_events()).size() == 1);
}

TEST_CASE("the deliveries of a refused turn are not held any more: they come again") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attached_member();
  const wire::DeliveryId first = f.deliver(member, 1, 100, 1);
  const auto code = GENERATE(ErrorCode::denied, ErrorCode::stale);
  const OutgoingEvent event = event_on("forbidden");
  CHECK(f.session.settle(std::vector{f.ack(member, first)}, {&event, 1}, 1));
  (void)f.proxy.hear();
  wire::Settled settled;
  wire::Outcome refused;
  refused.number = 1;
  refused.status = wire::OutcomeStatus::refused;
  refused.code = code;
  settled.outcomes.push_back(refused);
  f.proxy.say(settled);
  const auto committed = only<Committed>(f.session.take_events());
  REQUIRE(committed.size() == 1);
  CHECK(committed[0].outcome.code == code);
  CHECK_FALSE(f.session.settle(std::vector{f.ack(member, first)}, {}, 1));
  const wire::DeliveryId again = f.deliver(member, 2, 100, 1);
  CHECK(f.session.settle(std::vector{f.ack(member, again)}, {}, 1));
}

TEST_CASE("a session that is idle asks whether it still exists, and says hello again when it does not") {
  Fixture f;
  f.begin();
  (void)f.proxy.hear_all();
  const auto due = f.session.next_deadline();
  REQUIRE(due);
  f.session.on_tick(*due + std::chrono::seconds(2));
  const auto said = f.proxy.hear_all();
  REQUIRE(said.size() == 1);
  CHECK(said[0].envelope.kind == wire::Kind::renew);
  CHECK(said[0].envelope.session == f.proxy.session);
  CHECK(said[0].as<wire::Renew>().sessions == std::vector<std::uint64_t>{f.proxy.session});
  f.proxy.error(ErrorCode::unknown_session, said[0].envelope.number);
  const auto again = f.proxy.hear_all();
  REQUIRE(again.size() == 1);
  CHECK(again[0].envelope.kind == wire::Kind::hello);
}

TEST_CASE("a refused attach ends the member, a passing refusal is tried again") {
  Fixture f;
  f.begin();
  const std::uint64_t member = f.attach();
  f.proxy.error(ErrorCode::too_many, f.proxy.hear().at(0).envelope.number);
  CHECK(only<AttachRefused>(f.session.take_events()).empty());
  f.session.on_tick(f.proxy.now + hello_again_after);
  const auto said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  f.proxy.error(ErrorCode::unknown_group, said[0].envelope.number);
  const auto refused = only<AttachRefused>(f.session.take_events());
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].member == member);
}

TEST_CASE("admin answers match by number and are unavailable when the session ends") {
  Fixture f;
  const std::uint64_t early = f.session.admin("groups", "");
  f.begin();
  auto said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  CHECK(said[0].as<wire::Admin>().verb == "groups");
  f.proxy.say(wire::AdminReply{said[0].envelope.number, "\x90"});
  auto answered = only<AdminAnswered>(f.session.take_events());
  REQUIRE(answered.size() == 1);
  CHECK(answered[0].request == early);
  CHECK(answered[0].body.value() == "\x90");

  (void)f.session.admin("groups", "x");
  (void)f.proxy.hear();
  f.session.disconnected(f.proxy.now);
  answered = only<AdminAnswered>(f.session.take_events());
  REQUIRE(answered.size() == 1);
  CHECK(answered[0].body.error().code == ErrorCode::unavailable);
}

TEST_CASE("silence while an answer is expected asks for another connection, later and later") {
  Fixture f;
  f.begin();
  f.session.on_tick(f.proxy.now);
  f.session.on_tick(f.proxy.now + 1h);
  CHECK_FALSE(f.session.take_reconnect());  // nothing is expected
  f.publish("a");
  (void)f.proxy.hear();
  const Instant start = f.proxy.now + 1h;
  f.session.on_tick(start);
  f.session.on_tick(start + 4999ms);
  CHECK_FALSE(f.session.take_reconnect());
  f.session.on_tick(start + 5s);
  CHECK(f.session.take_reconnect());
  CHECK_FALSE(f.session.take_reconnect());
  f.session.connected(start + 5s);
  f.session.on_tick(start + 5s);
  f.session.on_tick(start + 14s);
  CHECK_FALSE(f.session.take_reconnect());
  f.session.on_tick(start + 15s);
  CHECK(f.session.take_reconnect());
}

TEST_CASE("a proxy without a spool refuses durable commits at once") {
  Fixture f;
  f.publish("a");
  f.proxy.spool = "";
  f.begin();
  f.session.connected(f.proxy.now);
  f.proxy.welcome();
  const OutgoingEvent event = event_on("a");
  CHECK(f.session.publish({&event, 1}, 1).error().code == ErrorCode::no_spool);
  CHECK(f.session.unanswered() == 0);
}

TEST_CASE("a goodbye of the proxy is followed by a hello later") {
  Fixture f;
  f.begin();
  f.proxy.say(wire::Goodbye{"stopping"});
  CHECK(only<Lost>(f.session.take_events()).size() == 1);
  CHECK(f.proxy.hear().empty());
  f.session.on_tick(f.proxy.now + hello_again_after);
  CHECK(f.kinds() == std::vector{Kind::hello});
}

TEST_CASE("goodbye of the client is the last it says") {
  Fixture f;
  f.begin();
  f.publish("a");
  f.session.goodbye("done");
  const auto said = f.proxy.hear();
  REQUIRE(said.size() == 1);
  CHECK(said[0].envelope.kind == Kind::goodbye);
  CHECK(said[0].envelope.session == f.proxy.session);
}

TEST_CASE("hostile and malformed messages from a proxy are reported and change nothing") {
  Fixture f;
  f.begin();
  const std::vector<SharedBytes> garbage{SharedBytes::own(std::string("\xdd\xff\xff\xff\xff", 5))};
  f.session.on_message(garbage, f.proxy.now);
  f.session.on_message({}, f.proxy.now);
  wire::Outcome outcome;
  outcome.number = 1;
  outcome.run = ~std::uint64_t{0};
  wire::Published published;
  published.outcomes.push_back(outcome);
  f.proxy.say(published);
  CHECK(only<Trouble>(f.session.take_events()).size() == 1);
  CHECK(f.session.ready());
  f.publish("a");
  CHECK(f.kinds() == std::vector{Kind::publish});
}

TEST_CASE("a proxy whose disk failed is told of and sought again, with what has no outcome") {
  Fixture f;
  f.begin();
  f.publish("orders.placed");
  REQUIRE(f.kinds() == std::vector<Kind>{Kind::publish});
  f.proxy.error(ErrorCode::io_error);
  f.proxy.say(wire::Goodbye{"the proxy stops: its disk failed"});
  auto events = f.session.take_events();
  CHECK(only<Lost>(events).size() == 1);
  REQUIRE(only<Trouble>(events).size() == 1);
  CHECK(only<Trouble>(events)[0].what.code == ErrorCode::io_error);
  CHECK(only<Trouble>(events)[0].what.text == "because");
  CHECK(only<Failed>(events).empty());
  CHECK(f.session.unanswered() == 1);

  // Its successor is not there yet, then its disk fails as well, then all is well.
  f.proxy.now += hello_again_after;
  f.session.on_tick(f.proxy.now);
  auto hello = f.proxy.hear();
  REQUIRE(hello.size() == 1);
  f.proxy.say_in(0, wire::ErrorMessage::of(hello[0].envelope.number, {ErrorCode::io_error, "again"}));
  events = f.session.take_events();
  CHECK(only<Trouble>(events).size() == 1);
  CHECK(only<Failed>(events).empty());
  f.session.connected(f.proxy.now);
  f.proxy.welcome();
  CHECK(f.kinds() == std::vector<Kind>{Kind::publish});
}
