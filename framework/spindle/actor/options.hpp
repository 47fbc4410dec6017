#pragma once

#include <chrono>
#include <cstdint>
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
  /// What parse_options left to a program that has flags and arguments of its own, in order.
  std::vector<std::string> rest = {};
};

/// Whether a program has flags and arguments besides Spindle's.
enum class OwnArguments : std::uint8_t {
  none,  ///< what Spindle does not know is a mistake
  some,  ///< it is left in Options::rest, for the program
};

/// Reads --proxy, --instance, --log-level and SPINDLE_PROXY, for programs that have flags and arguments of their own:
/// all others are left in Options::rest. --help is the program's own; --spindle-help lists these. A wrong value ends
/// the program with exit code 2 and says why.
Options parse_options(int argc, const char* const* argv);
/// The same, and --help prints `usage` with these flags and ends the program. Other flags and arguments end it with
/// exit code 2, unless the program says that it has `own` ones.
Options parse_options(int argc, const char* const* argv, const std::string& usage,
                      OwnArguments own = OwnArguments::none);

}  // namespace spindle
