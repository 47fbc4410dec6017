// Hidden: `test_wire "[bench]"` prints what an event costs. 600 events of 100 bytes make a packet of 64 KiB.
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>

#include "spindle/base/clock.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/values.hpp"

using namespace spindle;
using namespace spindle::wire;

namespace {

constexpr std::uint32_t events_per_packet = 600;
constexpr int rounds = 500;

/// Nanoseconds that `work` takes for each event, the best of a few runs: the machine is shared.
template <class Work>
double ns_per_event(Work work) {
  double best = 1e9;
  for (int run = 0; run < 10; ++run) {
    const Instant begin = monotonic_now();
    for (int i = 0; i < rounds; ++i) work();
    const auto spent = static_cast<double>((monotonic_now() - begin).count());
    best = std::min(best, spent / (rounds * static_cast<double>(events_per_packet)));
  }
  return best;
}

}  // namespace

TEST_CASE("cost of an event in a packet", "[.][bench]") {
  const Bytes data(100, 'x');
  PacketBuilder builder;
  Bytes packet;
  const bool keys = GENERATE(false, true);
  const auto build = [&] {
    for (std::uint32_t i = 0; i < events_per_packet; ++i) {
      builder.add(data, {}, keys ? std::optional<std::uint32_t>(i * 2'654'435'761u) : std::nullopt);
    }
    PacketHeader header;
    header.source = "bench/1/1";
    packet = builder.finish(header);
  };
  Values scratch;
  std::size_t seen = 0;
  const auto parse = [&] { seen += Packet::parse(packet, scratch)->header().count; };
  const auto walk = [&] { seen += Packet::parse(packet, scratch)->events().size(); };

  std::cout << (keys ? "with keys:    " : "without keys: ");
  std::cout << "add " << ns_per_event(build) << " ns, parse " << ns_per_event(parse) << " ns, parse and list "
            << ns_per_event(walk) << " ns an event (" << packet.size() << " bytes)\n";
  REQUIRE(seen > 0);
  REQUIRE(packet.size() < limits::packet_bytes_max);
}
