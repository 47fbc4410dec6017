#include "spindle/transport/connection_monitor.hpp"

#include <atomic>
#include <cstring>
#include <utility>
#include <vector>

#include "spindle/transport/zmq_error.hpp"

namespace spindle::transport {

ConnectionMonitor::ConnectionMonitor(Socket events, void* monitored)
    : events_(std::move(events)), monitored_(monitored) {}

ConnectionMonitor::ConnectionMonitor(ConnectionMonitor&& other) noexcept
    : events_(std::move(other.events_)), monitored_(std::exchange(other.monitored_, nullptr)) {}

ConnectionMonitor& ConnectionMonitor::operator=(ConnectionMonitor&& other) noexcept {
  stop();
  events_ = std::move(other.events_);
  monitored_ = std::exchange(other.monitored_, nullptr);
  return *this;
}

ConnectionMonitor::~ConnectionMonitor() { stop(); }

/// Before the listening end closes: libzmq's I/O thread would block on telling nobody.
void ConnectionMonitor::stop() {
  if (monitored_ != nullptr) zmq_socket_monitor(monitored_, nullptr, 0);
}

Result<ConnectionMonitor> ConnectionMonitor::attach(Context& context, Socket& socket) {
  static std::atomic<std::uint64_t> last{0};  // inproc names are one namespace of the process
  const std::string endpoint = "inproc://spindle-monitor-" + std::to_string(++last);
  void* monitored = static_cast<zmq::socket_t*>(socket.handle())->handle();
  auto events = Socket::open(context, SocketKind::pair);
  if (!events) return fail(events.error());
  if (zmq_socket_monitor(monitored, endpoint.c_str(), ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED) != 0) {
    return fail(from_zmq(zmq::error_t(), "watch a connection"));
  }
  ConnectionMonitor monitor(std::move(*events), monitored);
  if (auto connected = monitor.events_.connect(endpoint); !connected) return fail(connected.error());
  return monitor;
}

std::optional<ConnectionChange> ConnectionMonitor::next() {
  std::vector<SharedBytes> frames;
  while (true) {
    auto received = events_.receive(frames);
    if (!received || !*received) return std::nullopt;
    std::uint16_t event = 0;
    if (frames[0].view.size() < sizeof event) continue;
    std::memcpy(&event, frames[0].view.data(), sizeof event);
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) return ConnectionChange::up;
    if (event == ZMQ_EVENT_DISCONNECTED) return ConnectionChange::down;
  }
}

}  // namespace spindle::transport
