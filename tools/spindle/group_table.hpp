#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle::cli {

/// What `spindle groups` shows of a group.
struct GroupFigures {
  std::string name;
  std::string patterns;  // with blanks between
  std::uint64_t members = 0;
  std::uint64_t lag = 0;
  std::uint64_t pending = 0;
  std::uint64_t dead = 0;
  std::uint64_t lost = 0;
  std::uint64_t keeps_bytes = 0;
  /// Why it keeps the oldest segment, if it is the one that does.
  std::string keeps_oldest;
  std::string stalled;
};

/// From the proxy's answer (PROTOCOL.md, "Administration"); keys that are not known are skipped.
Result<std::vector<GroupFigures>> read_groups(BytesView body);

/// A line of titles and a line for each group, in columns; a sentence when there are none.
std::string group_table(const std::vector<GroupFigures>& groups);

}  // namespace spindle::cli
