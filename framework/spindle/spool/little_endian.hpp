#pragma once

#include <algorithm>
#include <bit>
#include <cstring>

namespace spindle::spool {

/// Numbers as the format has them, at any alignment.
template <class Number>
void store(char* at, Number value) {
  std::memcpy(at, &value, sizeof value);
  if constexpr (std::endian::native == std::endian::big) std::reverse(at, at + sizeof value);
}

template <class Number>
Number load(const char* at) {
  Number value;
  std::memcpy(&value, at, sizeof value);
  if constexpr (std::endian::native == std::endian::big) {
    auto* bytes = reinterpret_cast<char*>(&value);
    std::reverse(bytes, bytes + sizeof value);
  }
  return value;
}

}  // namespace spindle::spool
