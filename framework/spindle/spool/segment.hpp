#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"

namespace spindle::spool {

inline constexpr std::uint32_t format_version = 1;
inline constexpr std::size_t segment_header_bytes = 128;
inline constexpr std::size_t spool_id_bytes = 16;

/// The first bytes of a segment file. FORMAT.md says each field's place.
struct SegmentHeader {
  /// This is the newest segment of a copy: whoever goes on from it must write under a new incarnation, because the
  /// original may have gone on too.
  bool copy = false;
  /// This stands in for a segment that is gone, and the loss was accepted: there is nothing behind the header. Lost
  /// are the events from first_offset to that of the next segment.
  bool lost = false;
  /// 16 hexadecimal characters, chosen when the spool was made.
  std::string spool_id;
  /// Raised whenever the spool was restored from a backup.
  std::uint64_t incarnation = 1;
  /// Counts segments without gaps, from 1.
  std::uint64_t serial = 0;
  /// The next event after the head gets this offset.
  std::uint64_t first_offset = 0;
  /// Where the state ends and commits begin.
  std::uint64_t head_end = 0;
  /// Where the last whole commit of the segment before (serial - 1) ends; 0 when this is the first.
  std::uint64_t previous_end = 0;
  WallNs created_ns = 0;
  /// What the file's size was when it was made, and stays while it is the newest: a shorter one was cut off by
  /// somebody. 0: not said.
  std::uint64_t file_bytes = 0;

  /// Enters the checksum of every record, so that a record of another segment is not taken for one of this.
  std::uint64_t salt() const;
};

Bytes encode_header(const SegmentHeader& header);
/// `newer_format`, or `corrupt`; the texts name `path`.
Result<SegmentHeader> parse_header(BytesView bytes, const std::string& path);

/// The record that ends the segment with this header because `next` goes on; it stands at next.previous_end. The same
/// two headers always give the same bytes, so a seal that is missing can be written at any time.
Bytes encode_seal(const SegmentHeader& segment, const SegmentHeader& next);

/// A segment's name: "<first offset, 20 digits>-<serial, 10 digits>.log". It is given when the head is whole and
/// synced; before that the file has the suffix ".new" as well.
std::string segment_name(std::uint64_t first_offset, std::uint64_t serial);

struct SegmentName {
  std::uint64_t first_offset;
  std::uint64_t serial;
};
/// Nothing when the name is not one of a segment.
std::optional<SegmentName> parse_segment_name(std::string_view name);
/// A file that was on its way to become a segment when the process died: nothing in it was ever acknowledged.
bool is_unfinished_segment(std::string_view name);
inline constexpr std::string_view unfinished_suffix = ".new";

/// A segment as the list of a log has it.
struct Segment {
  SegmentHeader header;
  /// Where its last whole commit ends.
  std::uint64_t end = 0;
  /// One beyond its last event; first_offset when it has none.
  std::uint64_t next_offset = 0;

  std::string name() const { return segment_name(header.first_offset, header.serial); }
};

}  // namespace spindle::spool
