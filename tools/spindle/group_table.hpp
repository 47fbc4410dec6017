#pragma once

#include <string>
#include <vector>

#include "tools/spindle/group_figures.hpp"

namespace spindle::cli {

/// A line of titles and a line for each group, in columns, and what is to be said of some of them below; a sentence
/// when there are none. Patterns are cut so that lines stay within 100 columns where names allow it.
std::string group_table(const std::vector<GroupFigures>& groups);

/// All that is known of one group, for people.
std::string group_details(const GroupFigures& group);

}  // namespace spindle::cli
