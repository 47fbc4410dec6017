// Hidden: test_actor "[bench]" prints what the runtime alone does a second.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>

#include "fake_port.hpp"

using namespace rig;

namespace {

/// 100 bytes as a map.
struct Order {
  static constexpr std::string_view topic = "bench.order";
  static constexpr bool durable = true;
  std::string order_id = "order-0000001234", email = "somebody@example.com", note = "12345678";
  std::int64_t total_cents = 123'456;
  std::int32_t items = 3;
  MSGPACK_DEFINE_MAP(order_id, email, note, total_cents, items)
};

/// Takes everything and remembers nothing.
struct SilentPort final : actor::Port {
  Ticket last = 0;
  std::uint64_t events = 0;
  bool has_room() override { return true; }
  Result<Ticket> settle(std::span<const wire::Settlement>, std::span<const transport::OutgoingEvent> given) override {
    events += given.size();
    return ++last;
  }
  Result<Ticket> acknowledge_each(std::uint64_t, const wire::DeliveryId&, std::uint64_t count) override {
    last += count;
    return last - count + 1;
  }
  Result<Ticket> publish(std::span<const transport::OutgoingEvent> given) override { return settle({}, given); }
  Result<void> publish_live(const transport::OutgoingEvent&) override { return {}; }
  void extend(std::uint64_t, const wire::DeliveryId&) override {}
  void forget(std::uint64_t, const wire::DeliveryId&) override {}
};

struct Bench final : Actor {
  Bench(ActorContext& context, bool publishes) : Actor(context), publishes_(publishes) {
    group("bench").on(&Bench::on_order);
    on_live(&Bench::on_blink);
  }
  void on_order(const Order& order) {
    sum += order.total_cents;
    if (publishes_) publish(Pong{order.items});
  }
  void on_blink(const Blink& blink) { sum += blink.number; }
  std::int64_t sum = 0;

 private:
  bool publishes_;
};

template <class Step>
double best_rate(std::uint64_t events, Step step) {
  double best = 0;
  for (int round = 0; round < 10; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    step();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    best = std::max(best, static_cast<double>(events) / took.count());
  }
  return best;
}

void measure(const char* name, bool publishes) {
  constexpr std::size_t packet_events = 500;
  constexpr std::size_t packets = 400;
  SilentPort port;
  Runtime runtime;
  runtime.set_port(port);
  ActorContext context(runtime);
  auto made = std::make_unique<Bench>(context, publishes);
  Bench& actor = *made;
  runtime.own(std::move(made));
  REQUIRE(runtime.finish_registration());
  runtime.groups()[0].member = 1;
  const Now now = Now::read();
  runtime.start(now);
  const Bytes event = Rig::bytes(Order{});
  const auto packet = SharedBytes::own(Rig::packet(std::vector<Bytes>(packet_events, event)));
  const auto topic = SharedBytes::own(std::string(Order::topic));
  std::uint64_t handout = 0;
  const double rate = best_rate(packets * packet_events, [&] {
    for (std::size_t i = 0; i < packets; ++i) {
      const Ticket before = port.last;
      ++handout;
      runtime.deliver(1, {1, 1, handout, handout * packet_events}, packet_events, 1, {topic, packet});
      while (runtime.step(now)) {
      }
      runtime.flush_acks();
      wire::Outcome outcome;
      outcome.number = before + 1;
      outcome.run = port.last - before;
      runtime.on_outcome(before + 1, outcome, now);
    }
  });
  std::printf("%-40s %zu bytes: %5.2f M events/s\n", name, event.size(), rate / 1e6);
  CHECK(actor.sum != 0);
}

}  // namespace

TEST_CASE("turns a second without a network", "[.][bench]") {
  measure("decode, handle, acknowledge", false);
  measure("the same with one publication a turn", true);

  SilentPort port;
  Runtime runtime;
  runtime.set_port(port);
  ActorContext context(runtime);
  runtime.own(std::make_unique<Bench>(context, false));
  const Bytes event = Rig::bytes(Blink{1});
  const Bytes bytes = Rig::packet({event}, wire::EventClass::live);
  wire::Values values;
  const auto packet = wire::Packet::parse(bytes, values);
  actor::Incoming incoming;
  incoming.topic = Blink::topic;
  incoming.header = &packet->header();
  incoming.data = event;
  constexpr int count = 200'000;
  const double rate = best_rate(count, [&] {
    for (int i = 0; i < count; ++i) runtime.on_live(incoming, Now{});
  });
  std::printf("%-40s %zu bytes: %5.2f M events/s\n", "live: decode, handle", event.size(), rate / 1e6);
}
