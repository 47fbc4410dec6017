#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spindle/event.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle {

/// "81 a1 61 01" as bytes.
inline Bytes from_hex(std::string_view hex) {
  Bytes bytes;
  unsigned value = 0, digits = 0;
  for (char c : hex) {
    if (c == ' ') continue;
    value = value * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    if (++digits % 2 == 0) bytes.push_back(static_cast<char>(value & 0xff));
  }
  return bytes;
}

inline std::string to_hex(BytesView bytes) {
  std::string hex;
  for (char c : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    hex += digits[static_cast<unsigned char>(c) >> 4];
    hex += digits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

template <class E>
Bytes encoded(const E& event) {
  Bytes out;
  auto written = encode(event, out);
  if (!written) throw std::runtime_error(written.error().text);
  return out;
}

template <class E>
Result<E> decoded(BytesView bytes) {
  wire::Values scratch;
  return decode<E>(bytes, scratch);
}

/// The text of the error that decoding brings; "decoded" when it brings none.
template <class E>
std::string error_of(BytesView bytes) {
  auto read = decoded<E>(bytes);
  return read ? "decoded" : read.error().text;
}

}  // namespace spindle
