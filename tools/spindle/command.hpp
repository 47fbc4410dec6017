#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace spindle::cli {

// What the process returns; --help says so too.
inline constexpr int exit_ok = 0;
inline constexpr int exit_failure = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_timeout = 3;

/// What a subcommand does once its options are read; returns the exit code.
using Action = std::function<int()>;

// Each adds one subcommand to `app`. When the command line names it, `chosen` becomes what it does. A new one needs a
// file of its own, a line here and a line in main.cpp.
void add_pub(CLI::App& app, Action& chosen);
void add_sub(CLI::App& app, Action& chosen);
void add_groups(CLI::App& app, Action& chosen);
void add_group(CLI::App& app, Action& chosen);
void add_dead(CLI::App& app, Action& chosen);
void add_spool(CLI::App& app, Action& chosen);

}  // namespace spindle::cli
