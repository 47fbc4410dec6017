#pragma once

#include <string>

#include "spindle/base/clock.hpp"

namespace CLI {
class App;
}

namespace spindle::cli {

/// Which proxy to talk to, and how long to try at the start.
struct ProxyOptions {
  std::string endpoint = "tcp://127.0.0.1:5555";
  double connect_timeout_s = 5;
};

/// --proxy (or SPINDLE_PROXY) and --connect-timeout, for every subcommand that talks to a proxy.
void add_proxy_options(CLI::App& command, ProxyOptions& options);

/// --source, checked.
void add_source_option(CLI::App& command, std::string& source);

/// `PROGRAM/RANDOM/0`, a source of this run alone.
std::string random_source(const std::string& program);

Duration seconds(double count);

}  // namespace spindle::cli
