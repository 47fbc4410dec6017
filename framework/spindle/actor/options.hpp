#pragma once

#include <chrono>
#include <string>
#include <vector>

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
  /// What parse_options left to the program: its own flags and arguments, in order.
  std::vector<std::string> rest = {};
};

/// Reads --proxy, --instance, --log-level and SPINDLE_PROXY; every other flag and argument is left in Options::rest.
/// A wrong value ends the program with exit code 2 and says why. With a `usage` text, --help prints it with these
/// flags and ends the program; without one, --help is the program's own and --spindle-help lists the flags.
Options parse_options(int argc, const char* const* argv, const std::string& usage = {});

}  // namespace spindle
