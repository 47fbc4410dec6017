#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spindle/base/clock.hpp"
#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/damage.hpp"
#include "spindle/spool/segment.hpp"
#include "spindle/spool/topic_index.hpp"

namespace spindle::spool {

/// Where a log ends in its newest segment.
struct LogEnd {
  /// Behind the last whole commit, and the offset that the next event gets.
  std::uint64_t position = 0;
  std::uint64_t next_offset = 0;
  /// Of the last commit, or of the head.
  WallNs time_ns = 0;
  /// Something stands behind it that is no whole commit. As a rule nobody was told of it; damage to the last batches
  /// looks the same.
  bool torn = false;
  /// A seal stands there: there was a next segment.
  bool sealed = false;
  /// What was durable once and cannot be read. The log ends before it.
  std::optional<Damage> damage;
};

/// Reads the records of the newest segment from its head's end on. `topics`, when given, gets the index of those
/// before `position`.
Result<LogEnd> find_log_end(File& file, const SegmentHeader& header, TopicIndex* topics = nullptr);

/// The same while another process may write: bytes that were read before it wrote them, beside later ones, are not
/// taken for damage.
Result<LogEnd> find_log_end_beside_writer(File& file, const SegmentHeader& header);

/// How far the records of a segment go, whatever is damaged between them.
struct Extent {
  /// Where the last valid one ends (a seal: where it begins), and the offset behind it.
  std::uint64_t end = 0;
  std::uint64_t next_offset = 0;
  bool sealed = false;
};

Result<Extent> find_extent(File& file, const SegmentHeader& header, std::uint64_t from);

}  // namespace spindle::spool
