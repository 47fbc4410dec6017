#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

/// Plain ZeroMQ, as a client that knows nothing of Spindle has it.
namespace raw {

using Frames = std::vector<std::string>;
inline constexpr std::chrono::seconds patience{10};

class Socket {
 public:
  Socket(zmq::context_t& context, zmq::socket_type type, const std::string& endpoint) : socket_(context, type) {
    socket_.set(zmq::sockopt::linger, 0);
    if (type == zmq::socket_type::sub) socket_.set(zmq::sockopt::rcvhwm, 0);
    if (type == zmq::socket_type::pub) socket_.set(zmq::sockopt::sndhwm, 0);
    socket_.connect(endpoint);
  }

  void subscribe(const std::string& prefix) { socket_.set(zmq::sockopt::subscribe, prefix); }

  void send(const Frames& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto flags = i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none;
      REQUIRE(socket_.send(zmq::buffer(frames[i]), flags));
    }
  }

  /// The next message, or nothing when none came in time.
  std::optional<Frames> receive(std::chrono::milliseconds timeout = patience) {
    socket_.set(zmq::sockopt::rcvtimeo, static_cast<int>(timeout.count()));
    Frames frames;
    zmq::message_t part;
    do {
      if (!socket_.recv(part)) return std::nullopt;
      frames.push_back(part.to_string());
    } while (part.more());
    return frames;
  }

 private:
  zmq::socket_t socket_;
};

/// Sends echoes through `publisher` until `subscriber` gets one: both ways are up then. `subscriber` must be
/// subscribed to "_spindle.echo.". Leaves no echo behind.
inline void connect_through(Socket& publisher, Socket& subscriber) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int last = 0;
  std::optional<Frames> back;
  do {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    publisher.send({"_spindle.echo.test", std::to_string(++last)});
    back = subscriber.receive(std::chrono::milliseconds(20));
  } while (!back);
  while (back->at(1) != std::to_string(last)) {
    back = subscriber.receive();
    REQUIRE(back);
  }
}

}  // namespace raw
