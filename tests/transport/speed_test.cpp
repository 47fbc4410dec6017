// Figures, not checks: run with `test_transport "[bench]"`.
#include <catch2/catch.hpp>
#include <iostream>

#include "fake_proxy.hpp"

using namespace spindle;
using namespace spindle::transport;
using spindle::transport::testing::event_on;
using spindle::transport::testing::FakeProxy;

namespace {

void print_rate(std::string_view what, std::uint64_t count, Instant since) {
  const double seconds = std::chrono::duration<double>(monotonic_now() - since).count();
  std::cout << what << ": " << static_cast<std::uint64_t>(static_cast<double>(count) / seconds) << "/s\n";
}

/// Takes every message as a proxy would that stores at once.
std::uint64_t store_all(ClientSession& session, FakeProxy& proxy, std::uint64_t stored) {
  std::uint64_t last = stored;
  while (auto message = session.next_message()) {
    wire::Values values;
    wire::Head head(message->head, values);
    if (head.envelope().kind == wire::Kind::publish) {
      last = wire::decode<wire::Publish>(head)->commit;
    } else if (head.envelope().kind == wire::Kind::settle) {
      const auto settle = wire::decode<wire::Settle>(head).value();
      last = settle.first_number - 1;
      for (const wire::Turn& turn : settle.turns) last += turn.run;
    }
  }
  if (last > stored) proxy.stored(stored + 1, last - stored, last - stored, stored + 1);
  return last;
}

}  // namespace

TEST_CASE("speed of a session", "[.][bench]") {
  ClientSession session(SessionOptions{"bench/1/0"});
  FakeProxy proxy(session);
  session.connected(proxy.now);
  proxy.welcome();
  const std::string data(100, '\x01');
  std::uint64_t stored = 0;

  const std::vector<OutgoingEvent> packet(600, event_on("bench.events", data));
  Instant start = monotonic_now();
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(session.publish(packet, 1));
    stored = store_all(session, proxy, stored);
    (void)session.take_events();
  }
  print_rate("events of 100 bytes published in commits of 600", 600u * 10'000u, start);

  const std::uint64_t member = session.attach({});
  std::uint64_t attach_number = 0;
  for (const auto& said : proxy.hear()) attach_number = said.envelope.number;
  wire::Attached attached;
  attached.answers = attach_number;
  attached.member = member;
  proxy.say(attached);
  start = monotonic_now();
  constexpr std::uint64_t rounds = 2'000;
  constexpr std::uint64_t per_round = 500;
  const OutgoingEvent event = event_on("bench.events", data);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    wire::Deliver deliver;
    deliver.member = member;
    deliver.run = 1;
    deliver.entries.push_back({round + 1, round * per_round, per_round, 1});
    proxy.say(deliver, {{SharedBytes::own("t"), SharedBytes::own("p")}});
    wire::Settlement settlement;
    settlement.member = member;
    for (std::uint64_t i = 0; i < per_round; ++i) {
      settlement.first = {1, 0, round + 1, round * per_round + i};
      REQUIRE(session.settle({&settlement, 1}, {&event, 1}, 1));
    }
    stored = store_all(session, proxy, stored);
    (void)session.take_events();
  }
  print_rate("turns of one delivery and one publication", rounds * per_round, start);
}
