#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using wire::OutcomeStatus;

namespace {

/// A member that holds events 10, 11, … on topic a at offsets 0, 1, …
struct Holder {
  explicit Holder(BrokerDriver& proxy, std::size_t events = 5) : client(proxy, "shop/1") {
    client.hello();
    std::vector<std::uint64_t> numbers;
    for (std::uint64_t i = 0; i < events; ++i) numbers.push_back(10 + i);
    client.publish("a", numbers);
    client.attach("g", {"a"});
    held = client.deliveries();
    REQUIRE(held.size() == events);
  }

  wire::Turn run(std::size_t first, std::uint64_t count) const {
    wire::Turn turn = TestClient::turn({held[first].settlement()});
    turn.run = turn.settlements[0].count = count;
    return turn;
  }

  TestClient client;
  std::vector<Delivered> held;
};

std::vector<std::uint64_t> stored_on(BrokerDriver& proxy, const std::string& topic) {
  std::vector<std::uint64_t> events;
  for (const auto& stored : proxy.stored()) {
    if (stored.topic != topic) continue;
    for (std::uint64_t event : numbers_in(stored.packet)) events.push_back(event);
  }
  return events;
}

}  // namespace

TEST_CASE("a turn's ack and its publications survive together or not at all") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    BrokerDriver proxy;
    Holder holder(proxy, 1);
    proxy.by_hand = true;
    holder.client.send_settle(2, {TestClient::turn({holder.held[0].settlement()}, {{0, 0, 1}, {1, 0, 1}})},
                              {holder.client.packet("b", {1}), holder.client.packet("c", {2})});
    if (seed % 3 == 0) proxy.commit(false);
    proxy.power_cut(seed);
    proxy.start();
    proxy.by_hand = false;
    const bool published = stored_on(proxy, "b").size() == 1;
    REQUIRE(stored_on(proxy, "c").size() == (published ? 1 : 0));
    REQUIRE(published == (seed % 3 == 0));
    TestClient other(proxy, "shop/2");
    other.hello();
    other.attach("g", {"a"});
    proxy.advance(9s);
    other.send(wire::Renew{{other.session}});
    proxy.advance(2s);
    REQUIRE(other.deliveries().size() == (published ? 0 : 1));
  }
}

TEST_CASE("a stale turn is refused whole, publications included") {
  BrokerDriver proxy;
  Holder holder(proxy);
  holder.client.ack(holder.held[1]);
  const auto outcomes = holder.client.settle(
      {TestClient::turn({holder.held[0].settlement(), holder.held[1].settlement()}, {{0, 0, 1}})},
      {holder.client.packet("b", {1})});
  REQUIRE(outcomes[0].code == ErrorCode::stale);
  REQUIRE(stored_on(proxy, "b").empty());
  REQUIRE(stored_on(proxy, "a").size() == 5);
}

TEST_CASE("what else a stale turn settles comes again at once, as if nothing had been") {
  BrokerDriver proxy;
  Holder holder(proxy);
  holder.client.ack(holder.held[1]);
  const auto outcomes = holder.client.settle({TestClient::turn(
      {holder.held[0].settlement(), holder.held[1].settlement(), holder.held[3].settlement(wire::Verdict::retry)})});
  REQUIRE(outcomes[0].code == ErrorCode::stale);
  const auto again = holder.client.deliveries();
  REQUIRE(again.size() == 2);
  REQUIRE((again[0].event == 10 && again[0].attempt == 1));
  REQUIRE((again[1].event == 13 && again[1].attempt == 1));
  REQUIRE(holder.client.ack(holder.held[0])[0].code == ErrorCode::stale);
  REQUIRE(holder.client.ack(again[0])[0].status == OutcomeStatus::stored);
  REQUIRE(holder.client.ack(holder.held[2])[0].status == OutcomeStatus::stored);  // of no concern to that turn
}

TEST_CASE("what a refused turn settles does not come again before its client knows that") {
  BrokerDriver proxy;
  Holder holder(proxy);
  holder.client.ack(holder.held[1]);
  proxy.by_hand = true;
  holder.client.send_settle(holder.client.next_commit,
                            {TestClient::turn({holder.held[0].settlement(), holder.held[1].settlement()})});
  proxy.read();
  proxy.collect();
  REQUIRE(holder.client.deliveries().empty());
  proxy.by_hand = false;
  proxy.advance(1s);
  REQUIRE(holder.client.take<wire::Settled>());
  REQUIRE(holder.client.deliveries().size() == 1);
}

TEST_CASE("a turn that is refused for its own fault was an attempt of all that it settles, with the reason") {
  BrokerDriver proxy;
  Holder holder(proxy);
  const auto outcomes = holder.client.settle(
      {TestClient::turn({holder.held[0].settlement(), holder.held[2].settlement()}, {{7, 0, 1}})});
  REQUIRE(outcomes[0].code == ErrorCode::malformed);
  REQUIRE(holder.client.deliveries().empty());  // not before the backoff has passed
  proxy.advance(2s);
  const auto again = holder.client.deliveries();
  REQUIRE(again.size() == 2);
  REQUIRE((again[0].event == 10 && again[0].attempt == 2));
  REQUIRE((again[1].event == 12 && again[1].attempt == 2));
}

TEST_CASE("what a refused turn settles is not held after a reconnect either, though it was claimed") {
  BrokerDriver proxy;
  Holder holder(proxy);
  holder.client.ack(holder.held[1]);
  const auto commit = holder.client.next_commit;
  const std::vector turns{TestClient::turn({holder.held[0].settlement(), holder.held[1].settlement()})};
  holder.client.settle(turns);
  if (GENERATE(false, true)) proxy.restart();
  holder.client.reconnect();
  holder.client.hello();
  auto attach = holder.client.attach_message("g", {"a"});
  for (const Delivered& held : holder.held) attach.claims.push_back({held.id, 1, held.attempt});
  holder.client.attach(attach);
  auto again = holder.client.deliveries();
  holder.client.send_settle(commit, turns);
  REQUIRE(holder.client.take<wire::Settled>()->outcomes[0].code == ErrorCode::stale);
  for (const Delivered& one : holder.client.deliveries()) again.push_back(one);
  REQUIRE(again.size() == 1);
  REQUIRE(again[0].event == 10);
  REQUIRE(holder.client.ack(again[0])[0].status == OutcomeStatus::stored);
}

TEST_CASE("packets shared by turns are split around a refused turn") {
  BrokerDriver proxy;
  Holder holder(proxy);
  holder.client.ack(holder.held[1]);
  std::vector<wire::Turn> turns;
  for (std::uint64_t i = 0; i < 4; ++i) {
    turns.push_back(TestClient::turn({holder.held[i].settlement()}, {{0, 2 * i, 2}, {1, i, 1}}));
  }
  const auto first = holder.client.next_commit;
  const std::vector packets{holder.client.packet("b", {0, 1, 2, 3, 4, 5, 6, 7}),
                            holder.client.packet("c", {20, 21, 22, 23})};
  const auto outcomes = holder.client.settle(turns, packets);
  REQUIRE(outcomes.size() == 4);
  REQUIRE(stored_on(proxy, "b") == std::vector<std::uint64_t>{0, 1, 4, 5, 6, 7});
  REQUIRE(stored_on(proxy, "c") == std::vector<std::uint64_t>{20, 22, 23});
  // Offsets 0 to 4 are the input; b takes 5 to 10 and c 11 to 13.
  const std::uint64_t offsets[] = {5, 0, 7, 9};
  for (std::uint64_t i = 0; i < 4; ++i) {
    REQUIRE(outcomes[i].number == first + i);
    REQUIRE(outcomes[i].status == (i == 1 ? OutcomeStatus::refused : OutcomeStatus::stored));
    if (i != 1) REQUIRE(outcomes[i].first_offset == offsets[i]);
    if (i != 1) REQUIRE(outcomes[i].events == 3);
  }
  wire::Values values;
  for (const auto& stored : proxy.stored()) {
    auto packet = wire::Packet::parse(stored.packet, values);
    if (stored.offset == 7) REQUIRE(packet->header().topic_count == 4);
  }

  if (GENERATE(false, true)) proxy.restart();
  holder.client.reconnect();
  holder.client.hello();
  holder.client.next_commit = first;
  const auto again = holder.client.settle(turns, packets);
  REQUIRE(again.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    REQUIRE(again[i].status == outcomes[i].status);
    REQUIRE(again[i].first_offset == outcomes[i].first_offset);
  }
  REQUIRE(stored_on(proxy, "b").size() == 6);
}

TEST_CASE("a turn may settle many deliveries in different ways") {
  BrokerDriver proxy;
  Holder holder(proxy);
  auto retry = holder.held[1].settlement(wire::Verdict::retry);
  retry.retry_after_ms = 0;
  auto outcomes = holder.client.settle(
      {TestClient::turn({holder.held[0].settlement(), retry, holder.held[2].settlement(wire::Verdict::reject)})});
  REQUIRE(outcomes.size() == 1);
  REQUIRE(outcomes[0].status == OutcomeStatus::stored);
  const auto again = holder.client.deliveries();
  REQUIRE(again.size() == 1);
  REQUIRE(again[0].event == 11);
  REQUIRE(again[0].attempt == 2);
  REQUIRE(stored_on(proxy, "_spindle.dead.g") == std::vector<std::uint64_t>{12});
}

TEST_CASE("a turn that settles a delivery twice is refused") {
  BrokerDriver proxy;
  Holder holder(proxy);
  auto wide = holder.held[0].settlement();
  wide.count = 3;
  const auto outcomes =
      holder.client.settle({TestClient::turn({wide, holder.held[2].settlement(wire::Verdict::reject)})});
  REQUIRE(outcomes[0].code == ErrorCode::malformed);
  REQUIRE(stored_on(proxy, "_spindle.dead.g").empty());
  proxy.advance(2s);
  const auto again = holder.client.deliveries();
  REQUIRE(again.size() == 3);  // each once
  for (const Delivered& one : again) REQUIRE(one.attempt == 2);
}

TEST_CASE("no event of a packet is published by two turns, or twice by one") {
  BrokerDriver proxy;
  Holder holder(proxy);
  const auto packet = holder.client.packet("b", {1, 2});
  auto outcomes = holder.client.settle({TestClient::turn({holder.held[0].settlement()}, {{0, 0, 2}}),
                                        TestClient::turn({holder.held[1].settlement()}, {{0, 1, 1}}),
                                        TestClient::turn({holder.held[2].settlement()}, {{7, 0, 1}}),
                                        TestClient::turn({holder.held[3].settlement()}, {{0, 1, 65'000}})},
                                       {packet});
  REQUIRE(outcomes[0].status == OutcomeStatus::stored);
  for (std::size_t i = 1; i < outcomes.size(); ++i) REQUIRE(outcomes[i].code == ErrorCode::malformed);
  outcomes =
      holder.client.settle({TestClient::turn({holder.held[4].settlement()}, {{0, 0, 1}, {0, 0, 1}})}, {packet});
  REQUIRE(outcomes[0].code == ErrorCode::malformed);
  REQUIRE(stored_on(proxy, "b") == std::vector<std::uint64_t>{1, 2});
}

TEST_CASE("a bad packet refuses the turns that publish, not those that only settle") {
  BrokerDriver proxy;
  Holder holder(proxy);
  const auto outcomes = holder.client.settle(
      {TestClient::turn({holder.held[0].settlement()}, {{0, 0, 1}}), TestClient::turn({holder.held[1].settlement()})},
      {{SharedBytes::own("b"), SharedBytes::own("rubbish")}});
  REQUIRE(outcomes[0].code == ErrorCode::malformed);
  REQUIRE(outcomes[1].status == OutcomeStatus::stored);
}

TEST_CASE("a run acknowledges one delivery a commit") {
  BrokerDriver proxy;
  Holder holder(proxy);
  const auto outcomes = holder.client.settle({holder.run(0, 5)});
  REQUIRE(outcomes.size() == 1);
  REQUIRE(outcomes[0].run == 5);
  REQUIRE(outcomes[0].number == 2);
  proxy.restart();
  holder.client.reconnect();
  REQUIRE(holder.client.hello().last_number == 6);
}

TEST_CASE("of a partly stale run each commit fares by itself") {
  BrokerDriver proxy;
  Holder holder(proxy);
  holder.client.ack(holder.held[1]);
  holder.client.ack(holder.held[2]);
  const auto outcomes = holder.client.settle({holder.run(0, 5)});
  REQUIRE(outcomes.size() == 3);
  REQUIRE((outcomes[0].number == 4 && outcomes[0].run == 1 && outcomes[0].status == OutcomeStatus::stored));
  REQUIRE((outcomes[1].number == 5 && outcomes[1].run == 2 && outcomes[1].code == ErrorCode::stale));
  REQUIRE((outcomes[2].number == 7 && outcomes[2].run == 2 && outcomes[2].status == OutcomeStatus::stored));

  // Again from the second on, with one commit more than before.
  if (GENERATE(false, true)) {
    proxy.restart();
    holder.client.reconnect();
    holder.client.hello();
  }
  holder.client.send_settle(5, {holder.run(1, 4)});
  const auto again = holder.client.take<wire::Settled>()->outcomes;
  REQUIRE(again.size() == 2);
  REQUIRE((again[0].number == 5 && again[0].run == 2 && again[0].code == ErrorCode::stale));
  REQUIRE((again[1].number == 7 && again[1].run == 2 && again[1].status == OutcomeStatus::stored));
}

TEST_CASE("a run that straddles what was settled before goes on behind it") {
  BrokerDriver proxy;
  Holder holder(proxy);
  const auto first = holder.client.next_commit;
  holder.client.settle({holder.run(0, 2)});
  holder.client.send_settle(first, {holder.run(0, 5)});
  const auto outcomes = holder.client.take<wire::Settled>()->outcomes;
  std::uint64_t next = first;
  for (const auto& outcome : outcomes) {
    REQUIRE(outcome.number == next);
    REQUIRE(outcome.status == OutcomeStatus::stored);
    next += outcome.run;
  }
  REQUIRE(next == first + 5);
}

TEST_CASE("a run that cannot be is an error, one of absent deliveries a single refusal") {
  BrokerDriver proxy;
  Holder holder(proxy);
  holder.client.send_settle(2, {holder.run(0, 1ull << 60)});
  REQUIRE(holder.client.error() != "");
  auto turn = holder.run(0, 3);
  turn.settlements[0].count = 2;
  holder.client.send_settle(2, {turn});
  REQUIRE(holder.client.error() == "malformed");
  holder.client.send_settle(2, {});
  REQUIRE(holder.client.error() == "malformed");
  std::vector<wire::Turn> absent(40, holder.run(0, 100));
  for (wire::Turn& one : absent) one.settlements[0].first.handout += 9;
  const auto outcomes = holder.client.settle(absent);
  REQUIRE(outcomes.size() == 1);
  REQUIRE(outcomes[0].run == 4'000);
}

TEST_CASE("a delivery is settled once") {
  BrokerDriver proxy;
  Holder holder(proxy);
  const auto number = holder.client.next_commit;
  REQUIRE(holder.client.ack(holder.held[0])[0].status == OutcomeStatus::stored);
  REQUIRE(holder.client.ack(holder.held[0])[0].code == ErrorCode::stale);
  // The same message again is a repeat, not another settle.
  holder.client.send_settle(number, {TestClient::turn({holder.held[0].settlement()})});
  REQUIRE(holder.client.take<wire::Settled>()->outcomes[0].status == OutcomeStatus::stored);
}

TEST_CASE("nobody settles what another member holds") {
  BrokerDriver proxy;
  Holder holder(proxy);
  TestClient thief(proxy, "shop/2");
  thief.hello();
  REQUIRE(thief.ack(holder.held[0])[0].code == ErrorCode::stale);
  thief.attach("g", {"a"});
  REQUIRE(thief.ack(holder.held[0])[0].code == ErrorCode::stale);
  auto old = holder.held[0];
  old.id.generation = 0;
  REQUIRE(holder.client.ack(old)[0].code == ErrorCode::stale);
}

TEST_CASE("a retry of a great many events does not damage the log") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  std::vector<std::uint64_t> many(60'000, 1);
  client.publish("a", many);
  auto attach = client.attach_message("g", {"a"});
  attach.credit_events = 60'000;
  client.attach(attach);
  const auto held = client.deliveries();
  REQUIRE(held.size() == 60'000);
  auto retry = held[0].settlement(wire::Verdict::retry);
  retry.count = 60'000;
  retry.reason = std::string(100'000, 'x');
  REQUIRE(client.settle({TestClient::turn({retry})})[0].status == OutcomeStatus::stored);
  proxy.restart();
  proxy.restart();  // once from the record, once from the state
  client.reconnect();
  client.hello();
  client.attach(attach);
  proxy.advance(2s);
  const auto again = client.deliveries();
  REQUIRE(again.size() == 60'000);
  REQUIRE(again[59'999].attempt == 2);
}

TEST_CASE("a dead letter is the event with what became of it") {
  BrokerDriver proxy;
  TestClient client(proxy, "shop/1");
  client.hello();
  wire::PacketBuilder builder;
  builder.add("\x01", "\x81\xa1k\x07", 5u);
  builder.add("\x02", {}, 6u);
  wire::PacketHeader header;
  header.source = "shop/1";
  header.epoch = client.epoch;
  header.event_class = wire::EventClass::durable;
  header.topic_count = 40;
  header.time_ns = 1'234;
  client.publish({{SharedBytes::own("a"), SharedBytes::own(builder.finish(header))}});
  client.attach("g", {"a"});
  const auto held = client.deliveries();
  auto reject = held[0].settlement(wire::Verdict::reject);
  reject.reason = "no such customer";
  client.settle({TestClient::turn({reject})});
  const auto stored = proxy.stored();
  REQUIRE(stored.back().topic == "_spindle.dead.g");
  wire::Values values;
  auto letter = wire::Packet::parse(stored.back().packet, values);
  REQUIRE(letter->header().count == 1);
  REQUIRE(letter->key(0) == 5u);
  REQUIRE(letter->events()[0].data == "\x01");
  REQUIRE(values.read_whole(letter->events()[0].attributes));
  wire::Cursor at(values);
  std::map<std::string, std::string> found;
  for (std::uint32_t n = at.map("attributes"); n > 0; --n) {
    const std::string key(at.str("key"));
    found[key] = at.peek() == wire::ValueType::str ? std::string(at.str("text")) : std::to_string(at.uint("number"));
  }
  const std::map<std::string, std::string> wanted{{"k", "7"},
                                                  {"deadreason", "no such customer"},
                                                  {"deadattempts", "1"},
                                                  {"deadgroup", "g"},
                                                  {"deadtopic", "a"},
                                                  {"deadoffset", "0"},
                                                  {"deadid", "shop/1@" + std::to_string(client.epoch) + "/a/40"},
                                                  {"deadtime", "1234"},
                                                  {"deadreplays", "0"}};
  REQUIRE(found == wanted);

  TestClient undertaker(proxy, "shop/2");
  undertaker.hello();
  undertaker.attach("audit", {">"});
  REQUIRE(undertaker.deliveries().size() == 2);  // wildcards do not see dead letters
  auto attach = undertaker.attach_message("graves", {"_spindle.dead.g"});
  attach.member = 2;
  undertaker.attach(attach);
  REQUIRE(undertaker.deliveries().size() == 1);
}

TEST_CASE("a dead letter that was decided but not yet written is written after a restart") {
  BrokerDriver proxy;
  Holder holder(proxy, 2);
  proxy.by_hand = true;
  holder.client.send_settle(2, {TestClient::turn({holder.held[0].settlement(wire::Verdict::reject)})});
  proxy.commit(false);
  proxy.restart();
  if (GENERATE(false, true)) proxy.restart();
  proxy.by_hand = false;
  proxy.advance(1ms);
  REQUIRE(stored_on(proxy, "_spindle.dead.g") == std::vector<std::uint64_t>{10});
  proxy.restart();
  proxy.advance(1ms);
  REQUIRE(stored_on(proxy, "_spindle.dead.g").size() == 1);
}
