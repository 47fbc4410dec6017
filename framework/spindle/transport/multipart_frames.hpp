#pragma once

#include <array>
#include <zmq.hpp>

#include "spindle/transport/multipart.hpp"

namespace spindle::transport {

struct Multipart::Frames {
  std::array<zmq::message_t, frames_kept_max> kept;
  std::size_t count = 0;
};

}  // namespace spindle::transport
