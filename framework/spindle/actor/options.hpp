#pragma once

#include <chrono>
#include <string>

namespace spindle {

/// How a service reaches its proxy. A plain struct: fill it in, or let parse_options do it.
struct Options {
  /// The proxy's control port. SPINDLE_PROXY in the environment is parse_options' default.
  std::string proxy = "tcp://127.0.0.1:5555";
  /// The second part of the source's name; "" draws a random one, so that two processes never fence each other.
  std::string instance = {};
  /// trace, debug, info, warn, error or off.
  std::string log_level = "info";
  /// How long stop() waits for what was published and settled to become durable.
  std::chrono::milliseconds drain = std::chrono::seconds(5);
  /// A handler that runs longer is named in the log while it still runs.
  std::chrono::milliseconds slow_turn = std::chrono::seconds(1);
};

/// Reads --proxy, --instance, --log-level and SPINDLE_PROXY; leaves every other flag to the program. A wrong value
/// ends the program with exit code 2 and says why; --spindle-help lists the flags.
Options parse_options(int argc, const char* const* argv);

}  // namespace spindle
