#pragma once

#include <cstdint>
#include <string>

namespace spindle::spool {

/// Something of a log that is missing or cannot be read, and what is lost by it.
struct Damage {
  /// Its file's name, and the place in it; 0 when all of it is concerned.
  std::string segment;
  std::uint64_t position = 0;
  /// The events that cannot be had: [from_offset, to_offset). None when both are the same.
  std::uint64_t from_offset = 0;
  std::uint64_t to_offset = 0;
  /// In words, without the above.
  std::string what;

  /// `to_offset` when nothing tells how far the log went.
  static constexpr std::uint64_t to_unknown = ~std::uint64_t{0};

  /// One line for logs and people: "segment X, position 1234: …: offsets 5 to 7".
  std::string text() const;
};

}  // namespace spindle::spool
