#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace spindle {

/// Where a group begins when it is made; a group that exists goes on where it was.
enum class StartAt : std::uint8_t {
  beginning,  ///< the oldest event that is kept
  now,        ///< events stored from now on
};

/// How a group treats deliveries. What is not set is the proxy's default, or what the group has already; a value that
/// differs from what the group has is an error at start (group_mismatch), not a silent change: see `alter`.
struct GroupOptions {
  /// Attempts before an event goes to the dead letters (`_spindle.dead.<group>`). Default 8.
  std::optional<std::uint64_t> max_attempts = {};
  /// Delay before the second attempt, doubled each time up to backoff_max. Defaults 1 s and 60 s.
  std::optional<std::chrono::milliseconds> backoff_min = {};
  std::optional<std::chrono::milliseconds> backoff_max = {};
  /// How long a member may work on one delivery before it is taken away as a failed attempt. Default 30 s.
  std::optional<std::chrono::milliseconds> ack_deadline = {};
  /// How old, and how much of the log, what the group has not settled may become before it is lost to it (see
  /// Actor::on_lost), once nothing else keeps it from being deleted. Default 0: no bound, it keeps it for ever.
  std::optional<std::chrono::milliseconds> keep_at_most = {};
  std::optional<std::uint64_t> keep_at_most_bytes = {};
  /// The group is deleted when it had no member for so long, counted while a proxy runs. Default 0: never.
  std::optional<std::chrono::milliseconds> expires = {};
  /// Values above that differ from what the group has change it, for all its members, instead of being an error.
  bool alter = false;
  StartAt start = StartAt::beginning;
  /// The most that is delivered to this member and not settled: events that wait here cannot go to another member.
  std::uint64_t credit_events = 4'096;
  std::uint64_t credit_bytes = 4 * 1024 * 1024;
};

}  // namespace spindle
