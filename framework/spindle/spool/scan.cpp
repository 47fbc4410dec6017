#include "spindle/spool/scan.hpp"

#include <algorithm>

#include "spindle/spool/limits.hpp"

namespace spindle::spool {

using Found = ParsedRecord::Found;

SegmentScan::SegmentScan(File& file, const SegmentHeader& header, std::uint64_t from, std::uint64_t to)
    : file_(file),
      salt_(header.salt()),
      position_(from),
      to_(std::max(from, to)),
      known_offset_(header.first_offset),
      known_time_ns_(header.created_ns),
      may_checksum_bytes_(search_checksummed_bytes_per_byte * (to_ - from)) {}

Result<std::optional<Record>> SegmentScan::next() {
  auto parsed = parse_at(position_);
  if (!parsed) return fail(std::move(parsed.error()));
  damaged_ = parsed->found == Found::damaged;
  if (parsed->found != Found::record) return std::nullopt;
  position_ += parsed->size;
  known_end_ = position_;
  known_offset_ = parsed->record.next_offset();
  known_time_ns_ = parsed->record.time_ns;
  return parsed->record;
}

Result<std::optional<Record>> SegmentScan::find_behind(bool written_after) {
  auto found = look_behind(written_after);
  if (!found) return fail(std::move(found.error()));
  if (!*found) return std::nullopt;
  return (*found)->first;
}

Result<bool> SegmentScan::skip_damage() {
  auto found = look_behind(false);
  if (!found) return fail(std::move(found.error()));
  if (*found) position_ = (*found)->second;
  return found->has_value();
}

Result<std::optional<std::pair<Record, std::uint64_t>>> SegmentScan::look_behind(bool written_after) {
  passed_over_ = false;
  for (std::uint64_t at = position_ + record_alignment; at + record_header_bytes <= to_; at += record_alignment) {
    may_checksum_bytes_ += search_checksummed_bytes_per_byte * record_alignment;
    auto header = bytes_at(at, record_header_bytes);
    if (!header) return fail(std::move(header.error()));
    const std::uint64_t size = size_of_possible_record(*header, to_ - at, at, bounds_at(at, written_after));
    if (size == 0 || !may_checksum(size)) continue;
    auto parsed = parse_at(at);
    if (!parsed) return fail(std::move(parsed.error()));
    if (parsed->found == Found::record) return std::pair{parsed->record, at};
  }
  return std::nullopt;
}

/// Offsets run on by an event at most for each byte that is not known.
RecordBounds SegmentScan::bounds_at(std::uint64_t position, bool written_after) const {
  return {written_after ? position_ + 1 : 0, known_offset_, known_offset_ + (position - known_end_), known_time_ns_};
}

/// Part of what is left is kept for smaller ones, so that large ones that are none do not hide all that follows.
bool SegmentScan::may_checksum(std::uint64_t size) {
  if (size > may_checksum_bytes_ / 4) {
    passed_over_ = true;
    return false;
  }
  may_checksum_bytes_ -= size;
  searched_bytes_ += size;
  return true;
}

Result<ParsedRecord> SegmentScan::parse_at(std::uint64_t position) {
  std::uint64_t size = std::min<std::uint64_t>(record_header_bytes, to_ - position);
  while (true) {
    auto bytes = bytes_at(position, size);
    if (!bytes) return fail(std::move(bytes.error()));
    auto parsed = parse_record(*bytes, to_ - position, {salt_, position});
    if (parsed.found != Found::part) return parsed;
    size = parsed.size;
    if (size > to_ - position) return ParsedRecord{Found::damaged, 0, 0, {}};
  }
}

/// At least `size` bytes from `position`, read in large pieces, so that many records that overlap (a search finds
/// such) are not each read for itself.
Result<BytesView> SegmentScan::bytes_at(std::uint64_t position, std::uint64_t size) {
  const bool held = position >= buffer_position_ && position + size <= buffer_position_ + buffer_.size();
  if (!held) {
    buffer_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(to_ - position, size + scan_bytes)));
    buffer_position_ = position;
    auto got = file_.read(position, buffer_.data(), buffer_.size());
    if (!got) {
      buffer_.clear();
      return fail(std::move(got.error()));
    }
    buffer_.resize(*got);
    if (*got < size) return fail(ErrorCode::corrupt, "a segment became shorter while it was read");
  }
  return BytesView(buffer_).substr(static_cast<std::size_t>(position - buffer_position_));
}

}  // namespace spindle::spool
