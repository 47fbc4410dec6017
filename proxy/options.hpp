#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "proxy/retention.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::proxy {

/// How a proxy runs. Plain values with defaults; parse_options() fills and checks it, a test sets what it needs.
struct Options {
  /// The IP address that all ports are bound to.
  std::string listen = "127.0.0.1";
  /// `listen` was given as --insecure-listen: it may be any address, and a warning is given at start.
  bool insecure = false;
  /// The control port; publish is the next one, subscribe the one after that. 0: three free ports.
  std::uint16_t port = 5555;
  /// Host that clients shall use for the live ports; "" for the one they dialled.
  std::string advertise;
  /// Directory of the spool; "" for a proxy of live events only.
  std::string spool;
  /// Live messages on topics that match one of these are stored as well. Needs `spool`.
  std::vector<wire::Pattern> capture;
  /// How long, and how much, is kept that no group needs, and what a full disk means.
  RetentionRules retention;
  std::uint64_t disk_reserve_bytes = 256ull * 1024 * 1024;
  std::uint64_t segment_bytes = 64ull * 1024 * 1024;
  /// Start although something durable is lost. For one start: it is no option of the configuration file.
  bool accept_loss = false;
  Duration lease = std::chrono::seconds(10);
  /// A source without a session is forgotten when it was idle for longer.
  Duration forget_sources_after = std::chrono::hours(24 * 30);
  /// trace, debug, info, warn, error or off.
  std::string log_level = "info";
};

/// The exit codes of `spindle-proxy`.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failure = 1;  // while starting or running
inline constexpr int exit_usage = 2;    // a wrong option or configuration file

/// The program is to print this and exit: help, the version, a checked configuration, or what is wrong.
struct Exit {
  int code = exit_ok;
  /// For standard output if the code is exit_ok, for standard error otherwise.
  std::string text;
};

/// Reads the command line and the configuration file it names, and checks all of it.
std::variant<Options, Exit> parse_options(int argc, const char* const* argv);

/// The options as a configuration file that --config reads.
std::string to_config_file(const Options& options);

}  // namespace spindle::proxy
