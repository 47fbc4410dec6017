#include "spindle/base/duration.hpp"

#include <array>
#include <charconv>

namespace spindle {
namespace {

struct Unit {
  char letter;
  std::int64_t seconds;
};
constexpr std::array units{Unit{'d', 86'400}, Unit{'h', 3'600}, Unit{'m', 60}, Unit{'s', 1}};
constexpr std::int64_t seconds_max = 36'500 * std::int64_t{86'400};  // a hundred years

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const auto wrong = [&] {
    return fail(ErrorCode::invalid_argument,
                "\"" + std::string(text) + "\" is not a duration: give a number and a unit, as 90s, 15m, 12h or 7d");
  };
  if (text == "0") return Duration::zero();
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr + 1 != end || number < 0) return wrong();
  for (const Unit& unit : units) {
    if (*read.ptr != unit.letter) continue;
    if (number > seconds_max / unit.seconds) return wrong();
    return std::chrono::seconds(number * unit.seconds);
  }
  return wrong();
}

std::string duration_text(Duration duration) {
  const std::int64_t seconds = duration / std::chrono::seconds(1);
  if (seconds == 0) return "0";
  for (const Unit& unit : units) {
    if (seconds % unit.seconds == 0) return std::to_string(seconds / unit.seconds) + unit.letter;
  }
  return std::to_string(seconds) + "s";
}

}  // namespace spindle
