// Groups: a backlog delivered to one member and settled, and turns that publish.
#include <atomic>
#include <chrono>

#include "spindle/spindle.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/events.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Counts what it consumes from the first event on, and publishes as much if asked to.
class Consumer final : public Actor {
 public:
  Consumer(ActorContext& context, std::uint64_t events, bool publishes, std::atomic<bool>& done)
      : Actor(context), events_(events), publishes_(publishes), done_(done) {
    GroupOptions options;
    options.credit_events = 32'768;
    options.credit_bytes = 8 * 1024 * 1024;
    group("bench", options).on(&Consumer::consume);
  }

  Clock::time_point begin() const { return begin_; }

 private:
  void consume(const DurableTick&) {
    if (count_++ == 0) begin_ = Clock::now();
    if (publishes_) (void)publish(tock_);
    if (count_ != events_) return;
    done_.store(true);
    done_.notify_all();
  }

  std::uint64_t events_;
  bool publishes_;
  std::atomic<bool>& done_;
  DurableTock tock_;
  std::uint64_t count_ = 0;
  Clock::time_point begin_;
};

/// Events a second from the first handled to all settled.
double consume(const Proxy& proxy, std::uint64_t events, bool publishes) {
  Child consumer = Child::fork([&] {
    std::atomic<bool> done{false};
    Service service("consumer", options_for(proxy.endpoint()));
    const Consumer& actor = service.add<Consumer>(events, publishes, done);
    if (!service.start()) return 1;
    done.wait(false);
    service.stop();
    const int code = service.wait();  // returns when everything is settled
    std::printf("%.0f\n",
                static_cast<double>(events) / std::chrono::duration<double>(Clock::now() - actor.begin()).count());
    return code;
  });
  return std::stod("0" + consumer.line());
}

void bench_consumer(int rounds, std::uint64_t events, bool publishes, Series series) {
  double rss = 0;
  for (int round = 0; round < rounds; ++round) {
    const Proxy proxy(true);
    if (publish_pipelined(proxy.endpoint(), events) == 0) return;
    series.rounds.push_back(consume(proxy, events, publishes));
    rss = proxy.memory().resident_mib;
  }
  print(series);
  std::printf("  resident memory of the proxy afterwards: %.0f MiB\n", rss);
}

}  // namespace

void bench_deliver(int rounds, std::uint64_t events) {
  bench_consumer(rounds, events, false, {"deliver and settle, one member, backlog", "events/s", {}});
}

void bench_turns(int rounds, std::uint64_t events) {
  bench_consumer(rounds, events, true, {"turns: consume one, publish one", "turns/s", {}});
}

}  // namespace spindle::bench
