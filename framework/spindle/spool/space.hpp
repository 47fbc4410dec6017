#pragma once

#include <cstdint>

namespace spindle::spool {

/// How many bytes may still be appended. `free_bytes` is what the file system has (Files::free_bytes),
/// `preallocated_bytes` what is left of the current segment (Appender::segment_bytes_left) and so taken already,
/// `reserve_bytes` what must stay free. A new segment needs its whole size at once: when that is more than what is
/// free, only the current segment counts.
constexpr std::uint64_t appendable_bytes(std::uint64_t free_bytes, std::uint64_t reserve_bytes,
                                         std::uint64_t preallocated_bytes, std::uint64_t new_segment_bytes) {
  const std::uint64_t spare = free_bytes > reserve_bytes ? free_bytes - reserve_bytes : 0;
  return preallocated_bytes + (spare < new_segment_bytes ? 0 : spare);
}

}  // namespace spindle::spool
