#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::spool {

/// Reads a part of a segment record by record, checking each: for recovery and for tools that look at a spool.
/// One thread. The file must outlive it.
class SegmentScan {
 public:
  /// Looks at [from, to) of the file of the segment with this header; `to` must not be beyond the file's end.
  SegmentScan(File& file, const SegmentHeader& header, std::uint64_t from, std::uint64_t to);

  /// The next record, valid until the next call; nothing where the records end: at `to`, at zeros, or at something
  /// that is no record (then damaged()). Errors: the file's.
  Result<std::optional<Record>> next();

  /// Where the record that next() gives next begins; when it gave nothing, where the records end.
  std::uint64_t position() const { return position_; }
  bool damaged() const { return damaged_; }

  /// Goes on at the first valid record behind position(); false when there is none.
  Result<bool> skip_damage();
  /// The first valid record behind position(); with `written_after`, the first that was written when everything up
  /// to position() was durable already. Such a record proves that position() held something valid once.
  ///
  /// Data can be made to look like records, so the search checksums no more than a fixed number of bytes for each
  /// that it looks at (limits.hpp). Beyond that it passes over what is large in comparison with what it may still
  /// checksum.
  Result<std::optional<Record>> find_behind(bool written_after);
  /// The last search passed over something that may be a record: that nothing was found proves nothing.
  bool passed_over() const { return passed_over_; }
  /// What all searches so far have checksummed.
  std::uint64_t searched_bytes() const { return searched_bytes_; }

 private:
  Result<BytesView> bytes_at(std::uint64_t position, std::uint64_t size);
  Result<ParsedRecord> parse_at(std::uint64_t position);
  /// The first valid record behind position() and where it stands.
  Result<std::optional<std::pair<Record, std::uint64_t>>> look_behind(bool written_after);
  RecordBounds bounds_at(std::uint64_t position, bool written_after) const;
  bool may_checksum(std::uint64_t size);

  File& file_;
  std::uint64_t salt_;
  std::uint64_t position_;
  std::uint64_t to_;
  bool damaged_ = false;
  // The last valid record that next() gave, or the head: where it ends, its offset behind it, its time.
  std::uint64_t known_end_ = segment_header_bytes;
  std::uint64_t known_offset_;
  WallNs known_time_ns_;
  // For searches.
  std::uint64_t may_checksum_bytes_;
  std::uint64_t searched_bytes_ = 0;
  bool passed_over_ = false;
  Bytes buffer_;
  std::uint64_t buffer_position_ = 0;
};

}  // namespace spindle::spool
