#include "spindle/spool/segment.hpp"

#include <array>
#include <cassert>
#include <charconv>
#include <cstdio>

#include "spindle/base/checksum.hpp"
#include "spindle/spool/limits.hpp"
#include "spindle/spool/little_endian.hpp"
#include "spindle/spool/record.hpp"

namespace spindle::spool {
namespace {

// FORMAT.md, "Segment header"
constexpr BytesView magic = "SPINDLE\n";
constexpr std::size_t at_version = 8;
constexpr std::size_t at_flags = 12;
constexpr std::size_t at_spool_id = 16;
constexpr std::size_t at_incarnation = 32;
constexpr std::size_t at_serial = 40;
constexpr std::size_t at_first_offset = 48;
constexpr std::size_t at_head_end = 56;
constexpr std::size_t at_previous_end = 64;
constexpr std::size_t at_created = 72;
constexpr std::size_t at_file_bytes = 80;
constexpr std::size_t at_checksum = 120;

constexpr std::uint32_t flag_copy = 1;
constexpr std::uint32_t flag_lost = 2;

constexpr std::size_t offset_digits = 20;
constexpr std::size_t serial_digits = 10;
constexpr std::string_view name_suffix = ".log";

std::optional<std::uint64_t> parse_digits(std::string_view digits) {
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

}  // namespace

std::uint64_t SegmentHeader::salt() const {
  const Bytes header = encode_header(*this);
  return checksum(BytesView(header).substr(at_spool_id, at_first_offset - at_spool_id), std::uint64_t{0});
}

Bytes encode_header(const SegmentHeader& header) {
  assert(header.spool_id.size() == spool_id_bytes);
  Bytes bytes(segment_header_bytes, '\0');
  bytes.replace(0, magic.size(), magic);
  store(&bytes[at_version], format_version);
  store(&bytes[at_flags], (header.copy ? flag_copy : 0) | (header.lost ? flag_lost : 0));
  bytes.replace(at_spool_id, spool_id_bytes, header.spool_id);
  store(&bytes[at_incarnation], header.incarnation);
  store(&bytes[at_serial], header.serial);
  store(&bytes[at_first_offset], header.first_offset);
  store(&bytes[at_head_end], header.head_end);
  store(&bytes[at_previous_end], header.previous_end);
  store(&bytes[at_created], header.created_ns);
  store(&bytes[at_file_bytes], header.file_bytes);
  store(&bytes[at_checksum], checksum(BytesView(bytes).substr(0, at_checksum), std::uint64_t{0}));
  return bytes;
}

Result<SegmentHeader> parse_header(BytesView bytes, const std::string& path) {
  auto damaged = [&](const char* what) { return fail(ErrorCode::corrupt, "segment " + path + ": " + what); };
  if (bytes.size() < segment_header_bytes) return damaged("the header is cut off");
  if (!bytes.starts_with(magic)) return damaged("does not begin as a segment does");
  // Its place is that of all versions; a bit that flipped in the version is no newer Spindle.
  const auto stated = load<std::uint64_t>(&bytes[at_checksum]);
  if (checksum(bytes.substr(0, at_checksum), std::uint64_t{0}) != stated) return damaged("the header is damaged");
  const auto flags = load<std::uint32_t>(&bytes[at_flags]);
  if (load<std::uint32_t>(&bytes[at_version]) > format_version || (flags & ~(flag_copy | flag_lost)) != 0) {
    return fail(ErrorCode::newer_format, "segment " + path + " was written by a newer Spindle: use that version");
  }
  SegmentHeader header;
  header.copy = (flags & flag_copy) != 0;
  header.lost = (flags & flag_lost) != 0;
  header.spool_id = Bytes(bytes.substr(at_spool_id, spool_id_bytes));
  header.incarnation = load<std::uint64_t>(&bytes[at_incarnation]);
  header.serial = load<std::uint64_t>(&bytes[at_serial]);
  header.first_offset = load<std::uint64_t>(&bytes[at_first_offset]);
  header.head_end = load<std::uint64_t>(&bytes[at_head_end]);
  header.previous_end = load<std::uint64_t>(&bytes[at_previous_end]);
  header.created_ns = load<WallNs>(&bytes[at_created]);
  header.file_bytes = load<std::uint64_t>(&bytes[at_file_bytes]);
  return header;
}

Bytes encode_seal(const SegmentHeader& segment, const SegmentHeader& next) {
  Bytes seal;
  encode_record({.kind = Kind::seal,
                 .last_of_commit = true,
                 .must_understand = true,
                 .offset = next.first_offset,
                 .count = 0,
                 .time_ns = next.created_ns,
                 .topic = {},
                 .body = {}},
                static_cast<std::uint32_t>(next.previous_end), seal);
  set_record_checksum(seal.data(), seal.size(), {segment.salt(), next.previous_end});
  return seal;
}

std::string segment_name(std::uint64_t first_offset, std::uint64_t serial) {
  std::array<char, 64> name{};
  std::snprintf(name.data(), name.size(), "%020llu-%010llu", static_cast<unsigned long long>(first_offset),
                static_cast<unsigned long long>(serial));
  return std::string(name.data()).append(name_suffix);
}

std::optional<SegmentName> parse_segment_name(std::string_view name) {
  if (name.size() < offset_digits + 1 + serial_digits + name_suffix.size() || !name.ends_with(name_suffix)) {
    return std::nullopt;
  }
  name.remove_suffix(name_suffix.size());
  auto offset = parse_digits(name.substr(0, offset_digits));
  auto serial = parse_digits(name.substr(offset_digits + 1));
  if (!offset || !serial || name[offset_digits] != '-') return std::nullopt;
  return SegmentName{*offset, *serial};
}

bool is_unfinished_segment(std::string_view name) {
  if (!name.ends_with(unfinished_suffix)) return false;
  name.remove_suffix(unfinished_suffix.size());
  return parse_segment_name(name).has_value();
}

}  // namespace spindle::spool
