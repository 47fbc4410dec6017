#include "spindle/spool/copy_file.hpp"

#include <algorithm>

#include "spindle/spool/limits.hpp"

namespace spindle::spool {
namespace {

/// Copies [at, end) of one file to the same place of the other; less when the first one ends earlier.
Result<std::uint64_t> copy_bytes(File& from, File& to, std::uint64_t at, std::uint64_t end) {
  Bytes buffer(scan_bytes, '\0');
  while (at < end) {
    auto got = from.read(at, buffer.data(), static_cast<std::size_t>(std::min<std::uint64_t>(scan_bytes, end - at)));
    if (!got) return fail(std::move(got.error()));
    if (*got == 0) break;
    if (auto done = to.write(at, BytesView(buffer).substr(0, *got)); !done) return fail(std::move(done.error()));
    at += *got;
  }
  return at;
}

}  // namespace

Result<bool> link_or_copy(Files& files, const std::string& from, const std::string& to) {
  auto linked = files.link(from, to);
  if (linked) return true;
  if (linked.error().code != ErrorCode::unsupported) return fail(std::move(linked.error()));
  auto source = files.open(from, OpenMode::read);
  if (!source) return fail(std::move(source.error()));
  auto size = (*source)->size();
  if (!size) return fail(std::move(size.error()));
  auto target = files.open(to, OpenMode::create_new);
  if (!target) return fail(std::move(target.error()));
  if (auto copied = copy_bytes(**source, **target, 0, *size); !copied) return fail(std::move(copied.error()));
  if (auto done = (*target)->sync(); !done) return fail(std::move(done.error()));
  return false;
}

Result<void> copy_extended(Files& files, const std::string& from, const std::string& to, std::uint64_t bytes) {
  auto source = files.open(from, OpenMode::read);
  if (!source) return fail(std::move(source.error()));
  auto target = files.open(to, OpenMode::create_new);
  if (!target) return fail(std::move(target.error()));
  if (auto copied = copy_bytes(**source, **target, 0, bytes); !copied) return fail(std::move(copied.error()));
  if (auto done = (*target)->truncate(bytes); !done) return done;
  return (*target)->sync();
}

Result<void> copy_segment(Files& files, const std::string& from, const std::string& to, const Segment& segment) {
  auto source = files.open(from, OpenMode::read);
  if (!source) return fail(std::move(source.error()));
  auto target = files.open(to, OpenMode::create_new);
  if (!target) return fail(std::move(target.error()));
  SegmentHeader header = segment.header;
  header.copy = true;
  header.file_bytes = segment.end;
  if (auto done = (*target)->write(0, encode_header(header)); !done) return done;
  auto copied = copy_bytes(**source, **target, segment_header_bytes, segment.end);
  if (!copied) return fail(std::move(copied.error()));
  if (*copied < segment.end) return fail(ErrorCode::corrupt, from + " became shorter while it was copied");
  return (*target)->sync();
}

}  // namespace spindle::spool
