#pragma once

#include <string>
#include <string_view>
#include <zmq.hpp>

#include "spindle/base/result.hpp"

namespace spindle::transport {

/// What libzmq threw, as an Error of ours. `doing` is a verb and its object: "bind tcp://…".
inline Error from_zmq(const zmq::error_t& error, std::string_view doing) {
  ErrorCode code = ErrorCode::io_error;
  std::string advice;
  switch (error.num()) {
    case ETERM:
    case ENOTSOCK: code = ErrorCode::closed; break;
    case EADDRINUSE:
      code = ErrorCode::unavailable;
      advice = ": another process listens there; stop it or choose another port";
      break;
    case EADDRNOTAVAIL:
    case ENODEV:
      code = ErrorCode::invalid_argument;
      advice = ": give an address of this machine";
      break;
    case EINVAL:
    case EPROTONOSUPPORT: code = ErrorCode::invalid_argument; break;
    case EMFILE: advice = ": raise the limit of open files (ulimit -n)"; break;
    default: break;
  }
  return {code, "cannot " + std::string(doing) + ": " + error.what() + advice};
}

}  // namespace spindle::transport
