#pragma once

#include <zmq.hpp>

#include "spindle/transport/socket.hpp"

namespace spindle::transport {

/// Sets every option of a new socket on purpose; libzmq's defaults are wrong for most of what we do.
void set_options(zmq::socket_t& socket, SocketKind kind);

zmq::socket_type type_of(SocketKind kind);

}  // namespace spindle::transport
