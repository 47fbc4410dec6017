#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "spindle/base/result.hpp"
#include "spindle/transport/socket.hpp"

namespace spindle::transport {

class Context;

/// Renews the leases of a process's sessions by a socket of its own, so that a worker whose handler blocks stays a
/// member. Call it every third of the lease. One thread, any one.
class KeeperSocket {
 public:
  static Result<KeeperSocket> open(Context& context, const std::string& endpoint);

  /// False when there is no connection at the moment; call again as usual.
  Result<bool> renew(std::span<const std::uint64_t> sessions);

 private:
  explicit KeeperSocket(Socket socket) : socket_(std::move(socket)) {}
  Socket socket_;
  std::uint64_t last_number_ = 0;
};

}  // namespace spindle::transport
