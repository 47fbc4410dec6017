#include "tools/bench/raw_fanout.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <zmq.hpp>

#include "tools/bench/child.hpp"
#include "tools/bench/tally.hpp"

namespace spindle::bench {
namespace {

/// Packets under way to one receiver; a ROUTER then waits.
constexpr int high_water = 128;

int send_all(const std::vector<PacketSize>& packets, int receivers) {
  zmq::context_t context;
  zmq::socket_t router(context, zmq::socket_type::router);
  router.set(zmq::sockopt::router_mandatory, true);
  router.set(zmq::sockopt::sndhwm, high_water);
  router.bind("tcp://127.0.0.1:*");
  std::printf("%s\n", router.get(zmq::sockopt::last_endpoint).c_str());
  std::fflush(stdout);
  std::vector<std::string> peers;
  zmq::message_t frame;
  for (int i = 0; i < receivers; ++i) {
    (void)router.recv(frame);
    peers.push_back(frame.to_string());
    (void)router.recv(frame);
  }
  for (const PacketSize& packet : packets) {
    zmq::message_t body(packet.bytes);
    std::fill_n(body.data<char>(), packet.bytes, 'x');
    for (const std::string& peer : peers) {
      zmq::message_t shared;
      shared.copy(body);
      (void)router.send(zmq::buffer(peer), zmq::send_flags::sndmore);
      (void)router.send(shared, zmq::send_flags::none);
    }
  }
  (void)router.recv(frame);  // all of it was received
  return 0;
}

int receive_all(const std::string& endpoint, const std::vector<PacketSize>& packets, int receivers) {
  zmq::context_t context;
  std::vector<zmq::socket_t> dealers;
  std::vector<zmq::pollitem_t> poll;
  std::vector<std::size_t> received(static_cast<std::size_t>(receivers));
  for (int i = 0; i < receivers; ++i) {
    zmq::socket_t& dealer = dealers.emplace_back(context, zmq::socket_type::dealer);
    dealer.set(zmq::sockopt::rcvhwm, high_water);
    dealer.connect(endpoint);
    dealer.send(zmq::buffer("ready", 5), zmq::send_flags::none);
    poll.push_back({dealer.handle(), 0, ZMQ_POLLIN, 0});
  }
  std::int64_t begin = 0;
  std::uint64_t events = 0;
  std::size_t left = packets.size() * received.size();
  zmq::message_t message;
  while (left > 0) {
    zmq::poll(poll);
    for (std::size_t i = 0; i < dealers.size(); ++i) {
      while (dealers[i].recv(message, zmq::recv_flags::dontwait)) {
        if (begin == 0) begin = Tally::Part::now();
        events += packets[received[i]++].events;
        --left;
      }
    }
  }
  const std::chrono::duration<double> took = Tally::Clock::duration(Tally::Part::now() - begin);
  std::printf("%.0f\n", static_cast<double>(events) / took.count());
  std::fflush(stdout);
  dealers[0].send(zmq::buffer("done", 4), zmq::send_flags::none);
  return 0;
}

}  // namespace

double raw_fanout(const std::vector<PacketSize>& packets, int receivers) {
  Child sender = Child::fork([&] { return send_all(packets, receivers); });
  const std::string endpoint = sender.line();
  Child receiver = Child::fork([&] { return receive_all(endpoint, packets, receivers); });
  return std::stod("0" + receiver.line());
}

}  // namespace spindle::bench
