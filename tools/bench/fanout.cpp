// Many groups that all want everything.
#include <algorithm>
#include <string>

#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/members.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/raw_fanout.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

constexpr int group_counts[] = {1, 2, 5, 10, 20, 50, 100};
/// A round with many groups publishes less, so that it takes no longer than one with few.
constexpr std::uint64_t published_min = 100'000;

}  // namespace

void bench_fanout(int rounds, std::uint64_t events) {
  for (const int groups : group_counts) {
    const std::string number = std::to_string(groups);
    const auto published = std::max(published_min, events / static_cast<std::uint64_t>(groups));
    Series ours{"delivered and settled in all, " + number + " groups", "events/s", {}};
    Series raw{"raw libzmq ROUTER to " + number + " DEALERs", "events/s", {}};
    for (int round = 0; round < rounds; ++round) {
      const Proxy proxy(true);
      if (publish_pipelined(proxy.endpoint(), published) == 0) return;
      Members members(proxy.endpoint(), Members::Handles::ticks, 1, groups);
      ours.rounds.push_back(members.settle(published * static_cast<std::uint64_t>(groups)));
      raw.rounds.push_back(raw_fanout(packet_sizes(proxy.spool()), groups));
    }
    print(ours);
    print(raw);
    print_ratio(ours, raw);
  }
}

}  // namespace spindle::bench
