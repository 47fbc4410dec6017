#include <chrono>
#include <iostream>

#include "test_client.hpp"

// Not run by default: test_broker "[bench]". The broker alone: no sockets, no disk (batches are taken and declared
// durable), one thread.

using namespace spindle;
using namespace spindle::proxy;

namespace {

constexpr std::size_t events_per_packet = 600;
constexpr std::uint64_t group_credit = 50'000;

/// A broker whose batches are durable at once, read from memory, and answers that go nowhere.
class Bench {
 public:
  Bench() : files_(), broker_(BrokerConfig{}) {
    auto log =
        spool::recover(files_, "spool", "0123456789abcdef", [](const spool::Record&) { return Result<void>(); });
    REQUIRE(log);
    reader_ = std::make_unique<spool::Reader>(files_, "spool", log->segments, std::size_t{1} << 30);
    broker_.start(
        Broker::Log{std::make_unique<spool::Appender>(std::move(log->appender)), log->spool_id, 1, 0, false}, now_);
    turn();
  }

  void send(const wire::Message& message) {
    frames_.clear();
    frames_.push_back(SharedBytes::own(message.head));
    for (const wire::TopicPacket& packet : message.packets) {
      frames_.push_back(packet.topic);
      frames_.push_back(packet.packet);
    }
    broker_.on_message("client", frames_, now_);
  }
  template <class M>
  void send(const M& message, std::vector<wire::TopicPacket> packets = {}) {
    send({wire::encode(session, ++number_, message), std::move(packets)});
  }

  /// What was said.
  std::vector<Outgoing> turn() {
    if (auto decided = broker_.take_batch(now_)) {
      reader_->note_durable(decided->batch);
      broker_.on_durable(decided->number, now_);
    }
    broker_.on_tick(now_);
    (void)broker_.next_deadline();
    constexpr int read_rounds_max = 16;
    for (int round = 0; round < read_rounds_max; ++round) {
      const auto requests = broker_.take_reads(now_);
      if (requests.empty()) break;
      for (const ReadRequest& request : requests) {
        auto block = read_for(request, *reader_, broker_.durable_end());
        REQUIRE(block);
        broker_.on_block(request, *block, now_);
      }
    }
    return broker_.take_outgoing();
  }

  void hello() {
    wire::Hello hello;
    hello.source = "bench/1";
    send(hello);
    wire::Values values;
    for (const Outgoing& one : turn()) {
      const auto welcome = wire::decode<wire::Welcome>(wire::Head(one.message.head, values));
      session = welcome->session;
      epoch = welcome->epoch;
    }
  }

  void attach() { attach(1, "g", "in"); }
  void attach(std::uint64_t member, const std::string& group, const std::string& pattern) {
    wire::Attach attach;
    attach.member = member;
    attach.group = group;
    attach.patterns = {pattern};
    attach.credit_events = group_credit;
    attach.credit_bytes = 1u << 30;
    send(attach);
  }

  wire::TopicPacket packet(const std::string& topic, std::size_t events) const {
    wire::PacketBuilder builder;
    const std::string body(100, 'x');
    for (std::size_t i = 0; i < events; ++i) builder.add(body);
    wire::PacketHeader header;
    header.source = "bench/1";
    header.epoch = epoch;
    header.event_class = wire::EventClass::durable;
    return {SharedBytes::own(topic), SharedBytes::own(builder.finish(header))};
  }

  void publish(std::size_t packets, std::size_t packets_per_turn = 16) {
    const auto one = packet("in", events_per_packet);
    for (std::size_t i = 1; i <= packets; ++i) {
      send(wire::Publish{next_commit++}, {one});
      if (i % packets_per_turn == 0) turn();
    }
    turn();
  }

  std::uint64_t session = 0;
  std::uint64_t epoch = 0;
  std::uint64_t next_commit = 1;

 private:
  MemoryFiles files_;
  Now now_{Instant(std::chrono::hours(1)), 1'700'000'000'000'000'000};
  Broker broker_;
  std::unique_ptr<spool::Reader> reader_;
  std::uint64_t number_ = 0;
  std::vector<SharedBytes> frames_;
};

template <class Run>
void report(const char* what, double count, Run run) {
  const auto begin = std::chrono::steady_clock::now();
  run();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::cout << what << ": " << count / took.count() / 1e6 << " M/s\n";
}

}  // namespace

TEST_CASE("publish, packets of 600 events of 100 bytes", "[.][bench]") {
  Bench bench;
  bench.hello();
  bench.publish(1'000);
  constexpr std::size_t packets = 10'000;
  report("events published", packets * events_per_packet, [&] { bench.publish(packets); });
}

TEST_CASE("publish beside 1,000 idle groups, one packet a turn", "[.][bench]") {
  for (const bool idle : {false, true, false, true}) {  // the first one pays for new memory
    Bench bench;
    bench.hello();
    for (std::uint64_t i = 1; idle && i <= 1'000; ++i) bench.attach(i, "idle-" + std::to_string(i), "out");
    bench.publish(1'000, 1);
    constexpr std::size_t packets = 10'000;
    report(idle ? "turns with them" : "turns without", packets, [&] { bench.publish(packets, 1); });
  }
}

TEST_CASE("deliver and acknowledge in runs", "[.][bench]") {
  Bench bench;
  bench.hello();
  constexpr std::size_t packets = 10'000;
  bench.publish(packets);
  bench.attach();
  wire::Values values;
  std::uint64_t settled = 0;
  report("events delivered and acknowledged", packets * events_per_packet, [&] {
    while (settled < packets * events_per_packet) {
      for (const Outgoing& one : bench.turn()) {
        const wire::Head head(one.message.head, values);
        if (head.envelope().kind != wire::Kind::deliver) continue;
        const auto deliver = wire::decode<wire::Deliver>(head);
        for (const auto& entry : deliver->entries) {
          wire::Settle settle;
          settle.first_number = bench.next_commit;
          wire::Turn& turn = settle.turns.emplace_back();
          turn.run = entry.count;
          wire::Settlement& settlement = turn.settlements.emplace_back();
          settlement.member = 1;
          settlement.first = {deliver->run, deliver->generation, entry.handout, entry.offset};
          settlement.count = entry.count;
          bench.send(settle);
          bench.next_commit += entry.count;
          settled += entry.count;
        }
      }
    }
  });
}

TEST_CASE("turns that acknowledge one event and publish one", "[.][bench]") {
  Bench bench;
  bench.hello();
  constexpr std::size_t turns = 600'000;
  constexpr std::size_t turns_per_message = 256;
  bench.publish(turns / events_per_packet);
  bench.attach();
  wire::Values values;
  std::vector<wire::Settlement> held;
  const auto packet = bench.packet("out", turns_per_message);
  std::vector<wire::Message> messages;
  std::uint64_t settled = 0;
  std::uint64_t outcomes = 0;
  std::chrono::duration<double> in_broker{};
  auto timed = [&](auto run) {
    const auto begin = std::chrono::steady_clock::now();
    auto result = run();
    in_broker += std::chrono::steady_clock::now() - begin;
    return result;
  };
  while (outcomes < turns) {
    for (const Outgoing& one : timed([&] { return bench.turn(); })) {
      const wire::Head head(one.message.head, values);
      if (head.envelope().kind == wire::Kind::settled) {
        const auto answer = wire::decode<wire::Settled>(head);
        for (const auto& outcome : answer->outcomes) outcomes += outcome.run;
      }
      if (head.envelope().kind != wire::Kind::deliver) continue;
      const auto deliver = wire::decode<wire::Deliver>(head);
      for (const auto& entry : deliver->entries) {
        for (std::uint64_t i = 0; i < entry.count; ++i) {
          wire::Settlement& settlement = held.emplace_back();
          settlement.member = 1;
          settlement.first = {deliver->run, deliver->generation, entry.handout, entry.offset + i};
        }
      }
    }
    for (std::size_t begin = 0; begin < held.size(); begin += turns_per_message) {
      wire::Settle settle;
      settle.first_number = bench.next_commit;
      for (std::size_t i = begin; i < std::min(held.size(), begin + turns_per_message); ++i) {
        settle.turns.push_back(TestClient::turn({held[i]}, {{0, i - begin, 1}}));
      }
      bench.next_commit += settle.turns.size();
      settled += settle.turns.size();
      wire::Message message{wire::encode(bench.session, 1, settle), {packet}};
      timed([&] { return bench.send(message), 0; });
    }
    held.clear();
  }
  REQUIRE(settled == turns);
  std::cout << "turns: " << turns / in_broker.count() / 1e6 << " M/s\n";
}
