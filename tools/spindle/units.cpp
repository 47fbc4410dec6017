#include "tools/spindle/units.hpp"

#include <array>

namespace spindle::cli {

std::string size_text(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  std::uint64_t tenths = bytes > ~std::uint64_t{0} / 10 ? bytes : bytes * 10;
  while (tenths >= 10'240 && unit + 1 < units.size()) {
    tenths /= 1'024;
    ++unit;
  }
  const std::string whole = std::to_string(tenths / 10);
  return (unit == 0 || tenths >= 1'000 ? whole : whole + "." + std::to_string(tenths % 10)) + " " + units[unit];
}

std::string age_text(std::uint64_t ms) {
  if (ms < 1'000) return std::to_string(ms) + " ms";
  if (ms < 120'000) return std::to_string(ms / 1'000) + " s";
  if (ms < 7'200'000) return std::to_string(ms / 60'000) + " m";
  if (ms < 172'800'000) return std::to_string(ms / 3'600'000) + " h";
  return std::to_string(ms / 86'400'000) + " d";
}

std::string exact_size(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  for (; bytes > 0 && bytes % 1'024 == 0 && unit + 1 < units.size(); ++unit) bytes /= 1'024;
  return std::to_string(bytes) + " " + units[unit];
}

std::string exact_time(std::uint64_t ms) {
  struct Unit {
    std::uint64_t ms;
    const char* name;
  };
  constexpr std::array units{Unit{86'400'000, " d"}, Unit{3'600'000, " h"}, Unit{60'000, " min"}, Unit{1'000, " s"}};
  for (const Unit& unit : units) {
    if (ms > 0 && ms % unit.ms == 0) return std::to_string(ms / unit.ms) + unit.name;
  }
  return std::to_string(ms) + " ms";
}

}  // namespace spindle::cli
