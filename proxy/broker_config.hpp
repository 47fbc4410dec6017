#pragma once

#include <cstdint>
#include <string>

#include "proxy/retention.hpp"
#include "spindle/base/clock.hpp"

namespace spindle::proxy {

/// What the broker must know from outside. Plain values with defaults; the options of `spindle-proxy` fill it.
struct BrokerConfig {
  /// Host that clients shall use for the live ports; "" for the one they dialled.
  std::string advertise_host;
  std::uint64_t publish_port = 0;
  std::uint64_t subscribe_port = 0;
  /// Session numbers are drawn from it, so that they cannot be guessed (from the system's entropy in production).
  std::uint64_t seed = 0;
  Duration lease = std::chrono::seconds(10);
  Duration heartbeat = std::chrono::seconds(1);
  /// A source without a session is forgotten when it was idle for longer.
  Duration forget_sources_after = std::chrono::hours(24 * 30);
  std::uint64_t publish_window_bytes = 8 * 1024 * 1024;
  RetentionRules retention;
  /// Below this much space, publishes are halted with spool_full, turns that publish below half of it, and everything
  /// that is written below an eighth.
  std::uint64_t disk_reserve_bytes = 256ull * 1024 * 1024;
};

}  // namespace spindle::proxy
