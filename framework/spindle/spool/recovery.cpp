#include "spindle/spool/recovery.hpp"

#include <cassert>
#include <optional>
#include <utility>

#include "spindle/spool/scan.hpp"

namespace spindle::spool {
namespace {

tl::unexpected<Error> corrupt(const std::string& text) {
  return fail(ErrorCode::corrupt, text + "; nothing was changed, restore the spool from a backup");
}

std::string range(std::uint64_t from, std::uint64_t to) {
  return "offsets " + std::to_string(from) + " to " + std::to_string(to);
}

struct Found {
  Segment segment;
  std::uint64_t file_bytes;
};

Result<Found> read_header(Files& files, const std::string& directory, const std::string& name) {
  const std::string path = directory + "/" + name;
  auto file = files.open(path, OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  Bytes bytes(segment_header_bytes, '\0');
  auto got = (*file)->read(0, bytes.data(), bytes.size());
  if (!got) return fail(std::move(got.error()));
  auto header = parse_header(BytesView(bytes).substr(0, *got), path);
  if (!header) return fail(std::move(header.error()));
  auto size = (*file)->size();
  if (!size) return fail(std::move(size.error()));
  if (segment_name(header->first_offset, header->serial) != name) {
    return corrupt("segment " + path + " is another one by its header, " +
                   segment_name(header->first_offset, header->serial) + ": files were swapped or renamed");
  }
  if (*size < header->head_end) return corrupt("segment " + path + " is cut off within the state at its head");
  return Found{{*header, 0, 0}, *size};
}

/// Whether `next` goes on exactly where `segment` ends.
Result<void> check_link(const Found& segment, const SegmentHeader& next) {
  const SegmentHeader& header = segment.segment.header;
  const std::string name = segment.segment.name();
  const std::string next_name = segment_name(next.first_offset, next.serial);
  if (next.serial != header.serial + 1) {
    return corrupt("segments are missing between " + name + " and " + next_name);
  }
  if (next.spool_id != header.spool_id || next.incarnation < header.incarnation) {
    return corrupt("segment " + next_name + " does not belong to the spool of " + name);
  }
  if (next.first_offset < header.first_offset || next.previous_end < header.head_end) {
    return corrupt("segment " + next_name + " does not continue " + name);
  }
  if (segment.file_bytes < next.previous_end) {
    return corrupt("segment " + name + " is cut off at position " + std::to_string(segment.file_bytes) + " of " +
                   std::to_string(next.previous_end) + ": some of " + range(header.first_offset, next.first_offset) +
                   " are missing");
  }
  return {};
}

Result<std::vector<Segment>> link_segments(Files& files, const std::string& directory,
                                           const std::vector<std::string>& names) {
  std::vector<Segment> segments;
  std::optional<Found> before;
  for (const std::string& name : names) {
    if (!parse_segment_name(name)) continue;
    auto found = read_header(files, directory, name);
    if (!found) return fail(std::move(found.error()));
    if (before) {
      const SegmentHeader& next = found->segment.header;
      if (auto linked = check_link(*before, next); !linked) return fail(std::move(linked.error()));
      segments.back().end = next.previous_end;
      segments.back().next_offset = next.first_offset;
    }
    segments.push_back(found->segment);
    before = std::move(*found);
  }
  return segments;
}

/// One recovery, step by step.
class Recovery {
 public:
  Recovery(Files& files, const std::string& directory) : files_(files), directory_(directory) {}

  Result<void> open();
  Result<void> find_end();
  Result<void> replay(const OnRecord& on_record);
  Result<void> cut_tail();

  std::vector<Segment> segments;
  std::unique_ptr<DirectoryLock> lock;
  std::vector<std::string> notes;
  WallNs last_time_ns = 0;

 private:
  std::string path(const Segment& segment) const { return directory_ + "/" + segment.name(); }
  Result<void> walk_to_end(SegmentScan& scan, Segment& last);
  Result<Bytes> read_state(const Segment& segment, Record& state);
  Result<void> replay_segment(const Segment& segment, const OnRecord& on_record);

  Files& files_;
  const std::string& directory_;
  std::vector<std::string> unfinished_;
  std::unique_ptr<File> last_file_;
};

Result<void> Recovery::open() {
  if (auto made = files_.make_directory(directory_); !made) return made;
  auto locked = files_.lock_directory(directory_);
  if (!locked) return fail(std::move(locked.error()));
  lock = std::move(*locked);
  auto names = files_.list(directory_);
  if (!names) return fail(std::move(names.error()));
  for (const std::string& name : *names) {
    if (is_unfinished_segment(name)) unfinished_.push_back(name);
  }
  auto linked = link_segments(files_, directory_, *names);
  if (!linked) return fail(std::move(linked.error()));
  segments = std::move(*linked);
  return {};
}

Result<void> Recovery::find_end() {
  if (segments.empty()) return {};
  Segment& last = segments.back();
  auto opened = files_.open(path(last), OpenMode::write);
  if (!opened) return fail(std::move(opened.error()));
  last_file_ = std::move(*opened);
  // What the last run wrote may be in memory only; after its sync failed, memory may even show what the disk will
  // never have. So: to the disk with it, then judge what the disk has.
  if (auto done = last_file_->sync(); !done) return done;
  if (auto done = last_file_->forget_cached(); !done) return done;
  auto size = last_file_->size();
  if (!size) return fail(std::move(size.error()));
  SegmentScan scan(*last_file_, last.header, last.header.head_end, *size);
  return walk_to_end(scan, last);
}

Result<void> Recovery::walk_to_end(SegmentScan& scan, Segment& last) {
  last.end = last.header.head_end;
  last.next_offset = last.header.first_offset;
  last_time_ns = last.header.created_ns;
  std::uint64_t expected = last.header.first_offset;
  while (true) {
    const std::uint64_t at = scan.position();
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (!*record) break;
    if ((*record)->kind == Kind::seal) return corrupt("the segment after " + path(last) + " is missing");
    if ((*record)->offset != expected) {
      return corrupt("segment " + path(last) + ", position " + std::to_string(at) + ": " +
                     range(expected, (*record)->offset) + " are missing");
    }
    expected = (*record)->next_offset();
    if (!(*record)->last_of_commit) continue;
    last.end = scan.position();
    last.next_offset = expected;
    last_time_ns = (*record)->time_ns;
  }
  auto proof = scan.find_behind(true);
  if (!proof) return fail(std::move(proof.error()));
  if (*proof) {
    return corrupt("segment " + path(last) + " is damaged at position " + std::to_string(scan.position()) + ": " +
                   range(expected, (*proof)->offset) + " cannot be read, later ones can");
  }
  if (scan.damaged() || scan.position() != last.end) {
    notes.push_back("segment " + path(last) + ": what was not yet durable when the last run ended was cut off at " +
                    "position " + std::to_string(last.end) + ", offset " + std::to_string(last.next_offset));
  }
  return {};
}

Result<void> Recovery::replay(const OnRecord& on_record) {
  if (segments.empty()) return {};
  std::size_t base = segments.size();
  Record state;
  Bytes body;
  while (true) {
    if (base == 0) return corrupt("no segment in " + directory_ + " has a whole state at its head");
    auto read = read_state(segments[--base], state);
    if (read) {
      body = std::move(*read);
      break;
    }
    notes.push_back(read.error().text + ": the one before it serves");
  }
  state.body = body;
  if (auto taken = on_record(state); !taken) return taken;
  body = {};
  for (; base < segments.size(); ++base) {
    if (auto done = replay_segment(segments[base], on_record); !done) return done;
  }
  return {};
}

Result<Bytes> Recovery::read_state(const Segment& segment, Record& state) {
  auto file = files_.open(path(segment), OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  SegmentScan scan(**file, segment.header, segment_header_bytes, segment.header.head_end);
  Bytes body;
  while (true) {
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (!*record || (*record)->kind != Kind::state) break;
    body.append((*record)->body);
    if (!(*record)->last_of_commit) continue;
    state = **record;
    state.topic = {};
    if (scan.position() != segment.header.head_end) break;
    return body;
  }
  return fail(ErrorCode::corrupt, "the state at the head of segment " + path(segment) + " is damaged at position " +
                                      std::to_string(scan.position()));
}

bool is_known(Kind kind) { return kind >= Kind::events && kind <= Kind::seal; }

Result<void> Recovery::replay_segment(const Segment& segment, const OnRecord& on_record) {
  auto file = files_.open(path(segment), OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  SegmentScan scan(**file, segment.header, segment.header.head_end, segment.end);
  std::uint64_t expected = segment.header.first_offset;
  while (scan.position() < segment.end) {
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (!*record || (*record)->offset != expected) {
      return corrupt("segment " + path(segment) + " is damaged at position " + std::to_string(scan.position()) +
                     ": " + range(expected, segment.next_offset) + " cannot be read");
    }
    expected = (*record)->next_offset();
    if (!is_known((*record)->kind)) {
      if (!(*record)->must_understand) continue;
      return fail(ErrorCode::newer_format, "segment " + path(segment) + " holds records of kind " +
                                               std::to_string(static_cast<int>((*record)->kind)) +
                                               ", written by a newer Spindle: use that version");
    }
    if (auto taken = on_record(**record); !taken) return taken;
  }
  return {};
}

/// The first change to the disk, when everything else has succeeded.
Result<void> Recovery::cut_tail() {
  if (!segments.empty()) {
    auto size = last_file_->size();
    if (!size) return fail(std::move(size.error()));
    if (*size > segments.back().end) {
      if (auto done = last_file_->truncate(segments.back().end); !done) return done;
      if (auto done = last_file_->sync(); !done) return done;
    }
  }
  for (const std::string& name : unfinished_) {
    if (auto done = files_.remove(directory_ + "/" + name); !done) return done;
  }
  // The newest segment's name may not be durable yet, when the last run died before it could see to that.
  return files_.sync_directory(directory_);
}

}  // namespace

Result<std::vector<Segment>> list_segments(Files& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return fail(std::move(names.error()));
  return link_segments(files, directory, *names);
}

Result<RecoveredLog> recover(Files& files, const std::string& directory, const std::string& new_spool_id,
                             const OnRecord& on_record, std::uint64_t segment_bytes) {
  assert(new_spool_id.size() == spool_id_bytes);
  Recovery recovery(files, directory);
  if (auto done = recovery.open(); !done) return fail(std::move(done.error()));
  if (auto done = recovery.find_end(); !done) return fail(std::move(done.error()));
  if (auto done = recovery.replay(on_record); !done) return fail(std::move(done.error()));
  if (auto done = recovery.cut_tail(); !done) return fail(std::move(done.error()));

  Tail tail;
  tail.spool_id = new_spool_id;
  std::uint64_t first_offset = 0;
  const bool created = recovery.segments.empty();
  if (!created) {
    const Segment& last = recovery.segments.back();
    tail = {last.header.spool_id, last.header.incarnation, last.header.serial, last.end,
            last.next_offset,     recovery.last_time_ns};
    first_offset = recovery.segments.front().header.first_offset;
  }
  return RecoveredLog{.spool_id = tail.spool_id,
                      .incarnation = tail.incarnation,
                      .created = created,
                      .first_offset = first_offset,
                      .next_offset = tail.next_offset,
                      .segments = std::move(recovery.segments),
                      .appender = Appender(tail, segment_bytes),
                      .lock = std::move(recovery.lock),
                      .notes = std::move(recovery.notes)};
}

}  // namespace spindle::spool
