#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace spindle {

namespace detail {
inline void append(std::string& to, std::string_view text) { to.append(text); }
inline void append(std::string& to, std::integral auto number) { to.append(std::to_string(number)); }
}  // namespace detail

/// Texts and integers, one after another, as one string: for messages and log lines.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string text;
  (detail::append(text, parts), ...);
  return text;
}

/// "1 event", "2 events".
inline std::string plural(std::uint64_t count, std::string_view noun) {
  return concat(count, " ", noun, count == 1 ? "" : "s");
}

}  // namespace spindle
