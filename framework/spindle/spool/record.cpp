#include "spindle/spool/record.hpp"

#include <array>
#include <cassert>

#include "spindle/base/checksum.hpp"
#include "spindle/spool/limits.hpp"
#include "spindle/spool/little_endian.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::spool {
namespace {

// FORMAT.md, "Record"
constexpr std::size_t at_checksum = 0;
constexpr std::size_t at_length = 8;
constexpr std::size_t at_kind = 12;
constexpr std::size_t at_flags = 13;
constexpr std::size_t at_topic_length = 14;
constexpr std::size_t at_count = 16;
constexpr std::size_t at_synced = 20;
constexpr std::size_t at_offset = 24;
constexpr std::size_t at_time = 32;
static_assert(at_time + sizeof(WallNs) == record_header_bytes);

constexpr std::uint8_t flag_last_of_commit = 1;
constexpr std::uint8_t flag_must_understand = 2;

std::uint64_t seed_of(RecordPlace place) { return place.salt + place.position; }

std::uint64_t padded(std::uint64_t length) { return record_bytes(0, length - record_header_bytes); }

bool could_be_record(BytesView bytes, std::uint64_t available, std::uint64_t position) {
  if (bytes.size() < record_header_bytes) return false;
  const char* header = bytes.data();
  const auto length = load<std::uint32_t>(header + at_length);
  if (length < record_header_bytes || padded(length) > available) return false;
  return load<std::uint16_t>(header + at_topic_length) <= length - record_header_bytes &&
         load<std::uint32_t>(header + at_synced) <= position && load<std::uint8_t>(header + at_kind) != 0;
}

}  // namespace

void encode_record(const Record& record, std::uint32_t synced, Bytes& bytes) {
  assert(record.topic.size() <= record_topic_bytes_max);
  const std::size_t length = record_header_bytes + record.topic.size() + record.body.size();
  std::array<char, record_header_bytes> header{};
  const int flags =
      (record.last_of_commit ? flag_last_of_commit : 0) | (record.must_understand ? flag_must_understand : 0);
  store(&header[at_length], static_cast<std::uint32_t>(length));
  store(&header[at_kind], static_cast<std::uint8_t>(record.kind));
  store(&header[at_flags], static_cast<std::uint8_t>(flags));
  store(&header[at_topic_length], static_cast<std::uint16_t>(record.topic.size()));
  store(&header[at_count], record.count);
  store(&header[at_synced], synced);
  store(&header[at_offset], record.offset);
  store(&header[at_time], record.time_ns);
  bytes.append(header.data(), header.size());
  bytes.append(record.topic);
  bytes.append(record.body);
  bytes.append(padded(length) - length, '\0');
}

void mark_last_of_commit(char* record) {
  store(record + at_flags, static_cast<std::uint8_t>(load<std::uint8_t>(record + at_flags) | flag_last_of_commit));
}

void set_record_checksum(char* record, std::size_t size, RecordPlace place) {
  store(record + at_checksum, checksum(BytesView(record, size).substr(at_length), seed_of(place)));
}

ParsedRecord view_record(BytesView bytes) {
  const char* header = bytes.data();
  const auto length = load<std::uint32_t>(header + at_length);
  const auto flags = load<std::uint8_t>(header + at_flags);
  const auto topic_length = load<std::uint16_t>(header + at_topic_length);
  const BytesView payload = bytes.substr(record_header_bytes, length - record_header_bytes);
  ParsedRecord parsed;
  parsed.found = ParsedRecord::Found::record;
  parsed.size = padded(length);
  parsed.synced = load<std::uint32_t>(header + at_synced);
  parsed.record = {.kind = static_cast<Kind>(load<std::uint8_t>(header + at_kind)),
                   .last_of_commit = (flags & flag_last_of_commit) != 0,
                   .must_understand = (flags & flag_must_understand) != 0,
                   .offset = load<std::uint64_t>(header + at_offset),
                   .count = load<std::uint32_t>(header + at_count),
                   .time_ns = load<WallNs>(header + at_time),
                   .topic = payload.substr(0, topic_length),
                   .body = payload.substr(topic_length)};
  return parsed;
}

std::uint64_t size_of_possible_record(BytesView bytes, std::uint64_t available, std::uint64_t position,
                                      const RecordBounds& bounds) {
  if (!could_be_record(bytes, available, position)) return 0;
  const char* header = bytes.data();
  const auto kind = static_cast<Kind>(load<std::uint8_t>(header + at_kind));
  const auto synced = load<std::uint32_t>(header + at_synced);
  const auto offset = load<std::uint64_t>(header + at_offset);
  const bool possible = (kind == Kind::events) == (load<std::uint32_t>(header + at_count) > 0) &&
                        synced % record_alignment == 0 && synced >= bounds.synced_min &&
                        (synced == 0 || synced >= segment_header_bytes) && offset >= bounds.offset_min &&
                        offset <= bounds.offset_max && load<WallNs>(header + at_time) >= bounds.time_min_ns;
  return possible ? padded(load<std::uint32_t>(header + at_length)) : 0;
}

ParsedRecord parse_record(BytesView bytes, std::uint64_t available, RecordPlace place) {
  using Found = ParsedRecord::Found;
  if (available < record_header_bytes) {  // room for no record: it stays zeros
    if (bytes.size() < available) return {Found::part, available, 0, {}};
    const bool blank = bytes.substr(0, available).find_first_not_of('\0') == BytesView::npos;
    return {blank ? Found::end : Found::damaged, 0, 0, {}};
  }
  if (bytes.size() < record_header_bytes) return {Found::part, record_header_bytes, 0, {}};
  const auto length = load<std::uint32_t>(bytes.data() + at_length);
  if (length == 0) return {Found::end, 0, 0, {}};
  if (!could_be_record(bytes, available, place.position)) return {Found::damaged, 0, 0, {}};
  const auto size = padded(length);
  if (bytes.size() < size) return {Found::part, size, 0, {}};
  const auto stated = load<std::uint64_t>(bytes.data() + at_checksum);
  if (checksum(bytes.substr(at_length, size - at_length), seed_of(place)) != stated) {
    return {Found::damaged, 0, 0, {}};
  }
  return view_record(bytes);
}

}  // namespace spindle::spool
