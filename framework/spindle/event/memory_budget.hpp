#pragma once

#include <cstddef>

namespace spindle::limits {

/// What the elements of an event's vectors and maps may take in memory. An element may be one byte on the wire and
/// sizeof(T) in memory, so that the size of a message alone does not bound what it costs to decode it.
inline constexpr std::size_t event_memory_bytes_max = 32 * 1024 * 1024;

}  // namespace spindle::limits

namespace spindle::event {

/// Counts against limits::event_memory_bytes_max before the memory is taken.
class MemoryBudget {
 public:
  bool take(std::size_t count, std::size_t bytes_each) {
    const std::size_t bytes = count * bytes_each;  // count is at most limits::msgpack_values_max
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }

 private:
  std::size_t left_ = limits::event_memory_bytes_max;
};

}  // namespace spindle::event
