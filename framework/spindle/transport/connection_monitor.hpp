#pragma once

#include <cstdint>
#include <optional>

#include "spindle/base/result.hpp"
#include "spindle/transport/socket.hpp"

namespace spindle::transport {

class Context;

enum class ConnectionChange : std::uint8_t { up, down };

/// Tells when a socket's connection came up (handshake done) and went down. tcp:// and ipc:// only; libzmq has no
/// such events for inproc://. Make it before the socket connects, destroy it before the socket; the same thread.
class ConnectionMonitor {
 public:
  static Result<ConnectionMonitor> attach(Context& context, Socket& socket);
  ConnectionMonitor(ConnectionMonitor&&) noexcept;
  ConnectionMonitor& operator=(ConnectionMonitor&&) noexcept;
  ~ConnectionMonitor();

  /// Readable when something changed.
  const Socket& events() const { return events_; }
  std::optional<ConnectionChange> next();

 private:
  ConnectionMonitor(Socket events, void* monitored);
  void stop();
  Socket events_;
  void* monitored_;
};

}  // namespace spindle::transport
