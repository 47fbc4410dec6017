#include "tools/spindle/position.hpp"

#include <charconv>
#include <ctime>

#include "spindle/base/duration.hpp"

namespace spindle::cli {
namespace {

/// `digits` digits at the front of `text`, which is moved behind them, and `then` behind those ('\0': nothing).
std::optional<int> number(std::string_view& text, std::size_t digits, char then) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  const auto read = std::from_chars(text.data(), text.data() + digits, value);
  if (read.ec != std::errc() || read.ptr != text.data() + digits || value < 0) return std::nullopt;
  text.remove_prefix(digits);
  if (then == '\0') return value;
  if (text.empty() || (text.front() | 0x20) != (then | 0x20)) return std::nullopt;
  text.remove_prefix(1);
  return value;
}

/// ".25" as nanoseconds; nothing when there is no digit behind the point.
std::optional<WallNs> fraction(std::string_view& text) {
  if (text.empty() || text.front() != '.') return 0;
  text.remove_prefix(1);
  WallNs value = 0;
  WallNs unit = 100'000'000;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    value += (text[digits] - '0') * unit;
    unit /= 10;
  }
  text.remove_prefix(digits);
  if (digits == 0) return std::nullopt;
  return value;
}

/// "Z", "+01:00": seconds to take off.
std::optional<int> zone(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '+' ? 1 : -1;
  text.remove_prefix(1);
  const auto hours = number(text, 2, ':');
  const auto minutes = hours ? number(text, 2, '\0') : std::nullopt;
  if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 3600 + *minutes * 60);
}

std::optional<WallNs> parse_time(std::string_view text) {
  std::tm at{};
  struct Part {
    int std::tm::*field;
    std::size_t digits;
    char then;
    int less;
  };
  const Part parts[] = {{&std::tm::tm_year, 4, '-', 1900}, {&std::tm::tm_mon, 2, '-', 1},
                        {&std::tm::tm_mday, 2, 'T', 0},    {&std::tm::tm_hour, 2, ':', 0},
                        {&std::tm::tm_min, 2, ':', 0},     {&std::tm::tm_sec, 2, '\0', 0}};
  for (const Part& part : parts) {
    const auto value = number(text, part.digits, part.then);
    if (!value) return std::nullopt;
    at.*part.field = *value - part.less;
  }
  const auto rest = fraction(text);
  const auto ahead = rest ? zone(text) : std::nullopt;
  if (!ahead || at.tm_year < 70 || at.tm_year > 300) return std::nullopt;
  const std::tm asked = at;
  const std::time_t seconds = ::timegm(&at);  // takes the 31st of February for one of March
  if (at.tm_mon != asked.tm_mon || at.tm_mday != asked.tm_mday || at.tm_hour != asked.tm_hour ||
      at.tm_min != asked.tm_min) {
    return std::nullopt;
  }
  return (static_cast<WallNs>(seconds) - *ahead) * 1'000'000'000 + *rest;
}

}  // namespace

Result<Position> parse_position(std::string_view text, WallNs now_ns) {
  Position position;
  if (text == "beginning") return position;
  if (text == "now") {
    position.start.at = wire::Start::At::now;
    return position;
  }
  position.start.at = wire::Start::At::offset;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, position.start.offset);
  if (read.ec == std::errc() && read.ptr == end) return position;
  position.time_ns = parse_time(text);
  if (position.time_ns) return position;
  if (const auto ago = parse_duration(text)) {
    position.time_ns = now_ns - ago->count();
    return position;
  }
  return fail(ErrorCode::invalid_argument,
              "\"" + std::string(text) +
                  "\" is not beginning, now, an offset, or a time as 2025-01-31T12:00:00Z or 2h (two hours ago)");
}

}  // namespace spindle::cli
