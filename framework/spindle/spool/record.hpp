#pragma once

#include <cstddef>
#include <cstdint>

#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"

namespace spindle::spool {

/// What a record is for. The spool itself gives a meaning to `events` (they take offsets), `state`, `seal` and
/// `index` only.
enum class Kind : std::uint8_t {
  events = 1,
  outcome = 2,
  settle = 3,
  group = 4,
  source = 5,
  link = 6,
  state = 7,
  seal = 8,
  /// The topic index of a segment, behind its seal.
  index = 9,
};

/// A record as it is read: views into memory that someone else keeps (a Block, a Batch, or the call that gave it).
struct Record {
  Kind kind = Kind::events;
  bool last_of_commit = false;
  /// A reader that does not know `kind` must refuse the spool instead of passing over the record.
  bool must_understand = false;
  /// Events: the first one's offset. Others: the offset that the next event gets.
  std::uint64_t offset = 0;
  /// Events in the record; 0 for every other kind.
  std::uint32_t count = 0;
  /// When the commit was decided; never earlier than that of the record before.
  WallNs time_ns = 0;
  BytesView topic;
  BytesView body;

  std::uint64_t next_offset() const { return offset + count; }
};

inline constexpr std::size_t record_header_bytes = 40;
inline constexpr std::size_t record_alignment = 8;

/// What a record takes in a segment, padding included.
constexpr std::uint64_t record_bytes(std::uint64_t topic_bytes, std::uint64_t body_bytes) {
  return (record_header_bytes + topic_bytes + body_bytes + record_alignment - 1) &
         ~std::uint64_t{record_alignment - 1};
}

/// Where a record stands: a checksum holds for this place only, so that no record is taken for one elsewhere.
struct RecordPlace {
  /// SegmentHeader::salt() of the segment.
  std::uint64_t salt;
  std::uint64_t position;
};

/// Appends the record to `bytes` without its checksum, padded. `synced` is the position before which everything in
/// the segment is durable before this record is written.
void encode_record(const Record& record, std::uint32_t synced, Bytes& bytes);

/// Sets the flag in an encoded record that has no checksum yet.
void mark_last_of_commit(char* record);

/// Completes the encoded record of `size` bytes (padding included).
void set_record_checksum(char* record, std::size_t size, RecordPlace place);

/// What stands at a position.
struct ParsedRecord {
  enum class Found : std::uint8_t {
    record,  ///< whole and valid
    end,     ///< a length of zero: nothing was written here
    part,    ///< `size` bytes are needed to see it whole
    damaged  ///< no record, or not one that was written here
  };
  Found found;
  /// With padding.
  std::uint64_t size = 0;
  std::uint32_t synced = 0;
  Record record;
};

/// Looks at what stands at `place`. `bytes` are those that were read from there, `available` how many there could be
/// at most (to the segment's end): a longer record is damage, so that no length is believed before it is checked.
ParsedRecord parse_record(BytesView bytes, std::uint64_t available, RecordPlace place);

/// The same for bytes that this process wrote itself and still holds: no checks.
ParsedRecord view_record(BytesView bytes);

/// What is known, before any checksum, of the records that stand behind a place in a segment.
struct RecordBounds {
  std::uint64_t synced_min;
  std::uint64_t offset_min;
  std::uint64_t offset_max;
  WallNs time_min_ns;
};

/// The size (padded) that a record would have whose header stands here, or 0 when none that keeps to the bounds can:
/// cheap, for looking for records behind damage.
std::uint64_t size_of_possible_record(BytesView bytes, std::uint64_t available, std::uint64_t position,
                                      const RecordBounds& bounds);

}  // namespace spindle::spool
