#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "spindle/spool/batch.hpp"
#include "spindle/spool/limits.hpp"
#include "spindle/spool/topic_index.hpp"

namespace spindle::spool {

/// What a reader knows of the topics in one segment.
struct SegmentTopics {
  /// Of the records before `to`, from the segment's beginning.
  TopicIndex index;
  IndexEntry to;
  /// Whether the index behind the segment's seal was looked for.
  bool looked_on_disk = false;

  /// Nothing is known (any more).
  void reset(IndexEntry begin);
  /// What the filter wants of the records before `to`; valid until the next call.
  const Selection& choose(const TopicFilter& filter);

 private:
  friend class TopicCache;
  struct Choice {
    std::uint64_t of_records = 0;
    Selection selection;
  };
  std::map<std::uint64_t, Choice> choices_;  // by filter
  std::size_t choices_bytes_ = 0;
  std::size_t counted_bytes_ = 0;
  std::uint64_t used_ = 0;
};

/// The topics of the segments that were read last, up to a number of bytes: what is forgotten is found out again.
/// One thread.
class TopicCache {
 public:
  explicit TopicCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// That of the segment with this serial, which may be new: then it knows nothing, and what was used least may have
  /// been forgotten for it. Valid until the next call.
  SegmentTopics& of(std::uint64_t serial, IndexEntry begin);
  void forget(std::uint64_t serial);
  std::size_t memory_bytes() const { return bytes_; }

 private:
  void count(SegmentTopics& topics);

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::uint64_t uses_ = 0;
  std::uint64_t last_ = 0;  // the serial asked for last: it may have grown since
  std::map<std::uint64_t, SegmentTopics> segments_;
};

}  // namespace spindle::spool
