// Durable publishing by a producer that does not wait.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <numeric>

#include "tools/bench/batch_sizes.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/plain_file.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Published {
  double events_per_second;
  std::vector<std::size_t> batches;
};

Published spindle_durable(std::uint64_t events) {
  const Proxy proxy(true);
  const double rate = publish_pipelined(proxy.endpoint(), events);
  return {rate, batch_sizes(proxy.spool())};
}

/// The same events in the very same writes, each followed by its fdatasync.
double plain_loop(std::uint64_t events, const std::vector<std::size_t>& batches) {
  PlainFile file(std::accumulate(batches.begin(), batches.end(), std::uint64_t{0}));
  const auto begin = Clock::now();
  for (const std::size_t bytes : batches) file.append(bytes);
  return static_cast<double>(events) / std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

void bench_durable(int rounds, std::uint64_t events) {
  Series ours{"Spindle durable publish, pipelined", "events/s", {}};
  Series plain{"plain write+fdatasync loop, same writes", "events/s", {}};
  Series count{"writes that occurred", "writes", {}};
  Series median{"median of their sizes", "bytes", {}};
  for (int round = 0; round < rounds; ++round) {
    const Published published = spindle_durable(events);
    ::sync();  // deleting that spool is not the plain loop's work
    ours.rounds.push_back(published.events_per_second);
    plain.rounds.push_back(plain_loop(events, published.batches));
    ::sync();
    count.rounds.push_back(static_cast<double>(published.batches.size()));
    Series sizes{"", "", {published.batches.begin(), published.batches.end()}};
    median.rounds.push_back(sizes.median());
  }
  print(ours);
  print(plain);
  print_ratio(ours, plain);
  print(count);
  print(median);
}

}  // namespace spindle::bench
