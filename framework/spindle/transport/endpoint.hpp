#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spindle/base/result.hpp"

namespace spindle::transport {

/// Only tcp://, ipc:// and inproc:// are for us; the error says so. Does not look names up.
Result<void> check_endpoint(std::string_view endpoint);

/// The endpoint of a live port as a client dials it: on `advertised_host`, or if that is empty on the host of the
/// control endpoint `dialled` (127.0.0.1 when that has none, as ipc:// endpoints do).
std::string live_endpoint(std::string_view dialled, std::string_view advertised_host, std::uint64_t port);

}  // namespace spindle::transport
