// Live events: raw libzmq (PUB -> zmq_proxy -> SUB, one frame of 100 bytes) and Spindle by turns. Three processes
// each; the publisher sends as fast as it can, and what counts is what the subscriber gets in a second.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <zmq.hpp>

#include "spindle/spindle.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/events.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// Messages a second: counted from the first on, for `seconds`.
class Rate {
 public:
  explicit Rate(double seconds) : seconds_(seconds) {}
  /// False when the time is up.
  bool add(std::uint64_t messages) {
    if (count_ == 0) begin_ = Clock::now();
    count_ += messages;
    elapsed_ = std::chrono::duration<double>(Clock::now() - begin_).count();
    return elapsed_ < seconds_;
  }
  double per_second() const { return static_cast<double>(count_) / elapsed_; }

 private:
  double seconds_;
  Clock::time_point begin_;
  std::uint64_t count_ = 0;
  double elapsed_ = 0;
};

std::string last_endpoint(zmq::socket_t& socket) { return socket.get(zmq::sockopt::last_endpoint); }

int raw_proxy() {
  zmq::context_t context;
  zmq::socket_t in(context, zmq::socket_type::xsub);
  zmq::socket_t out(context, zmq::socket_type::xpub);
  in.bind("tcp://127.0.0.1:*");
  out.bind("tcp://127.0.0.1:*");
  std::printf("%s\n%s\n", last_endpoint(in).c_str(), last_endpoint(out).c_str());
  std::fflush(stdout);
  zmq::proxy(in, out);
  return 0;
}

int raw_publisher(const std::string& endpoint) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::pub);
  socket.connect(endpoint);
  const std::string event(100, 'x');
  while (true) socket.send(zmq::buffer(event), zmq::send_flags::none);
}

double raw_round(double seconds) {
  Child proxy = Child::fork(raw_proxy);
  const std::string in = proxy.line();
  const std::string out = proxy.line();
  Child subscriber = Child::fork([&] {
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::sub);
    socket.set(zmq::sockopt::subscribe, "");
    socket.connect(out);
    Rate rate(seconds);
    zmq::message_t message;
    for (bool more = true; more;) {
      std::uint64_t batch = 0;
      for (; batch < 256; ++batch) (void)socket.recv(message, zmq::recv_flags::none);
      more = rate.add(batch);
    }
    std::printf("%.0f\n", rate.per_second());
    return 0;
  });
  Child publisher = Child::fork([&] { return raw_publisher(in); });
  return std::stod(subscriber.line());
}

class Counter final : public Actor {
 public:
  Counter(ActorContext& context, double seconds, std::atomic<bool>& done)
      : Actor(context), rate_(seconds), done_(done) {
    on_live(&Counter::count);
  }

 private:
  void count(const LiveTick&) {
    if (++waiting_ < 256 || done_.load(std::memory_order_relaxed)) return;
    if (rate_.add(std::exchange(waiting_, 0))) return;
    std::printf("%.0f\n", rate_.per_second());
    std::fflush(stdout);
    done_.store(true);
    done_.notify_all();
  }
  Rate rate_;
  std::uint64_t waiting_ = 0;
  std::atomic<bool>& done_;
};

double spindle_round(double seconds) {
  const Proxy proxy(false);
  Options options;
  options.proxy = proxy.endpoint();
  options.log_level = "error";
  Child subscriber = Child::fork([&] {
    std::atomic<bool> done{false};
    Service service("counter", options);
    service.add<Counter>(seconds, done);
    if (!service.start() || !service.wait_until_ready(std::chrono::seconds(10))) return 1;
    std::printf("ready\n");
    std::fflush(stdout);
    done.wait(false);
    return 0;
  });
  if (subscriber.line() != "ready") return 0;
  Child publisher = Child::fork([&] {
    Service service("publisher", options);
    if (!service.start() || !service.wait_until_ready(std::chrono::seconds(10))) return 1;
    const LiveTick tick;
    while (true) {
      auto published = service.publish(tick);
      // The queue is full: the oldest event in it is sent soon.
      if (!published) std::this_thread::yield();
    }
  });
  return std::stod("0" + subscriber.line());
}

}  // namespace

void bench_live(int rounds, double seconds) {
  Series raw{"raw libzmq PUB-proxy-SUB, 1 frame", "events/s", {}};
  Series ours{"Spindle live, publish to handler", "events/s", {}};
  for (int round = 0; round < rounds; ++round) {
    raw.rounds.push_back(raw_round(seconds));
    ours.rounds.push_back(spindle_round(seconds));
  }
  print(raw);
  print(ours);
  print_ratio(ours, raw);
}

}  // namespace spindle::bench
