#include "spindle/transport/socket_options.hpp"

#include "spindle/wire/limits.hpp"

namespace spindle::transport {
namespace {

namespace option = zmq::sockopt;

// Queues, in messages for each connection; 0 is without a bound of libzmq's own.
constexpr int unbounded = 0;
constexpr int control_queue = 10'000;  // more than credit and windows let happen
constexpr int live_queue = 2'000;      // of packets up to 64 KiB
constexpr int publisher_queue = 1'000;

// Not 0: a socket closed in the middle of a message, as when it is replaced because its peer is gone, can abort the
// process (libzmq #3442; seen in 6 of 65 closings with 0, in none of 1,079 with this). Messages of an old session
// that still arrive are refused there.
constexpr int linger_ms = 500;
constexpr int backlog = 1'024;
constexpr int handshake_ms = 5'000;
constexpr int connect_timeout_ms = 5'000;
constexpr int reconnect_min_ms = 10;
constexpr int reconnect_max_ms = 1'000;
constexpr int heartbeat_ms = 1'000;
constexpr int heartbeat_timeout_ms = 5'000;
constexpr int heartbeat_ttl_ms = 5'000;      // libzmq rounds it to 100 ms
constexpr int upstream_frame_bytes = 4'096;  // of what subscribers send: a topic, or libzmq's own commands

void set_connection(zmq::socket_t& socket) {
  socket.set(option::linger, linger_ms);
  socket.set(option::backlog, backlog);
  socket.set(option::handshake_ivl, handshake_ms);
  socket.set(option::connect_timeout, connect_timeout_ms);
  socket.set(option::reconnect_ivl, reconnect_min_ms);
  socket.set(option::reconnect_ivl_max, reconnect_max_ms);
  socket.set(option::heartbeat_ivl, heartbeat_ms);
  socket.set(option::heartbeat_timeout, heartbeat_timeout_ms);
  socket.set(option::heartbeat_ttl, heartbeat_ttl_ms);
}

void set_queues(zmq::socket_t& socket, int send, int receive) {
  socket.set(option::sndhwm, send);
  socket.set(option::rcvhwm, receive);
}

/// Of one frame: libzmq has no bound for a message, which Socket::receive has.
void set_frame_max(zmq::socket_t& socket, std::size_t bytes) {
  socket.set(option::maxmsgsize, static_cast<std::int64_t>(bytes));
}

}  // namespace

zmq::socket_type type_of(SocketKind kind) {
  switch (kind) {
    case SocketKind::dealer: return zmq::socket_type::dealer;
    case SocketKind::router: return zmq::socket_type::router;
    case SocketKind::pub: return zmq::socket_type::pub;
    case SocketKind::sub: return zmq::socket_type::sub;
    case SocketKind::xpub: return zmq::socket_type::xpub;
    case SocketKind::xsub: return zmq::socket_type::xsub;
    case SocketKind::pair: return zmq::socket_type::pair;
  }
  return zmq::socket_type::pair;
}

void set_options(zmq::socket_t& socket, SocketKind kind) {
  set_connection(socket);
  switch (kind) {
    case SocketKind::dealer:
      set_queues(socket, unbounded, control_queue);  // the publish window bounds what it sends
      set_frame_max(socket, limits::message_bytes_max);
      socket.set(option::immediate, true);  // queues nothing for a connection that is not up: the session resends
      break;
    case SocketKind::router:
      set_queues(socket, control_queue, control_queue);
      set_frame_max(socket, limits::message_bytes_max);
      socket.set(option::router_mandatory, true);  // else what cannot be routed vanishes
      socket.set(option::router_handover, false);  // nobody takes another's identity
      break;
    case SocketKind::pub:
      set_queues(socket, publisher_queue, publisher_queue);
      // Its one peer is the proxy: when the queue is full send says so instead of dropping.
      socket.set(option::xpub_nodrop, true);
      break;
    case SocketKind::sub:
      set_queues(socket, unbounded, live_queue);  // 1000 would drop subscriptions silently (libzmq #2258, #4064)
      set_frame_max(socket, limits::packet_bytes_max);
      break;
    case SocketKind::xpub:
      set_queues(socket, live_queue, live_queue);
      set_frame_max(socket, upstream_frame_bytes);
      break;
    case SocketKind::xsub:
      set_queues(socket, unbounded, live_queue);
      set_frame_max(socket, limits::packet_bytes_max);
      break;
    case SocketKind::pair:
      set_queues(socket, unbounded, unbounded);  // a full one would block libzmq's I/O thread
      break;
  }
}

}  // namespace spindle::transport
