#pragma once

#include <cstdint>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/segment.hpp"
#include "spindle/spool/topic_index.hpp"

namespace spindle::spool {

/// The topic index of the segment with this header, as records that stand behind its seal; `next` is the segment that
/// follows. The same segment and successor always give the same bytes. Empty when the index gave up.
Bytes encode_sealed_index(const SegmentHeader& segment, const SegmentHeader& next, const TopicIndex& index);

/// What stands behind the seal of a segment.
struct SealedIndex {
  enum class Found : std::uint8_t { whole, absent, damaged };
  Found found = Found::absent;
  /// Empty unless it is whole.
  TopicIndex index;
};

/// Looks behind the seal of a segment whose last commit ends at `end`. Nothing that stands there is believed before
/// it is checked. Errors: the file's.
Result<SealedIndex> read_sealed_index(File& file, const SegmentHeader& header, std::uint64_t end);

/// What the seal takes, so where the index begins.
inline constexpr std::uint64_t seal_bytes = 40;

}  // namespace spindle::spool
