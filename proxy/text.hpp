#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "spindle/wire/values.hpp"

namespace spindle::proxy {

/// Text of foreign origin as it may be logged and sent: at most `bytes_max` bytes, and UTF-8, for a reader refuses
/// anything else.
inline std::string clean_text(std::string_view text, std::size_t bytes_max) {
  std::string clean(text.substr(0, bytes_max));
  while (!clean.empty() && text.size() > clean.size() && (text[clean.size()] & 0xc0) == 0x80) clean.pop_back();
  if (wire::is_utf8(clean)) return clean;
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  return clean;
}

/// The same as one line of the log, whatever stands in it.
inline std::string one_line(std::string_view text, std::size_t bytes_max) {
  std::string line = clean_text(text, bytes_max);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }, ' ');
  return line;
}

}  // namespace spindle::proxy
