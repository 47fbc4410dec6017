#pragma once

#include <string>
#include <string_view>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"

namespace spindle {

/// A duration as an operator writes it: a whole number and a unit, s, m, h or d ("90s", "15m", "12h", "7d"); "0"
/// needs none. Error: invalid_argument, with an example.
Result<Duration> parse_duration(std::string_view text);
/// The same the other way, in the largest unit that is exact.
std::string duration_text(Duration duration);

}  // namespace spindle
