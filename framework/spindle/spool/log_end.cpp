#include "spindle/spool/log_end.hpp"

#include <algorithm>
#include <utility>

#include "spindle/spool/scan.hpp"

namespace spindle::spool {
namespace {

/// How often a segment that somebody writes to is read until it looks right, or wrong in the same way.
constexpr int reads_max = 20;

/// A next segment exists. The index stands behind a seal: where that is damaged, it says the same.
bool ends_log(const Record& record) { return record.kind == Kind::seal || record.kind == Kind::index; }

/// Goes on over all that is valid from where `scan` stands.
Result<void> extend(SegmentScan& scan, Extent& extent) {
  while (!extent.sealed) {
    const std::uint64_t at = scan.position();
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (*record) {
      extent.sealed = ends_log(**record);
      if ((*record)->kind == Kind::index) break;
      extent.end = extent.sealed ? at : scan.position();
      extent.next_offset = std::max(extent.next_offset, (*record)->next_offset());
      continue;
    }
    auto more = scan.skip_damage();
    if (!more) return fail(std::move(more.error()));
    if (!*more) break;
  }
  return {};
}

/// Whether no record was begun there. A length of 0 alone does not say so: one bit may be wrong.
Result<bool> is_blank(File& file, std::uint64_t position) {
  Bytes bytes(record_header_bytes, '\0');
  auto got = file.read(position, bytes.data(), bytes.size());
  if (!got) return fail(std::move(got.error()));
  return bytes.find_first_not_of('\0') == Bytes::npos;
}

}  // namespace

Result<Extent> find_extent(File& file, const SegmentHeader& header, std::uint64_t from) {
  auto size = file.size();
  if (!size) return fail(std::move(size.error()));
  Extent extent{std::min(from, *size), header.first_offset, false};
  SegmentScan scan(file, header, extent.end, *size);
  if (auto done = extend(scan, extent); !done) return fail(std::move(done.error()));
  return extent;
}

Result<LogEnd> find_log_end(File& file, const SegmentHeader& header, TopicIndex* topics) {
  TopicIndex commit;  // of the one that is not whole yet
  auto size = file.size();
  if (!size) return fail(std::move(size.error()));
  const bool is_cut_off = *size < header.file_bytes;
  SegmentScan scan(file, header, header.head_end, *size);
  LogEnd end;
  end.position = header.head_end;
  end.next_offset = header.first_offset;
  end.time_ns = header.created_ns;
  std::uint64_t expected = header.first_offset;
  std::uint64_t damaged_at = 0;
  while (true) {
    const std::uint64_t at = scan.position();
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (!*record) break;
    if ((*record)->offset != expected) {  // valid, but not the next: what was between is gone
      damaged_at = at;
      break;
    }
    if (ends_log(**record)) {
      end.sealed = true;
      return end;
    }
    expected = (*record)->next_offset();
    if (topics && (*record)->kind == Kind::events) commit.add((*record)->topic, at);
    if (!(*record)->last_of_commit) continue;
    if (topics && commit.records() > 0) topics->add(std::exchange(commit, {}));
    end.position = scan.position();
    end.next_offset = expected;
    end.time_ns = (*record)->time_ns;
  }
  auto blank = is_blank(file, scan.position());
  if (!blank) return fail(std::move(blank.error()));
  end.torn = !*blank || scan.position() != end.position;
  if (damaged_at == 0) {
    auto behind = scan.find_behind(false);
    if (!behind) return fail(std::move(behind.error()));
    if (*behind || scan.passed_over()) {  // of the last batch, as long as none proves more
      end.torn = true;
      end.sealed = *behind && (*behind)->kind == Kind::index;  // the seal before it is damaged
      behind = scan.find_behind(true);
      if (!behind) return fail(std::move(behind.error()));
    }
    if (!*behind && scan.passed_over()) {
      end.damage = Damage{segment_name(header.first_offset, header.serial), scan.position(), end.next_offset,
                          Damage::to_unknown,
                          "what stands behind it was made to look like records, too many to tell whether one is"};
      return end;
    }
    if (!*behind && is_cut_off) {
      end.damage =
          Damage{segment_name(header.first_offset, header.serial), *size, end.next_offset, Damage::to_unknown,
                 "it is cut off, it had " + std::to_string(header.file_bytes) + " bytes"};
    }
    if (!*behind) return end;
    damaged_at = scan.position();
  }
  Extent extent{end.position, end.next_offset, false};
  SegmentScan behind(file, header, damaged_at, *size);
  if (auto done = extend(behind, extent); !done) return fail(std::move(done.error()));
  end.sealed = extent.sealed;
  end.damage = Damage{segment_name(header.first_offset, header.serial), damaged_at, end.next_offset,
                      extent.next_offset, "it is damaged, and was durable once: valid records follow"};
  if (is_cut_off && !extent.sealed) {  // those records are not all that there were
    end.damage->to_offset = Damage::to_unknown;
    end.damage->what += "; and it is cut off, it had " + std::to_string(header.file_bytes) + " bytes";
  }
  return end;
}

Result<LogEnd> find_log_end_beside_writer(File& file, const SegmentHeader& header) {
  std::uint64_t before = 0;
  for (int attempt = 1;; ++attempt) {
    auto end = find_log_end(file, header);
    // The writer cuts off a segment that it has ended: then it is shorter than it was a moment ago.
    const bool cut_meanwhile = !end && end.error().code == ErrorCode::corrupt && attempt < reads_max;
    if (cut_meanwhile) continue;
    if (!end || !end->damage || end->damage->position == before || attempt == reads_max) return end;
    before = end->damage->position;
  }
}

}  // namespace spindle::spool
