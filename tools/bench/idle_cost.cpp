// What 1,000 groups that do nothing cost a publisher.
#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/idle_groups.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

/// How fast a publisher is, and what the proxy computes for it: that depends less on the disk and on what else runs.
struct Cost {
  Series rate;
  Series cpu;

  explicit Cost(const std::string& who)
      : rate{"publish, " + who, "events/s", {}}, cpu{"proxy's CPU, " + who, "ns/event", {}} {}

  void measure(const Proxy& proxy, std::uint64_t events) {
    const double before = proxy.cpu_seconds();
    rate.rounds.push_back(publish_pipelined(proxy.endpoint(), events));
    cpu.rounds.push_back((proxy.cpu_seconds() - before) * 1e9 / static_cast<double>(events));
  }
};

/// They want all of it, but nobody is there.
void measure_absent(Cost& cost, std::uint64_t events) {
  const Proxy proxy(true);
  Child joining = Child::fork([&] { return join_and_leave<Stuck>(options_for(proxy.endpoint())) ? 0 : 1; });
  if (joining.wait() == 0) cost.measure(proxy, events);
}

/// Their members are there, but want another topic.
void measure_elsewhere(Cost& cost, std::uint64_t events) {
  const Proxy proxy(true);
  Child idle = Child::fork([&] { return stay<Elsewhere>(options_for(proxy.endpoint())); });
  if (idle.line() == "joined") cost.measure(proxy, events);
}

}  // namespace

void bench_idle(int rounds, std::uint64_t events) {
  Cost without("no groups");
  Cost absent("1,000 groups without members");
  Cost elsewhere("1,000 groups that want other topics");
  for (int round = 0; round < rounds; ++round) {
    without.measure(Proxy(true), events);
    measure_absent(absent, events);
    measure_elsewhere(elsewhere, events);
  }
  for (const Cost* cost : {&without, &absent, &elsewhere}) {
    print(cost->rate);
    print(cost->cpu);
  }
  for (const Cost* cost : {&absent, &elsewhere}) {
    print_ratio(cost->rate, without.rate);
    print_ratio(cost->cpu, without.cpu);
  }
}

}  // namespace spindle::bench
