#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace spindle::cli {

/// The options of a group (PROTOCOL.md), a line each: as `spindle group alter` calls them, with units, and those that
/// are not what a new group has by itself with that beside them. Options that are not known are shown as they are.
std::string group_option_lines(const std::vector<std::pair<std::string, std::uint64_t>>& options);

}  // namespace spindle::cli
