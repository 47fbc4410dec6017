#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spindle/base/clock.hpp"
#include "spindle/wire/group_messages.hpp"
#include "tools/spindle/proxy_options.hpp"

namespace spindle::cli {

class Client;

/// Groups that `spindle sub` makes are deleted when they had no member for so long, unless --expires says otherwise.
inline constexpr std::uint64_t expires_ms_default = 3'600'000;

/// What `spindle sub` was asked to do.
struct SubscribeOptions {
  std::string pattern;
  std::string group;
  wire::Start start;
  /// Asked for, or else only for a group that this makes.
  std::optional<std::uint64_t> expires_ms;
  /// Change the group to what is asked for.
  bool alter = false;
  /// Events after which it is done.
  std::optional<std::uint64_t> count;
  /// When it is given up.
  std::optional<Instant> deadline;
  std::string source;
  bool quiet = false;
  ProxyOptions proxy;
};

// Each prints events until it is done, given up or interrupted, and returns the exit code.

/// What passes the proxy from now on.
int subscribe_live(const SubscribeOptions& options, Client& client);
/// What is stored, as a member of a group; an event is acknowledged when its line has been written.
int subscribe_group(const SubscribeOptions& options, Client& client);

/// The exit code when the deadline has passed: without a count, time was all that was asked for.
int exit_at_deadline(const SubscribeOptions& options);

}  // namespace spindle::cli
