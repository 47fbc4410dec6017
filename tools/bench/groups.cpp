// Groups: events delivered and settled, and turns that publish.
#include <cstdio>

#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/members.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/raw_fanout.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

using Handles = Members::Handles;

/// All was published before the first member comes.
double from_backlog(const Proxy& proxy, std::uint64_t events, Handles handles, int processes) {
  if (publish_pipelined(proxy.endpoint(), events, handles == Handles::keyed) == 0) return 0;
  Members members(proxy.endpoint(), handles, processes, 1);
  return members.settle(events);
}

double from_backlog(std::uint64_t events, Handles handles, int processes) {
  const Proxy proxy(true);
  return from_backlog(proxy, events, handles, processes);
}

/// The member is there before the first event.
double caught_up(const Proxy& proxy, std::uint64_t events) {
  Members members(proxy.endpoint(), Handles::ticks, 1, 1);
  if (!members.wait_until_joined() || publish_pipelined(proxy.endpoint(), events) == 0) return 0;
  return members.settle(events);
}

}  // namespace

void bench_deliver(int rounds, std::uint64_t events) {
  Series one{"deliver and settle, one member, backlog", "events/s", {}};
  Series two{"the same, two members", "events/s", {}};
  Series raw_packets{"raw libzmq ROUTER-DEALER, packets of the backlog", "events/s", {}};
  Series live{"publish, deliver and settle, one member", "events/s", {}};
  Series raw_live{"raw libzmq ROUTER-DEALER, packets of that", "events/s", {}};
  Series resident{"resident memory of the proxy after the backlog", "MiB", {}};
  for (int round = 0; round < rounds; ++round) {
    {
      const Proxy proxy(true);
      one.rounds.push_back(from_backlog(proxy, events, Handles::ticks, 1));
      resident.rounds.push_back(proxy.memory().resident_mib);
      raw_packets.rounds.push_back(raw_fanout(packet_sizes(proxy.spool()), 1));
    }
    two.rounds.push_back(from_backlog(events, Handles::ticks, 2));
    const Proxy proxy(true);
    live.rounds.push_back(caught_up(proxy, events));
    raw_live.rounds.push_back(raw_fanout(packet_sizes(proxy.spool()), 1));
  }
  print(one);
  print(raw_packets);
  print_ratio(one, raw_packets);
  print(two);
  print_ratio(two, one);
  print(live);
  print(raw_live);
  print_ratio(live, raw_live);
  print(resident);
}

void bench_keys(int rounds, std::uint64_t events) {
  Series plain{"deliver and settle, no keys", "events/s", {}};
  Series keyed{"deliver and settle, 10,000 keys", "events/s", {}};
  Series two{"the same, two members", "events/s", {}};
  for (int round = 0; round < rounds; ++round) {
    plain.rounds.push_back(from_backlog(events, Handles::ticks, 1));
    keyed.rounds.push_back(from_backlog(events, Handles::keyed, 1));
    two.rounds.push_back(from_backlog(events, Handles::keyed, 2));
  }
  print(plain);
  print(keyed);
  print(two);
  print_ratio(keyed, plain);
  print_ratio(two, plain);
}

void bench_turns(int rounds, std::uint64_t events) {
  Series turns{"turns: consume one, publish one", "turns/s", {}};
  for (int round = 0; round < rounds; ++round) {
    turns.rounds.push_back(from_backlog(events, Handles::turns, 1));
  }
  print(turns);
}

}  // namespace spindle::bench
