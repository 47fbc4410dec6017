// Dead letters as an operator sees them: listed, replayed to their group, discarded.
#include <functional>
#include <set>

#include "proxy/dead_request.hpp"
#include "test_client.hpp"

using namespace spindle;
using namespace spindle::proxy;
using namespace std::chrono_literals;
using Numbers = std::vector<std::uint64_t>;
using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;  // offset, count

namespace {

Bytes arguments(const std::function<void(wire::Writer&)>& write) {
  Bytes bytes;
  wire::Writer to(bytes);
  write(to);
  return bytes;
}

Bytes chosen(const Ranges& ranges) {
  return arguments([&](wire::Writer& to) {
    to.map(1).str("letters").array(ranges.size());
    for (const auto& [offset, count] : ranges) to.array(2).uint(offset).uint(count);
  });
}

struct Letter {
  std::uint64_t offset = 0;
  std::string topic;
  std::string reason;
  std::uint64_t origin = 0;
  std::string id;
  std::uint64_t replays = 0;
};

/// What came back of any of the verbs.
struct Answer {
  std::vector<Letter> letters;
  std::uint64_t kept = 0;
  std::optional<std::uint64_t> next;
  std::uint64_t done = 0;
  std::uint64_t gone = 0;
  std::uint64_t left = 0;
  std::string stopped;
  std::vector<std::pair<std::uint64_t, std::string>> unreadable;
};

Letter read_letter(wire::Cursor& at) {
  Letter letter;
  for (std::uint32_t pairs = at.map("letter"); pairs > 0 && at.ok(); --pairs) {
    const std::string_view key = at.str("key");
    if (key == "offset") {
      letter.offset = at.uint(key);
    } else if (key == "deadtopic") {
      letter.topic = at.str(key);
    } else if (key == "deadreason") {
      letter.reason = at.str(key);
    } else if (key == "deadoffset") {
      letter.origin = at.uint(key);
    } else if (key == "deadid") {
      letter.id = at.str(key);
    } else if (key == "deadreplays") {
      letter.replays = at.uint(key);
    } else {
      at.skip();
    }
  }
  return letter;
}

Answer read_answer(BytesView body) {
  wire::Values values;
  REQUIRE(values.read_whole(body));
  wire::Cursor at(values);
  Answer answer;
  for (std::uint32_t pairs = at.map("answer"); pairs > 0 && at.ok(); --pairs) {
    const std::string_view key = at.str("key");
    if (key == "letters") {
      for (std::uint32_t n = at.array(key); n > 0 && at.ok(); --n) answer.letters.push_back(read_letter(at));
    } else if (key == "unreadable") {
      for (std::uint32_t n = at.array(key); n > 0 && at.ok(); --n) {
        at.map(key);
        at.skip();
        const std::uint64_t offset = at.uint("offset");
        at.skip();
        answer.unreadable.emplace_back(offset, at.str("why"));
      }
    } else if (key == "next") {
      if (!at.nil()) answer.next = at.uint(key);
    } else if (key == "stopped") {
      if (!at.nil()) answer.stopped = at.str(key);
    } else {
      const std::uint64_t number = at.uint(key);
      if (key == "kept") answer.kept = number;
      if (key == "done") answer.done = number;
      if (key == "gone") answer.gone = number;
      if (key == "left") answer.left = number;
    }
  }
  REQUIRE(at.ok());
  return answer;
}

/// A session that only administers.
struct Operator {
  explicit Operator(BrokerDriver& proxy) : client(proxy, "") { client.hello(); }

  void send(const std::string& verb, Bytes with = {}, const std::string& group = "g") {
    client.send(wire::Admin{verb, group, std::move(with)});
  }
  std::optional<Answer> answer() {
    auto reply = client.take<wire::AdminReply>();
    if (!reply) return std::nullopt;
    return read_answer(reply->body);
  }
  Answer ask(const std::string& verb, Bytes with = {}) {
    send(verb, std::move(with));
    auto got = answer();
    REQUIRE(got);
    return *got;
  }
  Answer list() { return ask("dead"); }
  Answer replay(const Ranges& ranges) { return ask("dead_replay", chosen(ranges)); }
  Answer discard(const Ranges& ranges) { return ask("dead_discard", chosen(ranges)); }

  TestClient client;
};

struct Consumer {
  Consumer(BrokerDriver& proxy, const std::string& source, const std::string& group = "g",
           std::vector<std::string> patterns = {">"})
      : client(proxy, source), message(client.attach_message(group, std::move(patterns))) {
    client.hello();
    message.options.ack_deadline_ms = 3'600'000;
    message.credit_events = 100'000;
    message.credit_bytes = 1 << 28;
    client.attach(message);
  }
  void reject(const std::vector<Delivered>& held, const std::string& reason = "no such customer") {
    for (std::size_t begin = 0; begin < held.size(); begin += 1'000) {
      wire::Turn turn;
      for (std::size_t i = begin; i < std::min(held.size(), begin + 1'000); ++i) {
        turn.settlements.push_back(held[i].settlement(wire::Verdict::reject));
        turn.settlements.back().reason = reason;
      }
      client.settle({turn});
    }
  }
  std::size_t ack_all() {
    const auto all = client.deliveries();
    for (const Delivered& one : all) client.ack(one);
    return all.size();
  }
  void again() {
    client.reconnect();
    client.hello();
    client.attach(message);
  }
  TestClient client;
  wire::Attach message;
};

std::uint64_t stored_on(BrokerDriver& proxy, const std::string& topic) {
  std::uint64_t events = 0;
  for (const auto& one : proxy.stored()) events += one.topic == topic ? one.count : 0;
  return events;
}

/// Events 0, 1, … on "orders.placed", all rejected by group g.
struct World {
  explicit World(std::uint64_t letters, BrokerDriver::Setup setup = {}, std::vector<std::string> patterns = {">"})
      : proxy(std::move(setup)), producer(proxy, "shop/1"), consumer(proxy, "m/1", "g", std::move(patterns)) {
    producer.hello();
    for (std::uint64_t begin = 0; begin < letters; begin += 100) {
      Numbers events;
      for (std::uint64_t i = begin; i < std::min(letters, begin + 100); ++i) events.push_back(i);
      producer.publish("orders.placed", events);
    }
    consumer.reject(consumer.client.deliveries());
    first = letters;
  }
  void pass(Duration by) {
    for (Duration passed{}; passed < by; passed += 1s) {
      for (TestClient* client : {&producer, &consumer.client}) client->send(wire::Renew{{client->session}});
      if (space) proxy.broker().on_space(*space);
      proxy.advance(1s);
    }
  }

  BrokerDriver proxy;
  TestClient producer;
  Consumer consumer;
  std::uint64_t first = 0;  // the offset of the first letter
  std::optional<std::uint64_t> space;
};

}  // namespace

TEST_CASE("letters are listed with what became of the event") {
  World world(2);
  Operator op(world.proxy);
  const Answer answer = op.list();
  REQUIRE(answer.letters.size() == 2);
  CHECK(answer.kept == 2);
  CHECK_FALSE(answer.next);
  CHECK(answer.letters[1].offset == world.first + 1);
  CHECK(answer.letters[1].topic == "orders.placed");
  CHECK(answer.letters[1].reason == "no such customer");
  CHECK(answer.letters[1].origin == 1);
  CHECK(answer.letters[1].id == "shop/1@" + std::to_string(world.producer.epoch) + "/orders.placed/1");
  CHECK(answer.letters[1].replays == 0);
}

TEST_CASE("pages follow one another without gap or repeat, and filters choose") {
  World world(2'500);
  world.producer.publish("invoices.sent", {1, 2, 3});
  world.consumer.reject(world.consumer.client.deliveries(), "no address");
  Operator op(world.proxy);
  std::set<std::uint64_t> seen;
  std::uint64_t from = 0;
  std::size_t pages = 0;
  for (bool more = true; more; ++pages) {
    const Answer page =
        op.ask("dead", arguments([&](wire::Writer& to) { to.map(2).str("from").uint(from).str("max").uint(700); }));
    for (const Letter& letter : page.letters) REQUIRE(seen.insert(letter.offset).second);
    more = page.next.has_value();
    from = page.next.value_or(0);
  }
  CHECK(pages == 4);
  CHECK(seen.size() == 2'503);
  const Answer by_topic =
      op.ask("dead", arguments([](wire::Writer& to) { to.map(1).str("topic").str("invoices.*"); }));
  CHECK(by_topic.letters.size() == 3);
  const Answer by_reason = op.ask("dead", arguments([](wire::Writer& to) { to.map(1).str("reason").str("addr"); }));
  CHECK(by_reason.letters.size() == 3);
  const Answer neither = op.ask(
      "dead", arguments([](wire::Writer& to) { to.map(2).str("reason").str("addr").str("topic").str("orders.>"); }));
  CHECK(neither.letters.empty());
}

TEST_CASE("a replayed event goes to its group only, as what it was") {
  World world(3);
  Consumer everything(world.proxy, "o/1", "everything", {">"});
  Consumer orders(world.proxy, "o/2", "orders", {"orders.>"});
  Consumer own(world.proxy, "o/3", "own", {"_spindle.>"});
  Consumer curious(world.proxy, "o/4", "curious", {"_spindle.replay.>", "_spindle.replay.g.1.orders.placed"});
  for (Consumer* other : {&everything, &orders, &own, &curious}) other->ack_all();
  Operator op(world.proxy);
  const Answer answer = op.replay({{world.first + 1, 1}});
  CHECK(answer.done == 1);
  CHECK(answer.left == 0);
  const auto again = world.consumer.client.deliveries();
  REQUIRE(again.size() == 1);
  CHECK(again[0].event == 1);
  CHECK(again[0].topic == "orders.placed");
  CHECK(again[0].attempt == 1);
  for (Consumer* other : {&everything, &orders, &own, &curious}) CHECK(other->client.deliveries().empty());
  Consumer late(world.proxy, "o/5", "late", {">", "_spindle.>"});
  for (const Delivered& one : late.client.deliveries()) CHECK_FALSE(one.topic.starts_with("_spindle.replay"));
  CHECK(op.list().letters.size() == 2);
  world.consumer.client.ack(again[0]);
  world.proxy.restart();
  world.consumer.again();
  CHECK(world.consumer.client.deliveries().empty());
  Operator after(world.proxy);
  CHECK(after.list().letters.size() == 2);
}

TEST_CASE("what is replayed to a group does not reach a later group of its name") {
  World world(3);
  Operator op(world.proxy);
  REQUIRE(op.replay({{world.first, 2}}).done == 2);
  op.send("group.delete");
  REQUIRE(op.client.take<wire::AdminReply>());
  Consumer later(world.proxy, "m/2");
  std::size_t placed = 0;
  for (const Delivered& one : later.client.deliveries()) placed += one.topic == "orders.placed";
  CHECK(placed == 3);  // the events themselves
  op.send("dead_replay", chosen({{world.first + 2, 1}}));
  CHECK(op.answer()->gone == 1);  // nor is it the letter's group
}

TEST_CASE("a replayed event keeps its key, its identity and what failed, and is stored with its letter gone") {
  BrokerDriver proxy;
  TestClient producer(proxy, "shop/1");
  producer.hello();
  wire::PacketBuilder builder;
  builder.add("\x01", "\x81\xa1k\x07", 5u);
  wire::PacketHeader header;
  header.source = "shop/1";
  header.epoch = producer.epoch;
  header.event_class = wire::EventClass::durable;
  header.topic_count = 40;
  header.time_ns = 1'234;
  producer.publish({{SharedBytes::own("a"), SharedBytes::own(builder.finish(header))}});
  Consumer consumer(proxy, "m/1");
  consumer.reject(consumer.client.deliveries());
  Operator op(proxy);
  REQUIRE(op.replay({{1, 1}}).done == 1);
  const auto stored = proxy.stored();
  REQUIRE(stored.back().topic == "_spindle.replay.g.1.a");
  wire::Values values;
  auto packet = wire::Packet::parse(stored.back().packet, values);
  REQUIRE(packet);
  CHECK(packet->header().source == "shop/1");
  CHECK(packet->header().epoch == producer.epoch);
  CHECK(packet->header().topic_count == 40);
  CHECK(packet->header().time_ns == 1'234);
  CHECK(packet->key(0) == 5u);
  CHECK(packet->events()[0].data == "\x01");
  const Bytes attributes(packet->events()[0].attributes);
  for (const char* name : {"k", "deadreason", "deadid", "deadreplays", "replayof"}) {
    CHECK(attributes.find(name) != Bytes::npos);
  }
  // Its source's own numbers are untouched: what it publishes next is new, also after a restart.
  proxy.restart();
  producer.reconnect();
  CHECK(producer.hello().last_number == 1);
}

TEST_CASE("a replayed event that fails again is a letter of the same event, which counts its replays") {
  World world(1);
  Operator op(world.proxy);
  const Letter first = op.list().letters.at(0);
  for (std::uint64_t replays = 1; replays <= 3; ++replays) {
    REQUIRE(op.replay({{op.list().letters.at(0).offset, 1}}).done == 1);
    if (replays == 2) {
      world.proxy.restart();
      world.consumer.again();
      op.client.reconnect();
      op.client.hello();
    }
    world.consumer.reject(world.consumer.client.deliveries(), "still not");
    const Answer now = op.list();
    REQUIRE(now.letters.size() == 1);
    CHECK(now.letters[0].offset > first.offset);
    CHECK(now.letters[0].reason == "still not");
    CHECK(now.letters[0].topic == first.topic);
    CHECK(now.letters[0].origin == first.origin);
    CHECK(now.letters[0].id == first.id);
    CHECK(now.letters[0].replays == replays);
  }
}

TEST_CASE("a replay among many events that the group does not want is found by the topic index, and by its group") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = 1 << 18;
  setup.tail_cache_bytes = 0;
  World world(3, setup, {"orders.*"});
  Consumer nosy(world.proxy, "o/1", "nosy", {"_spindle.>"});
  CHECK(nosy.ack_all() == 3);  // the letters
  nosy.client.send(wire::Detach{1});
  world.consumer.client.send(wire::Detach{1});
  const auto fill = [&] {
    for (int i = 0; i < 400; ++i) world.producer.publish("noise", Numbers(500, 7));
  };
  fill();
  Operator op(world.proxy);
  REQUIRE(op.replay({{world.first, 3}}).done == 3);
  fill();
  world.proxy.restart();
  world.consumer.again();
  nosy.again();
  CHECK(events_of(world.consumer.client.deliveries()) == Numbers{0, 1, 2});
  CHECK(nosy.client.deliveries().empty());
}

TEST_CASE("a replayed event waits for a member that handles its topic") {
  World world(1);
  Operator op(world.proxy);
  world.consumer.client.send(wire::Detach{1});
  Consumer other(world.proxy, "m/2", "g", {"payments.*"});
  REQUIRE(op.replay({{world.first, 1}}).done == 1);
  CHECK(other.client.deliveries().empty());
  Consumer right(world.proxy, "m/3", "g", {"orders.*"});
  CHECK(events_of(right.client.deliveries()) == Numbers{0});
}

TEST_CASE("what a group does not want any more is not replayed to it, and a replay is dropped with its pattern") {
  World world(2, {}, {"orders.*", "payments.*"});
  Operator op(world.proxy);
  world.consumer.message.patterns = {"payments.*"};
  world.consumer.client.attach(world.consumer.message);
  REQUIRE(op.replay({{world.first, 1}}).done == 1);  // waits for a member that handles it
  const bool restarts = GENERATE(false, true);
  const auto drop = arguments([](wire::Writer& to) { to.map(1).str("drop_pattern").str("orders.*"); });
  op.send("group.alter", drop);
  REQUIRE(op.client.take<wire::AdminReply>());
  if (restarts) {
    world.proxy.restart();
    world.consumer.again();
    op.client.reconnect();
    op.client.hello();
  }
  const Answer refused = op.replay({{world.first + 1, 1}});
  CHECK(refused.done == 0);
  CHECK(refused.left == 1);
  REQUIRE(refused.unreadable.size() == 1);
  CHECK(refused.unreadable[0].second.find("no pattern of the group wants orders.placed any more") == 0);
  world.consumer.message.patterns = {"orders.*", "payments.*"};
  world.consumer.client.attach(world.consumer.message);
  CHECK(world.consumer.client.deliveries().empty());  // the first was dropped with its pattern
  REQUIRE(op.replay({{world.first + 1, 1}}).done == 1);
  CHECK(events_of(world.consumer.client.deliveries()) == Numbers{1});
}

TEST_CASE("letters that a group does not want do not keep those behind them from being replayed") {
  World world(30, {}, {"orders.*", "payments.*"});
  world.producer.publish("payments.made", {77});
  world.consumer.reject(world.consumer.client.deliveries());
  Operator op(world.proxy);
  world.consumer.message.patterns = {"payments.*"};
  world.consumer.client.attach(world.consumer.message);
  op.send("group.alter", arguments([](wire::Writer& to) { to.map(1).str("drop_pattern").str("orders.*"); }));
  REQUIRE(op.client.take<wire::AdminReply>());
  const Answer answer = op.replay({{world.first, 100}});
  CHECK(answer.done == 1);
  CHECK(answer.left == 30);
  CHECK(answer.unreadable.size() == 30);
  CHECK(events_of(world.consumer.client.deliveries()) == Numbers{77});
}

TEST_CASE("a replay asked twice is done once") {
  World world(10);
  Operator op(world.proxy);
  CHECK(op.replay({{world.first, 5}}).done == 5);
  const Answer again = op.replay({{world.first, 8}, {world.first + 1'000, 2}});
  CHECK(again.done == 3);
  CHECK(again.gone == 7);
  CHECK(world.consumer.client.deliveries().size() == 8);
  CHECK(stored_on(world.proxy, "_spindle.replay.g.1.orders.placed") == 8);
}

TEST_CASE("the answer to a replay waits for the disk, and after a power cut each letter is one or replayed") {
  constexpr std::uint64_t letters = 400;
  BrokerDriver::Setup setup;
  setup.segment_bytes = 1 << 20;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    World world(letters, setup);
    Operator op(world.proxy);
    world.proxy.by_hand = true;
    op.send("dead_replay", chosen({{world.first, letters}}));
    for (std::uint64_t step = 0; step < seed % 6; ++step) {
      if (step % 2 == 0) world.proxy.read();
      if (step % 2 == 1) world.proxy.commit(seed % 4 == 0);
    }
    world.proxy.collect();
    const bool said = op.answer().has_value();
    world.proxy.power_cut(seed);
    world.proxy.by_hand = false;
    world.proxy.start();
    INFO("seed " << seed);
    Operator after(world.proxy);
    std::set<std::uint64_t> kept;
    for (const Letter& letter : after.list().letters) kept.insert(letter.origin);
    const std::uint64_t replayed = stored_on(world.proxy, "_spindle.replay.g.1.orders.placed");
    REQUIRE(kept.size() + replayed == letters);
    if (said) REQUIRE(replayed == letters);
    const Answer rest = after.replay({{world.first, letters}});
    REQUIRE(rest.done == kept.size());
    REQUIRE(rest.gone == replayed);
    world.consumer.again();
    const auto all = events_of(world.consumer.client.deliveries());
    REQUIRE(all.size() == letters);
    REQUIRE(std::set<std::uint64_t>(all.begin(), all.end()).size() == letters);
  }
}

TEST_CASE("10,000 letters are replayed once each through a power cut at every batch") {
  constexpr std::uint64_t letters = 10'000;
  BrokerDriver::Setup setup;
  setup.segment_bytes = 1 << 20;
  World world(letters, setup);
  std::uint64_t cuts = 0;
  while (true) {
    Operator op(world.proxy);
    std::uint64_t batches = 0;
    world.proxy.by_hand = true;
    const std::uint64_t at = world.first + cuts % 10 * 1'000;
    op.send("dead_replay", chosen({{at, 1'000}}));
    // The batch is written and the power goes before anybody is told.
    while (batches == 0) {
      const bool read = world.proxy.read();
      if (world.proxy.commit(false)) ++batches;
      if (!read && batches == 0) break;
    }
    REQUIRE_FALSE(op.answer());
    world.proxy.power_cut(++cuts);
    world.proxy.by_hand = false;
    world.proxy.start();
    if (cuts >= 30) break;
  }
  Operator op(world.proxy);
  std::uint64_t done = 0;
  for (std::uint64_t at = 0; at < letters; at += 1'000) done += op.replay({{world.first + at, 1'000}}).done;
  CHECK(done < letters);
  CHECK(op.list().kept == 0);
  world.consumer.again();
  const auto all = events_of(world.consumer.client.deliveries());
  CHECK(all.size() == letters);
  CHECK(std::set<std::uint64_t>(all.begin(), all.end()).size() == letters);
  CHECK(stored_on(world.proxy, "_spindle.replay.g.1.orders.placed") == letters);
}

TEST_CASE("discarding lets the segments of letters be trimmed, and survives a restart") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = 1 << 18;
  setup.config.retention.keep_for = 10s;
  World world(100, setup);
  world.producer.publish("orders.placed", {100});
  for (int i = 0; i < 12; ++i) {
    for (int k = 0; k < 40; ++k) world.producer.publish("orders.placed", Numbers(300, 7));
    world.consumer.ack_all();
    world.pass(1s);
  }
  world.pass(120s);
  const std::uint64_t kept_from = world.proxy.first_offset();
  CHECK(kept_from <= world.first);
  Operator op(world.proxy);
  CHECK(op.discard({{world.first, 60}, {world.first + 60, 40}, {5, 3}}).done == 100);
  CHECK(op.list().letters.empty());
  CHECK(op.list().kept == 0);
  world.proxy.restart();
  world.producer.reconnect();
  world.producer.hello();
  world.consumer.again();
  Operator after(world.proxy);
  CHECK(after.list().kept == 0);
  CHECK(after.discard({{world.first, 100}}).gone == 100);
  world.pass(120s);
  CHECK(world.proxy.first_offset() > world.first);
}

TEST_CASE("that letters are discarded is said when it is durable, and so is what a list shows of it") {
  World world(10);
  Operator op(world.proxy);
  Operator other(world.proxy);
  world.proxy.by_hand = true;
  op.send("dead_discard", chosen({{world.first, 10}}));
  other.send("dead");
  world.proxy.read();
  world.proxy.collect();
  CHECK_FALSE(op.answer());
  CHECK_FALSE(other.answer());
  world.proxy.commit();
  world.proxy.collect();
  CHECK(op.answer());
  CHECK(other.answer()->letters.empty());
}

TEST_CASE("a letter that is damaged is told as such, hides no other, and can be discarded") {
  BrokerDriver::Setup setup;
  setup.tail_cache_bytes = 0;
  setup.accept_loss = GENERATE(false, true);
  World world(5, setup);
  world.proxy.kill();
  std::string path;
  for (const auto& [name, bytes] : world.proxy.disk()) {
    if (bytes.find("_spindle.dead.g") != Bytes::npos) path = "spool/" + name;
  }
  world.proxy.start();  // the letters are in a sealed segment now
  Bytes bytes = world.proxy.files().contents(path).value();
  std::size_t at = 0;
  for (int letter = 0; letter < 3; ++letter) at = bytes.find("_spindle.dead.g", at + 1);
  bytes[at] ^= 1;
  REQUIRE(world.proxy.files().set_contents(path, bytes));
  Operator op(world.proxy);
  Answer listed = op.list();
  REQUIRE(listed.unreadable.size() == 1);
  CHECK(listed.unreadable[0].first == world.first + 2);
  CHECK(listed.unreadable[0].second.find("damaged at position") != std::string::npos);
  CHECK(listed.letters.size() == 4);
  const Answer replayed = op.replay({{world.first, 5}});
  CHECK(replayed.done == 4);
  CHECK(replayed.left == 1);
  CHECK(replayed.unreadable.size() == 1);
  CHECK(op.discard({{world.first + 2, 1}}).done == 1);
  listed = op.list();
  CHECK(listed.kept == 0);
  CHECK(listed.unreadable.empty());
}

TEST_CASE("on a full disk letters are replayed and discarded over the reserve, and then no further") {
  BrokerDriver::Setup setup;
  setup.segment_bytes = 1 << 18;
  setup.config.disk_reserve_bytes = 1 << 20;
  World world(200, setup);
  Operator op(world.proxy);
  const auto leave = [&](std::uint64_t bytes) { world.proxy.broker().on_space(bytes); };
  leave(3 << 18);  // publishes halt
  world.producer.publish("orders.placed", {1});
  CHECK(world.producer.take<wire::Halted>());
  CHECK(op.replay({{world.first, 50}}).done == 50);
  leave(0);
  leave_space(world.proxy, 1 << 18);  // less than turns leave
  const Answer stopped = op.replay({{world.first, 100}});
  CHECK(stopped.done == 0);
  CHECK(stopped.left == 50);
  CHECK(stopped.gone == 50);
  CHECK(stopped.stopped.find("disk is full") != std::string::npos);
  CHECK(op.discard({{world.first + 50, 50}}).done == 50);
  leave(1 << 30);
  CHECK(op.replay({{world.first, 200}}).done == 100);
}

TEST_CASE("requests that read letters are bounded, and one whose session ends is dropped") {
  World world(300);
  Operator op(world.proxy);
  Operator other(world.proxy);
  world.proxy.by_hand = true;
  for (std::size_t i = 0; i < dead_requests_max; ++i) op.send("dead");
  op.send("dead");
  world.proxy.collect();
  CHECK(op.client.error() == "too_many");
  op.client.send(wire::Goodbye{});
  other.send("dead");
  world.proxy.by_hand = false;
  world.proxy.settle();
  const auto answer = other.answer();
  REQUIRE(answer);
  CHECK(answer->letters.size() == 300);
  CHECK_FALSE(op.answer());
}

TEST_CASE("what no verb understands is refused") {
  World world(1);
  Operator op(world.proxy);
  op.send("dead", {}, "nobody");
  CHECK(op.client.error() == "unknown_group");
  op.send("dead", arguments([](wire::Writer& to) { to.map(1).str("colour").uint(1); }));
  CHECK(op.client.error() == "unsupported");
  op.send("dead", arguments([](wire::Writer& to) { to.map(1).str("topic").str("a..b"); }));
  CHECK(op.client.error() == "malformed");
  op.send("dead_replay");
  CHECK(op.client.error() == "invalid_argument");
  op.send("dead_discard", chosen({{0, letters_per_request_max + 1}}));
  CHECK(op.client.error() == "too_large");
  op.send("dead_replay", chosen({{~std::uint64_t{0}, 2}}));
  CHECK(op.client.error() == "too_large");
  op.send("dead", "\x01");
  CHECK(op.client.error() == "malformed");
  CHECK(op.list().kept == 1);
}

TEST_CASE("an event on the longest topic is replayed to a group with the longest name") {
  BrokerDriver proxy;
  TestClient producer(proxy, "shop/1");
  producer.hello();
  const std::string topic(200, 't');
  const std::string name(64, 'n');
  producer.publish(topic, {1});
  Consumer consumer(proxy, "m/1", name);
  consumer.reject(consumer.client.deliveries());
  Operator op(proxy);
  op.send("dead_replay", chosen({{1, 1}}), name);
  REQUIRE(op.answer()->done == 1);
  const auto again = consumer.client.deliveries();
  REQUIRE(again.size() == 1);
  CHECK(again[0].topic == topic);
}
