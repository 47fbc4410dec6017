#include "spindle/transport/keeper_socket.hpp"

#include <utility>

#include "spindle/transport/context.hpp"
#include "spindle/wire/session_messages.hpp"

namespace spindle::transport {

Result<KeeperSocket> KeeperSocket::open(Context& context, const std::string& endpoint) {
  auto socket = Socket::open(context, SocketKind::dealer);
  if (!socket) return fail(socket.error());
  if (auto connected = socket->connect(endpoint); !connected) return fail(connected.error());
  return KeeperSocket(std::move(*socket));
}

Result<bool> KeeperSocket::renew(std::span<const std::uint64_t> sessions) {
  // Whatever the proxy says here the workers hear on their own sockets; it only must not pile up.
  std::vector<SharedBytes> ignored;
  while (socket_.receive(ignored).value_or(false)) {
  }
  wire::Renew renew;
  renew.sessions.assign(sessions.begin(), sessions.end());
  auto sent = socket_.send(wire::Message{wire::encode(0, ++last_number_, renew), {}});
  if (!sent) return fail(sent.error());
  return *sent == Sent::sent;
}

}  // namespace spindle::transport
