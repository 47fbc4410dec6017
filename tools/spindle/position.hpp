#pragma once

#include <optional>
#include <string>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/group_messages.hpp"

namespace spindle::cli {

/// A place in the log as people write it: beginning, now, an offset, or a time (the first event committed at or after
/// it).
struct Position {
  wire::Start start;
  /// Instead of `start`.
  std::optional<WallNs> time_ns;
};

/// A time is RFC 3339 ("2025-01-31T12:00:00Z", with a fraction and an offset from UTC if need be), or so long before
/// `now_ns` ("2h"). Error: invalid_argument, with examples.
Result<Position> parse_position(std::string_view text, WallNs now_ns);

}  // namespace spindle::cli
