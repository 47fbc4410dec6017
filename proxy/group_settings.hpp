#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/wire/group_messages.hpp"

namespace spindle::proxy {

/// How a group treats its deliveries; set when it is made, and altered only on request.
struct GroupSettings {
  std::uint64_t max_attempts = 8;
  std::uint64_t backoff_min_ms = 1'000;
  std::uint64_t backoff_max_ms = 60'000;
  std::uint64_t backoff_factor = 2;
  std::uint64_t ack_deadline_ms = 30'000;
  /// How old, and how much of the log, what the group keeps from being deleted may become; 0: no bound.
  std::uint64_t keep_at_most_ms = 0;
  std::uint64_t keep_at_most_bytes = 0;
  /// A group without a member for so long is deleted; 0: never.
  std::uint64_t expires_ms = 0;

  /// The defaults with what a member asked for.
  static Result<GroupSettings> with(const wire::GroupOptions& options);
  /// These with what somebody asks to be changed, checked as if they were new.
  Result<GroupSettings> altered(const wire::GroupOptions& options) const;
  /// What `options` asks for that is not so here, all of it: "max_attempts is 8, not 3; …"; nothing when all agrees.
  std::optional<std::string> difference(const wire::GroupOptions& options) const;
  /// What becomes of which option when these are replaced: "max_attempts: 8 -> 3".
  std::vector<std::string> changes(const GroupSettings& to) const;
  /// How long after failed attempt number `attempt` the next may begin.
  Duration backoff(std::uint64_t attempt) const;
  Duration ack_deadline() const { return std::chrono::milliseconds(ack_deadline_ms); }

  wire::GroupOptions options() const;
  friend bool operator==(const GroupSettings&, const GroupSettings&) = default;
};

}  // namespace spindle::proxy
