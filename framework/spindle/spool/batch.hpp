#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/spool/segment.hpp"
#include "spindle/spool/topic_index.hpp"

namespace spindle::spool {

/// The record at `position` of a segment has this offset.
struct IndexEntry {
  std::uint64_t offset;
  std::uint64_t position;
};

/// Whole commits, to be written to the segment with this serial at this position.
struct AppendStep {
  std::uint64_t serial;
  std::uint64_t position;
  /// Offset of the first event in `bytes`, and one beyond the last.
  std::uint64_t first_offset;
  std::uint64_t next_offset;
  Bytes bytes;
  /// An entry every index_spacing_bytes.
  std::vector<IndexEntry> index;
  /// Where the events of each topic stand.
  TopicIndex topics;
};

/// A new segment to be made; the one before it, if there is one, gets `seal` at header.previous_end, and behind that
/// `topic_index`, unless there is none.
struct NewSegmentStep {
  SegmentHeader header;
  /// The header and the state's records.
  Bytes head;
  /// The name of the one before it.
  std::string sealed;
  Bytes seal;
  Bytes topic_index;
  /// Whether its whole size is reserved on the disk, or the file only made that long.
  bool preallocate = true;
};

/// The oldest segments are no longer needed: their files are deleted, oldest first, once all that stands before this
/// in the batch is durable. Put it into a batch only after that which makes them superfluous is durable itself.
struct RemoveStep {
  /// File names without the directory, oldest first; never one of the two newest segments.
  std::vector<std::string> names;
  /// The oldest offset that is kept.
  std::uint64_t first_offset = 0;
};

using Step = std::variant<AppendStep, NewSegmentStep, RemoveStep>;

/// What the appender decided since the last batch; becomes durable as a whole, by one Writer::write. Immutable, so
/// writer and readers share it.
struct Batch {
  std::vector<Step> steps;
  /// The log's next offset before the batch and once it is durable.
  std::uint64_t first_offset = 0;
  std::uint64_t next_offset = 0;
  std::size_t bytes = 0;
};

}  // namespace spindle::spool
