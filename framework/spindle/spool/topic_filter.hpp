#pragma once

#include <cstdint>
#include <functional>

#include "spindle/base/bytes.hpp"

namespace spindle::spool {

/// Whose events a read wants. What topics mean is the owner's business.
struct TopicFilter {
  /// Filters with the same id want the same topics, for as long as a Reader lives: it remembers by this what it
  /// chose.
  std::uint64_t id = 0;
  std::function<bool(BytesView topic)> wants;
};

}  // namespace spindle::spool
