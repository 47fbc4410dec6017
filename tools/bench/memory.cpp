// What the proxy has in memory when a long backlog waits for many groups.
#include <cstdio>

#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/idle_groups.hpp"
#include "tools/bench/producer.hpp"

namespace spindle::bench {
namespace {

void print_memory(const char* members, const Proxy& proxy, double events_per_second) {
  const Memory memory = proxy.memory();
  std::printf("resident memory of the proxy, %-34s %6.1f MiB, at most %6.1f MiB; published with %.0f events/s\n",
              members, memory.resident_mib, memory.peak_mib, events_per_second);
  std::fflush(stdout);
}

void nobody_there(std::uint64_t events) {
  const Proxy proxy(true);
  Child joining = Child::fork([&] { return join_and_leave<Stuck>(options_for(proxy.endpoint())) ? 0 : 1; });
  if (joining.wait() != 0) return;
  print_memory("groups without members, no event", proxy, 0);
  print_memory("groups without members", proxy, publish_pipelined(proxy.endpoint(), events));
}

template <class A>
void somebody_there(const char* members, std::uint64_t events) {
  const Proxy proxy(true);
  Child idle = Child::fork([&] { return stay<A>(options_for(proxy.endpoint())); });
  if (idle.line() != "joined") return;
  print_memory(members, proxy, publish_pipelined(proxy.endpoint(), events));
}

}  // namespace

void bench_memory(std::uint64_t events) {
  std::printf("%.1f million events, %d groups\n", static_cast<double>(events) * 1e-6, idle_groups);
  nobody_there(events);
  somebody_there<Stuck>("members without room", events);
  somebody_there<Elsewhere>("members that want another topic", events);
}

}  // namespace spindle::bench
