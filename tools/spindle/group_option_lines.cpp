#include "tools/spindle/group_option_lines.hpp"

#include <array>
#include <string_view>

#include "tools/spindle/units.hpp"

namespace spindle::cli {
namespace {

struct Known {
  std::string_view name;
  const char* flag;
  std::string (*text)(std::uint64_t);
  /// What the proxy gives a new group; test_group_commands.py compares it.
  std::uint64_t by_default;
};

std::string number(std::uint64_t value) { return std::to_string(value); }
std::string bound_time(std::uint64_t ms) { return ms == 0 ? "no bound" : exact_time(ms); }
std::string bound_size(std::uint64_t bytes) { return bytes == 0 ? "no bound" : exact_size(bytes); }
std::string expiry(std::uint64_t ms) { return ms == 0 ? "never" : exact_time(ms); }

constexpr std::array known{Known{"max_attempts", "max-attempts", number, 8},
                           Known{"backoff_min_ms", "backoff-min", exact_time, 1'000},
                           Known{"backoff_max_ms", "backoff-max", exact_time, 60'000},
                           Known{"backoff_factor", "backoff-factor", number, 2},
                           Known{"ack_deadline_ms", "ack-deadline", exact_time, 30'000},
                           Known{"keep_at_most_ms", "keep-at-most", bound_time, 0},
                           Known{"keep_at_most_bytes", "keep-at-most-bytes", bound_size, 0},
                           Known{"expires_ms", "expires", expiry, 0}};
constexpr std::size_t flag_width = 20;
constexpr std::size_t value_width = 10;

void append_padded(std::string& out, std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  out += text + " ";
}

std::string line_of(const std::string& name, std::uint64_t value) {
  std::string line = "  ";
  for (const Known& one : known) {
    if (one.name != name) continue;
    append_padded(line, one.flag, flag_width);
    if (value == one.by_default) return line + one.text(value);
    append_padded(line, one.text(value), value_width);
    return line + "(default " + one.text(one.by_default) + ")";
  }
  append_padded(line, name, flag_width);
  return line + std::to_string(value);
}

}  // namespace

std::string group_option_lines(const std::vector<std::pair<std::string, std::uint64_t>>& options) {
  std::string lines;
  for (const auto& [name, value] : options) lines += line_of(name, value) + "\n";
  return lines;
}

}  // namespace spindle::cli
