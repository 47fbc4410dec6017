// Durable publishing: pipelined, and one at a time.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <deque>
#include <thread>
#include <vector>
#include <zmq.hpp>

#include "spindle/spindle.hpp"
#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/events.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

Options options_for(const Proxy& proxy) {
  Options options;
  options.proxy = proxy.endpoint();
  options.log_level = "error";
  return options;
}

/// A plain file, preallocated, written and synced in pieces.
class PlainFile {
 public:
  PlainFile() : path_(scratch_directory() + "/spindle-bench-plain") {
    file_ = ::open(path_.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
    (void)!::posix_fallocate(file_, 0, 256 << 20);
    ::fsync(file_);
  }
  ~PlainFile() {
    ::close(file_);
    ::unlink(path_.c_str());
  }
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;

  void write(const std::vector<char>& bytes) {
    if (position_ + static_cast<off_t>(bytes.size()) > 256 << 20) position_ = 0;
    (void)!::pwrite(file_, bytes.data(), bytes.size(), position_);
    position_ += static_cast<off_t>(bytes.size());
    ::fdatasync(file_);
  }

 private:
  std::string path_;
  int file_ = -1;
  off_t position_ = 0;
};

double spindle_durable(std::uint64_t events) {
  const Proxy proxy(true);
  Child producer = Child::fork([&] {
    Service service("producer", options_for(proxy));
    if (!service.start() || !service.wait_until_ready(std::chrono::seconds(10))) return 1;
    const DurableTick tick;
    const auto begin = Clock::now();
    std::optional<Receipt> last;
    for (std::uint64_t i = 0; i < events;) {
      auto receipt = service.publish(tick);
      if (!receipt) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));  // full: a poll; what counts is the last receipt
        continue;
      }
      last = *receipt;
      ++i;
    }
    const bool stored = last->wait(std::chrono::minutes(2)).has_value();
    std::printf("%.0f\n", stored ? static_cast<double>(events) / seconds_since(begin) : 0.0);
    return 0;
  });
  return std::stod("0" + producer.line());
}

/// The same bytes in commits of 1 MiB, about what the proxy makes of a producer that does not wait.
double plain_loop(std::uint64_t events) {
  PlainFile file;
  constexpr std::size_t event_bytes = 105;
  const std::vector<char> commit(1 << 20, 'x');
  const std::uint64_t commits = events * event_bytes / commit.size() + 1;
  const auto begin = Clock::now();
  for (std::uint64_t i = 0; i < commits; ++i) file.write(commit);
  return static_cast<double>(events) / seconds_since(begin);
}

std::vector<double> spindle_sync(std::uint64_t events) {
  const Proxy proxy(true);
  Child producer = Child::fork([&] {
    Service service("producer", options_for(proxy));
    if (!service.start() || !service.wait_until_ready(std::chrono::seconds(10))) return 1;
    const DurableTick tick;
    Series latency;
    for (std::uint64_t i = 0; i < events; ++i) {
      const auto begin = Clock::now();
      auto receipt = service.publish(tick);
      if (!receipt || !receipt->wait(std::chrono::seconds(10))) return 1;
      latency.rounds.push_back(seconds_since(begin) * 1e6);
    }
    std::printf("%.1f\n", latency.median());
    return 0;
  });
  return {std::stod("0" + producer.line())};
}

double fdatasync_us(std::uint64_t times) {
  PlainFile file;
  const std::vector<char> commit(200, 'x');
  Series latency;
  for (std::uint64_t i = 0; i < times; ++i) {
    const auto begin = Clock::now();
    file.write(commit);
    latency.rounds.push_back(seconds_since(begin) * 1e6);
  }
  return latency.median();
}

double round_trip_us(std::uint64_t times) {
  Child server = Child::fork([] {
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::router);
    socket.bind("tcp://127.0.0.1:*");
    std::printf("%s\n", socket.get(zmq::sockopt::last_endpoint).c_str());
    std::fflush(stdout);
    while (true) {
      zmq::message_t identity;
      zmq::message_t body;
      (void)socket.recv(identity, zmq::recv_flags::none);
      (void)socket.recv(body, zmq::recv_flags::none);
      socket.send(identity, zmq::send_flags::sndmore);
      socket.send(body, zmq::send_flags::none);
    }
    return 0;
  });
  const std::string endpoint = server.line();
  Child client = Child::fork([&] {
    zmq::context_t context;
    zmq::socket_t socket(context, zmq::socket_type::dealer);
    socket.connect(endpoint);
    const std::string body(200, 'x');
    Series latency;
    for (std::uint64_t i = 0; i < times; ++i) {
      const auto begin = Clock::now();
      zmq::message_t reply;
      socket.send(zmq::buffer(body), zmq::send_flags::none);
      (void)socket.recv(reply, zmq::recv_flags::none);
      latency.rounds.push_back(seconds_since(begin) * 1e6);
    }
    std::printf("%.1f\n", latency.median());
    return 0;
  });
  return std::stod("0" + client.line());
}

}  // namespace

void bench_durable(int rounds, std::uint64_t events) {
  Series plain{"plain write+fdatasync loop, 1 MiB commits", "events/s", {}};
  Series ours{"Spindle durable publish, pipelined", "events/s", {}};
  for (int round = 0; round < rounds; ++round) {
    plain.rounds.push_back(plain_loop(events));
    ours.rounds.push_back(spindle_durable(events));
  }
  print(plain);
  print(ours);
  print_ratio(ours, plain);
}

void bench_sync(int rounds, std::uint64_t events) {
  Series parts{"one fdatasync + one raw round trip", "us", {}};
  Series ours{"one synchronous durable publish", "us", {}};
  for (int round = 0; round < rounds; ++round) {
    parts.rounds.push_back(fdatasync_us(events) + round_trip_us(events));
    ours.rounds.push_back(spindle_sync(events).front());
  }
  print(parts);
  print(ours);
  print_ratio(ours, parts);
}

}  // namespace spindle::bench
