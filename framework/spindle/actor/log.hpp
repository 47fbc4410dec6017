#pragma once

#include <string_view>

/// The framework's log: one event a line, on standard error, for operators. Any thread.
namespace spindle::log {

/// trace, debug, info, warn, error or off; info at first.
void set_level(std::string_view level);

void debug(std::string_view line);
void info(std::string_view line);
void warn(std::string_view line);
void error(std::string_view line);

}  // namespace spindle::log
