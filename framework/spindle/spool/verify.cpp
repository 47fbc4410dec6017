#include "spindle/spool/verify.hpp"

#include <algorithm>
#include <set>

#include "spindle/spool/chain.hpp"
#include "spindle/spool/log_end.hpp"
#include "spindle/spool/scan.hpp"
#include "spindle/spool/sealed_index.hpp"

namespace spindle::spool {
namespace {

/// How often a topic index is read that looks damaged: a process may be writing it.
constexpr int index_reads_max = 20;

class Verification {
 public:
  Verification(Files& files, const std::string& directory, const OnDamage& on_damage)
      : files_(files), directory_(directory), on_damage_(on_damage) {}

  Result<Verified> run();

 private:
  Result<bool> check_from(std::uint64_t serial);
  Result<void> check_segment(const Segment& segment, const SegmentHeader* next);
  Result<void> check_state(File& file, const Segment& segment);
  Result<void> check_records(File& file, const Segment& segment);
  Result<void> check_newest(File& file, Segment& segment);
  Result<void> check_behind(File& file, const Segment& segment, const SegmentHeader& next);
  Result<void> check_index(File& file, const Segment& segment, const SegmentHeader& next);
  Result<const char*> judge_index(File& file, const Segment& segment, const SegmentHeader& next);
  void tell(Damage damage);

  Files& files_;
  const std::string& directory_;
  const OnDamage& on_damage_;
  Verified verified_;
  std::set<std::string> told_;  // the chain is read again when the log went on meanwhile
  std::uint64_t next_serial_ = 0;
  /// Of the segment at hand, as its records say, as far as they can be read.
  TopicIndex topics_;
  bool damaged_records_ = false;
};

void Verification::tell(Damage damage) {
  if (!told_.insert(damage.text()).second) return;
  ++verified_.damages;
  on_damage_(damage);
}

Result<Verified> Verification::run() {
  while (true) {
    auto more = check_from(next_serial_);
    if (!more) return fail(std::move(more.error()));
    if (!*more) return verified_;
  }
}

/// It has no file: it is among the chain's damages.
bool is_gap(const Chain& chain, const Segment& segment) {
  return std::any_of(chain.to_mark_lost.begin(), chain.to_mark_lost.end(),
                     [&](const SegmentHeader& gap) { return gap.serial == segment.header.serial; });
}

/// Checks the segments from this serial on. True when the newest of them is not the newest any more.
Result<bool> Verification::check_from(std::uint64_t serial) {
  auto chain = read_chain_beside_writer(files_, directory_);
  if (!chain) return fail(std::move(chain.error()));
  for (const Damage& damage : chain->damages) tell(damage);
  const std::vector<Segment>& segments = chain->segments;
  if (segments.empty() && chain->damages.empty()) {
    return fail(ErrorCode::invalid_argument, directory_ + " holds no spool");
  }
  if (segments.empty()) return false;
  if (serial == 0) verified_.first_offset = segments.front().header.first_offset;
  if (serial > segments.back().header.serial) {  // sealed, and nothing follows
    const std::uint64_t from = verified_.next_offset;
    tell({segment_name(from, serial), 0, from, Damage::to_unknown,
          "it is missing, the one before it says that it was there"});
    return false;
  }
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].header.serial < serial || is_gap(*chain, segments[i])) continue;
    const bool newest = i + 1 == segments.size();
    auto done = check_segment(segments[i], newest ? nullptr : &segments[i + 1].header);
    // Trimmed meanwhile, deleted, or followed by another: the chain, read again, tells.
    if (!done && done.error().code == ErrorCode::not_found) return true;
    if (!done) return fail(std::move(done.error()));
    if (!newest) next_serial_ = segments[i].header.serial + 1;
  }
  return next_serial_ > segments.back().header.serial;
}

Result<void> Verification::check_segment(const Segment& listed, const SegmentHeader* next) {
  Segment segment = listed;
  const SegmentHeader& header = segment.header;
  if (header.lost) {
    tell({segment.name(), 0, header.first_offset, segment.next_offset, "it was lost, and the loss was accepted"});
    ++verified_.segments;
    return {};
  }
  auto file = files_.open(directory_ + "/" + segment.name(), OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  if (auto done = check_state(**file, segment); !done) return done;
  if (next == nullptr) {
    if (auto done = check_newest(**file, segment); !done) return done;
  }
  if (auto done = check_records(**file, segment); !done) return done;
  if (next != nullptr) {
    if (auto done = check_behind(**file, segment, *next); !done) return done;
  }
  ++verified_.segments;
  verified_.next_offset = segment.next_offset;
  return {};
}

Result<void> Verification::check_state(File& file, const Segment& segment) {
  SegmentScan scan(file, segment.header, segment_header_bytes, segment.header.head_end);
  bool whole = false;
  while (!whole) {
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (!*record || (*record)->kind != Kind::state || (*record)->offset != segment.header.first_offset) break;
    ++verified_.records;
    whole = (*record)->last_of_commit && scan.position() == segment.header.head_end;
  }
  verified_.bytes += segment.header.head_end;
  if (whole) return {};
  tell({segment.name(), scan.position(), segment.header.first_offset, segment.header.first_offset,
        "the state at its head is damaged"});
  return {};
}

Result<void> Verification::check_newest(File& file, Segment& segment) {
  auto end = find_log_end_beside_writer(file, segment.header);
  if (!end) return fail(std::move(end.error()));
  if (end->damage) {
    auto newer = is_followed(files_, directory_, segment);
    if (!newer) return fail(std::move(newer.error()));
    if (*newer) return fail(ErrorCode::not_found, segment.name() + " is not the newest any more");
  }
  if (end->sealed) next_serial_ = segment.header.serial + 1;
  if (end->damage) tell(*end->damage);
  verified_.torn = end->torn && !end->damage;
  segment.end = end->position;
  segment.next_offset = end->next_offset;
  return {};
}

bool is_unknown(const Record& record) {
  return record.must_understand && (record.kind < Kind::events || record.kind > Kind::seal);
}

std::uint64_t size_of(const Record& record) { return record_bytes(record.topic.size(), record.body.size()); }

/// The records between the head and the segment's end.
Result<void> Verification::check_records(File& file, const Segment& segment) {
  auto size = file.size();
  if (!size) return fail(std::move(size.error()));
  SegmentScan scan(file, segment.header, segment.header.head_end, std::min(segment.end, *size));
  std::uint64_t expected = segment.header.first_offset;
  WallNs time_ns = segment.header.created_ns;
  bool whole = true;
  topics_ = {};
  damaged_records_ = false;
  const auto damaged = [&](std::uint64_t at, std::uint64_t to, const char* what) {
    damaged_records_ = true;
    tell({segment.name(), at, expected, std::max(expected, to), what});
  };
  while (scan.position() < segment.end) {
    const std::uint64_t at = scan.position();
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (!*record) {
      auto more = scan.skip_damage();
      if (!more) return fail(std::move(more.error()));
      if (!*more) {
        if (at < *size) damaged(at, segment.next_offset, "it is damaged");  // a file cut off was told by the chain
        verified_.bytes += at - segment.header.head_end;
        return {};
      }
      const std::uint64_t behind = scan.position();
      record = scan.next();
      if (!record) return fail(std::move(record.error()));
      damaged(at, *record ? (*record)->offset : expected,
              ("it is damaged up to position " + std::to_string(behind)).c_str());
      if (!*record) continue;
      expected = (*record)->offset;
    }
    if (is_unknown(**record)) {
      return fail(ErrorCode::newer_format, "segment " + segment.name() + " holds records of kind " +
                                               std::to_string(static_cast<int>((*record)->kind)) +
                                               ", written by a newer Spindle: use that version");
    }
    if ((*record)->offset != expected) damaged(at, (*record)->offset, "its offsets have a gap");
    if ((*record)->time_ns < time_ns) damaged(at, expected, "its times run backwards");
    if ((*record)->kind == Kind::events) topics_.add((*record)->topic, scan.position() - size_of(**record));
    expected = (*record)->next_offset();
    time_ns = (*record)->time_ns;
    whole = (*record)->last_of_commit;
    ++verified_.records;
    verified_.events += (*record)->count;
  }
  if (expected != segment.next_offset) damaged(segment.end, segment.next_offset, "events are missing at its end");
  if (!whole) damaged(segment.end, expected, "its last commit is not whole");
  verified_.bytes += segment.end - segment.header.head_end;
  return {};
}

/// The seal, and what stands behind it. Either may be absent: zeros, or the file's end.
Result<void> Verification::check_behind(File& file, const Segment& segment, const SegmentHeader& next) {
  if (next.lost) return {};
  const Bytes seal = encode_seal(segment.header, next);
  Bytes there(seal.size(), '\0');
  auto got = file.read(segment.end, there.data(), there.size());
  if (!got) return fail(std::move(got.error()));
  const bool absent = there.find_first_not_of('\0') == Bytes::npos;
  if (there != seal && !absent) {
    tell({segment.name(), segment.end, segment.next_offset, segment.next_offset, "its seal is damaged"});
  }
  return check_index(file, segment, next);
}

/// The topic index, which must say what the records say. Who writes it now has it whole in a moment.
Result<void> Verification::check_index(File& file, const Segment& segment, const SegmentHeader& next) {
  const char* wrong = nullptr;
  for (int attempt = 1; attempt <= index_reads_max; ++attempt) {
    auto judged = judge_index(file, segment, next);
    if (!judged) return fail(std::move(judged.error()));
    wrong = *judged;
    if (wrong == nullptr) return {};
  }
  tell({segment.name(), segment.end + seal_bytes, segment.next_offset, segment.next_offset, wrong});
  return {};
}

/// What is wrong with it, or null.
Result<const char*> Verification::judge_index(File& file, const Segment& segment, const SegmentHeader& next) {
  auto there = read_sealed_index(file, segment.header, segment.end);
  if (!there) return fail(std::move(there.error()));
  if (there->found == SealedIndex::Found::damaged) {
    return "its topic index is damaged, which costs time only: readers look through the segment instead";
  }
  if (there->found == SealedIndex::Found::absent || damaged_records_ || topics_.gave_up()) return nullptr;
  const Bytes expected = encode_sealed_index(segment.header, next, topics_);
  Bytes bytes(expected.size(), '\0');
  auto got = file.read(segment.end + seal_bytes, bytes.data(), bytes.size());
  if (!got) return fail(std::move(got.error()));
  if (bytes == expected) return nullptr;
  return "its topic index does not say what its records say: who reads by it may miss events";
}

}  // namespace

Result<Verified> verify(Files& files, const std::string& directory, const OnDamage& on_damage) {
  return Verification(files, directory, on_damage).run();
}

}  // namespace spindle::spool
