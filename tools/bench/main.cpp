// spindle-bench: Spindle beside what it is built on, by turns, in one run.
#include <CLI/CLI.hpp>

#include "tools/bench/bench.hpp"
#include "tools/bench/report.hpp"

int main(int argc, char** argv) {
  namespace bench = spindle::bench;
  CLI::App app(
      "Measures Spindle beside its baselines, by turns. Files go to SPINDLE_BENCH_DIR or the working directory.\n\n"
      "live      PUB to handler, beside raw PUB - zmq_proxy - SUB\n"
      "durable   one producer that does not wait, beside a plain loop of the writes and fdatasyncs that it caused\n"
      "sync      one publish at a time, beside one fdatasync plus one ROUTER/DEALER round trip\n"
      "deliver   events delivered and settled: a backlog by one member and by two, and by one while it is "
      "published,\n"
      "          beside raw libzmq ROUTER - DEALER with the packets that occurred\n"
      "keys      a backlog delivered and settled, of events with keys and without\n"
      "fanout    a backlog delivered to 1 to 100 groups, beside raw libzmq ROUTER - DEALERs with the same packets\n"
      "turns     turns that consume one event and publish one, both durable\n"
      "idle      one producer that does not wait, with 1,000 groups that do nothing and without them\n"
      "recovery  a start on a large spool that is not in memory, up to the first acknowledged publish\n"
      "memory    of a proxy with a backlog and 1,000 idle groups\n"
      "narrow    a group that wants one event in 10,000 of a backlog, beside the same without topic indexes\n\n"
      "On a machine that is busy, `chrt -f 10 spindle-bench durable sync memory` puts the benchmark before the "
      "rest.\n"
      "Never live that way: its publishers do not wait, and nothing else would run.");
  std::vector<std::string> which{"live", "durable", "sync"};
  int rounds = 5;
  double seconds = 2;
  std::uint64_t events = 2'000'000;
  app.add_option("which", which, "Benchmarks to run")
      ->check(CLI::IsMember(
          {"live", "durable", "sync", "deliver", "keys", "fanout", "turns", "idle", "recovery", "memory", "narrow"}))
      ->capture_default_str();
  app.add_option("--rounds", rounds, "Rounds of each")->capture_default_str();
  app.add_option("--seconds", seconds, "Length of a live round")->capture_default_str();
  app.add_option("--events", events,
                 "Events of a round of durable, deliver, keys, turns or idle; of fanout, over all groups")
      ->capture_default_str();
  double gigabytes = 10;
  app.add_option("--gigabytes", gigabytes, "Size of the spool of a recovery round")->capture_default_str();
  std::uint64_t backlog = 10'000'000;
  app.add_option("--backlog", backlog, "Events that wait in the spool for memory and narrow")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  bench::print_machine();
  for (const std::string& name : which) {
    if (name == "live") bench::bench_live(rounds, seconds);
    if (name == "durable") bench::bench_durable(rounds, events);
    if (name == "sync") bench::bench_sync(rounds, 2'000);
    if (name == "deliver") bench::bench_deliver(rounds, events);
    if (name == "keys") bench::bench_keys(rounds, events);
    if (name == "fanout") bench::bench_fanout(rounds, events);
    if (name == "turns") bench::bench_turns(rounds, events);
    if (name == "idle") bench::bench_idle(rounds, events);
    if (name == "recovery") bench::bench_recovery(rounds, static_cast<std::uint64_t>(gigabytes * 1e9));
    if (name == "memory") bench::bench_memory(backlog);
    if (name == "narrow") bench::bench_narrow(rounds, backlog);
  }
}
