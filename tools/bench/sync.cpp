// Durable publishing of one event at a time.
#include <chrono>
#include <cstdio>
#include <functional>
#include <zmq.hpp>

#include "tools/bench/bench.hpp"
#include "tools/bench/child.hpp"
#include "tools/bench/events.hpp"
#include "tools/bench/plain_file.hpp"
#include "tools/bench/producer.hpp"
#include "tools/bench/report.hpp"

namespace spindle::bench {
namespace {

using Clock = std::chrono::steady_clock;

// What an event of 100 bytes is in a publish, and in the log.
constexpr std::size_t message_bytes = 200;
// Each of the three is done this often before it is the next one's turn: the disk's mood lasts longer.
constexpr std::uint64_t turn_times = 20;

int echo() {
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
}

/// Does it some times and notes how long each took, in microseconds.
bool measure(Series& series, const std::function<bool()>& once) {
  for (std::uint64_t i = 0; i < turn_times; ++i) {
    const auto begin = Clock::now();
    if (!once()) return false;
    series.rounds.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  return true;
}

/// Prints the medians: fdatasync, round trip, publish.
int measure_by_turns(const std::string& proxy, const std::string& echo_server, std::uint64_t times) {
  Service service("producer", options_for(proxy));
  if (!service.start() || !service.wait_until_ready(std::chrono::seconds(10))) return 1;
  zmq::context_t context;
  zmq::socket_t dealer(context, zmq::socket_type::dealer);
  dealer.connect(echo_server);
  PlainFile file(times * message_bytes + turn_times * message_bytes);
  const std::string body(message_bytes, 'x');
  const DurableTick tick;

  Series fdatasync;
  Series round_trip;
  Series publish;
  for (std::uint64_t done = 0; done < times; done += turn_times) {
    const bool good = measure(fdatasync, [&] { return file.append(message_bytes), true; }) &&
                      measure(round_trip,
                              [&] {
                                zmq::message_t reply;
                                dealer.send(zmq::buffer(body), zmq::send_flags::none);
                                return dealer.recv(reply, zmq::recv_flags::none).has_value();
                              }) &&
                      measure(publish, [&] {
                        auto receipt = service.publish(tick);
                        return receipt && receipt->wait(std::chrono::seconds(10));
                      });
    if (!good) return 1;
  }
  std::printf("%.1f\n%.1f\n%.1f\n", fdatasync.median(), round_trip.median(), publish.median());
  return 0;
}

}  // namespace

void bench_sync(int rounds, std::uint64_t events) {
  Series fdatasync{"one fdatasync", "us", {}};
  Series round_trip{"one raw ROUTER/DEALER round trip", "us", {}};
  Series parts{"both", "us", {}};
  Series ours{"one synchronous durable publish", "us", {}};
  for (int round = 0; round < rounds; ++round) {
    const Proxy proxy(true);
    Child server = Child::fork(echo);
    const std::string echo_server = server.line();
    Child producer = Child::fork([&] { return measure_by_turns(proxy.endpoint(), echo_server, events); });
    fdatasync.rounds.push_back(std::stod("0" + producer.line()));
    round_trip.rounds.push_back(std::stod("0" + producer.line()));
    parts.rounds.push_back(fdatasync.rounds.back() + round_trip.rounds.back());
    ours.rounds.push_back(std::stod("0" + producer.line()));
  }
  print(fdatasync);
  print(round_trip);
  print(parts);
  print(ours);
  print_ratio(ours, parts);
}

}  // namespace spindle::bench
