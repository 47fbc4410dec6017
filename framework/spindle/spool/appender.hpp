#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/spool/batch.hpp"
#include "spindle/spool/limits.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/spool/topic_index.hpp"

namespace spindle::spool {

/// What an appender goes on from; recovery gives it.
struct Tail {
  /// The newest segment, and where its last commit ends. In a new log only the spool's id is set, the serial is 0.
  SegmentHeader newest;
  std::uint64_t end = 0;
  /// Of the segments to come.
  std::uint64_t incarnation = 1;
  std::uint64_t next_offset = 0;
  WallNs last_time_ns = 0;
  /// Of the newest segment; without, that segment gets none.
  std::optional<TopicIndex> topics = std::nullopt;
};

/// Turns commits into the bytes of the log. Pure: no I/O, no clock; one thread. What it made is durable when the
/// Writer has written the batch that holds it.
///
/// Use: when fits() says no, roll(); then begin(), append() for each record, finish(); now and then take_batch().
class Appender {
 public:
  /// Appending begins in a new segment: fits() is false until the first roll().
  /// `segment_bytes` is brought within segment_bytes_min and segment_bytes_max.
  explicit Appender(Tail tail, std::uint64_t segment_bytes = segment_bytes_default);

  /// Whether a commit of this many bytes (the sum of record_bytes()) goes into the current segment.
  bool fits(std::uint64_t commit_bytes) const;
  /// The largest commit that fits after a roll(); refuse a larger one (too_large) before deciding anything.
  std::uint64_t commit_bytes_max() const { return segment_bytes_; }

  /// Ends the segment and begins one whose head is `state` (at most state_bytes_max). Not within a commit. Without
  /// `preallocate` its disk space is taken as it is written: for a disk that has no room for a whole segment.
  void roll(BytesView state, WallNs now_ns, bool preallocate = true);

  /// Begins a commit. Times never run backwards in the log: an earlier one counts as that of the record before.
  void begin(WallNs now_ns);
  /// Adds a record to the commit and returns its offset. `count` is at least 1 for events and 0 for other kinds.
  std::uint64_t append(Kind kind, BytesView topic, BytesView body, std::uint32_t count, bool must_understand = false);
  /// Ends the commit: its records now survive together or not at all. A commit without records is nothing.
  void finish();

  /// Has the oldest segments deleted (see RemoveStep). Not within a commit; names that are no segments' are a
  /// mistake.
  void remove(std::vector<std::string> names, std::uint64_t first_offset);

  /// The offset that the next event gets.
  std::uint64_t next_offset() const { return next_offset_; }
  /// Bytes that wait for take_batch().
  std::size_t batch_bytes() const { return batch_bytes_ + bytes_.size(); }
  /// The segment that commits go into; serial 0 or that of the recovered log before the first roll().
  const SegmentHeader& segment() const { return header_; }
  /// When the first event of the current segment was appended; 0: it has none.
  WallNs first_event_ns() const { return first_event_ns_; }
  /// Time of the newest record.
  WallNs last_time_ns() const { return last_time_ns_; }
  /// What ending the current segment writes behind it: the seal and the topic index, at most.
  std::uint64_t sealing_bytes() const;
  /// What is left of the current segment.
  std::uint64_t segment_bytes_left() const;
  /// Everything since the last call; nullptr when that is nothing. Not within a commit. Batches must be written in
  /// the order in which they were taken.
  std::shared_ptr<const Batch> take_batch();

 private:
  std::uint64_t position() const { return step_position_ + bytes_.size(); }
  void complete_pending();
  void close_step();
  Bytes encode_head(BytesView state, SegmentHeader& header);

  std::uint64_t segment_bytes_;
  // the current segment
  SegmentHeader header_;
  std::uint64_t incarnation_;
  std::uint64_t salt_ = 0;
  std::uint64_t segment_limit_ = 0;  // 0: no segment yet
  WallNs first_event_ns_ = 0;
  std::optional<TopicIndex> topics_;  // up to the open step
  // the log
  std::uint64_t next_offset_;
  WallNs last_time_ns_;
  // the batch
  std::vector<Step> steps_;
  std::uint64_t batch_first_offset_;
  std::size_t batch_bytes_ = 0;
  std::size_t reserve_bytes_ = 0;
  // its open step
  std::uint64_t step_position_;
  std::uint64_t step_first_offset_;
  Bytes bytes_;
  std::vector<IndexEntry> index_;
  TopicIndex step_topics_;
  std::uint64_t next_index_position_ = 0;
  // the open commit
  bool in_commit_ = false;
  static constexpr std::size_t none = ~std::size_t{0};
  std::size_t pending_ = none;  // the newest record, which has no checksum yet: it may turn out to be the last
};

}  // namespace spindle::spool
