#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "spindle/wire/values.hpp"

namespace spindle::event {

/// wire::is_utf8, quicker for the text that most events carry: eight ASCII bytes at a time.
inline bool is_text(std::string_view text) {
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  const char* at = text.data();
  const char* const end = at + text.size();
  std::uint64_t seen = 0;
  for (; end - at >= 8; at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    seen |= word;
  }
  for (; at != end; ++at) seen |= static_cast<std::uint64_t>(static_cast<unsigned char>(*at));
  return (seen & high_bits) == 0 || wire::is_utf8(text);
}

}  // namespace spindle::event
