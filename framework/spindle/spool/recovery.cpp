#include "spindle/spool/recovery.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "spindle/spool/accept_loss.hpp"
#include "spindle/spool/chain.hpp"
#include "spindle/spool/log_end.hpp"
#include "spindle/spool/scan.hpp"
#include "spindle/spool/sealed_index.hpp"

namespace spindle::spool {
namespace {

/// Damages that an error names; `spindle spool verify` lists all.
constexpr std::size_t damages_named_max = 5;

tl::unexpected<Error> corrupt(const std::string& text) {
  return fail(ErrorCode::corrupt, text + "; nothing was changed, restore the spool from a backup");
}

tl::unexpected<Error> refuse(const std::string& directory, const std::vector<Damage>& damages) {
  std::string text = "the spool " + directory + " is damaged: ";
  for (std::size_t i = 0; i < damages.size() && i < damages_named_max; ++i) text += damages[i].text() + "; ";
  if (damages.size() > damages_named_max) {
    text += "and " + std::to_string(damages.size() - damages_named_max) + " more; ";
  }
  return fail(ErrorCode::corrupt, text + "nothing was changed: restore the spool from a backup, or start with " +
                                      "--accept-loss to go on without what is lost");
}

/// One recovery, step by step. Nothing on the disk is changed before everything else has succeeded.
class Recovery {
 public:
  Recovery(Files& files, const std::string& directory) : files_(files), directory_(directory) {}

  Result<void> open();
  Result<void> find_end();
  Result<void> replay(const OnRecord& on_record);
  Result<void> change();

  Chain chain;
  LogEnd end;
  std::unique_ptr<DirectoryLock> lock;
  std::vector<std::string> notes;
  /// Of the newest segment.
  TopicIndex topics;

  bool is_new() const { return chain.segments.empty(); }
  const Segment& newest() const { return chain.segments.back(); }
  /// The end of the log is lost: what follows it now is not what followed it once.
  bool end_is_lost() const { return end.damage || end.sealed || chain.end_is_missing(); }

 private:
  std::string path(const Segment& segment) const { return directory_ + "/" + segment.name(); }
  Result<Bytes> read_state(const Segment& segment, Record& state);
  Result<void> replay_segment(const Segment& segment, const OnRecord& on_record);
  Result<void> cut_tail();
  Result<void> seal_before_newest();
  Result<void> cut_torn_index(File& file, const SegmentHeader& header);

  Files& files_;
  const std::string& directory_;
  std::vector<std::string> unfinished_;
  std::unique_ptr<File> newest_file_;
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
  auto read = read_chain(files_, directory_);
  if (!read) return fail(std::move(read.error()));
  chain = std::move(*read);
  if (is_new() && !chain.damages.empty()) {
    return corrupt("no segment in " + directory_ + " can be used: " + chain.damages.back().text());
  }
  return {};
}

Result<void> Recovery::find_end() {
  if (is_new()) return {};
  Segment& last = chain.segments.back();
  auto opened = files_.open(path(last), OpenMode::write);
  if (!opened) return fail(std::move(opened.error()));
  newest_file_ = std::move(*opened);
  // What the last run wrote may be in memory only; after its sync failed, memory may even show what the disk will
  // never have. So: to the disk with it, then judge what the disk has.
  if (auto done = newest_file_->sync(); !done) return done;
  if (auto done = newest_file_->forget_cached(); !done) return done;
  auto found = find_log_end(*newest_file_, last.header, &topics);
  if (found && (found->torn || found->damage)) {
    // What came wrong from the disk once may come right: only what is wrong twice is cut off, or reported.
    if (auto done = newest_file_->forget_cached(); !done) return done;
    topics = {};
    found = find_log_end(*newest_file_, last.header, &topics);
  }
  if (!found) return fail(std::move(found.error()));
  end = std::move(*found);
  last.end = end.position;
  last.next_offset = end.next_offset;
  if (end.damage) chain.damages.push_back(*end.damage);
  if (end.sealed && !chain.end_is_missing()) {
    const std::uint64_t from = end.damage ? end.damage->to_offset : end.next_offset;
    chain.damages.push_back({segment_name(from, last.header.serial + 1), 0, from, Damage::to_unknown,
                             "it is missing, the one before it says that it was there"});
  }
  if (end.torn && !end.damage) {
    notes.push_back("segment " + path(last) + ": what stands behind position " + std::to_string(last.end) +
                    " cannot be read and was cut off; the log goes on at offset " + std::to_string(last.next_offset) +
                    ". A write that the last run did not finish looks like that, and so does damage: if more was "
                    "acknowledged, it is lost from that offset on");
  }
  return {};
}

Result<void> Recovery::replay(const OnRecord& on_record) {
  if (is_new()) return {};
  std::size_t base = chain.segments.size();
  std::string unreadable;
  Record state;
  Bytes body;
  while (true) {
    if (base == 0) return corrupt("no segment in " + directory_ + " has a whole state at its head: " + unreadable);
    const Segment& segment = chain.segments[--base];
    if (segment.header.lost) {
      return corrupt(unreadable +
                     ", and the segment before it is lost: what the log knows of groups and sources "
                     "since the state before cannot be rebuilt (`spindle spool dump` shows its events)");
    }
    auto read = read_state(segment, state);
    if (read) {
      body = std::move(*read);
      break;
    }
    unreadable = read.error().text;
    notes.push_back(unreadable + ": the one before it serves");
  }
  state.body = body;
  if (auto taken = on_record(state); !taken) return taken;
  body = {};
  for (; base < chain.segments.size(); ++base) {
    if (auto done = replay_segment(chain.segments[base], on_record); !done) return done;
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
      const Damage damage{segment.name(), scan.position(), expected, segment.next_offset,
                          "it is damaged, and needed because the state of a newer one is damaged too"};
      return corrupt(damage.text() +
                     "; what the log knows of groups and sources cannot be rebuilt (`spindle spool "
                     "dump` shows its events)");
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
Result<void> Recovery::change() {
  if (!chain.damages.empty()) {
    if (auto done = accept_gaps(files_, directory_, chain); !done) return done;
    if (end_is_lost()) {
      newest_file_.reset();
      if (auto done = accept_lost_end(files_, directory_, newest(), end.damage.has_value()); !done) return done;
      if (auto done = put_aside(files_, directory_, chain.to_put_aside_last); !done) return done;
    }
  }
  if (auto done = cut_tail(); !done) return done;
  return seal_before_newest();
}

Result<void> Recovery::cut_tail() {
  if (newest_file_) {
    auto size = newest_file_->size();
    if (!size) return fail(std::move(size.error()));
    if (*size > newest().end) {
      // Its size stays, as long as it is the newest: that is how one that somebody cut off is noticed.
      if (auto done = newest_file_->release(newest().end); !done) return done;
      if (auto done = newest_file_->sync(); !done) return done;
    }
  }
  for (const std::string& name : unfinished_) {
    auto done = files_.remove(directory_ + "/" + name);
    if (!done && done.error().code != ErrorCode::not_found) return done;  // accepting a loss may have used the name
  }
  // The newest segment's name may not be durable yet, when the last run died before it could see to that.
  return files_.sync_directory(directory_);
}

/// The last run may have died between giving the newest segment its name and sealing the one before. Without a seal
/// there nobody would notice if the newest went missing.
Result<void> Recovery::seal_before_newest() {
  if (chain.segments.size() < 2) return {};
  const SegmentHeader& before = chain.segments[chain.segments.size() - 2].header;
  if (before.lost) return {};
  auto file = files_.open(directory_ + "/" + segment_name(before.first_offset, before.serial), OpenMode::write);
  if (!file) return fail(std::move(file.error()));
  // As at the log's end: memory may show a seal that a failed sync never brought to the disk, and a size.
  if (auto done = (*file)->sync_all(); !done) return done;
  if (auto done = (*file)->forget_cached(); !done) return done;
  const Bytes seal = encode_seal(before, newest().header);
  Bytes there(seal.size(), '\0');
  auto got = (*file)->read(newest().header.previous_end, there.data(), there.size());
  if (!got) return fail(std::move(got.error()));
  if (*got == seal.size() && there == seal) return cut_torn_index(**file, before);
  auto written = (*file)->write(newest().header.previous_end, seal);
  if (!written) return written.error().code == ErrorCode::disk_full ? Result<void>() : written;
  if (auto done = (*file)->sync(); !done) return done;
  return cut_torn_index(**file, before);
}

/// A topic index that was not written to its end: readers do without, but it should not look like damage.
Result<void> Recovery::cut_torn_index(File& file, const SegmentHeader& header) {
  const std::uint64_t behind = newest().header.previous_end;
  auto index = read_sealed_index(file, header, behind);
  if (!index) return fail(std::move(index.error()));
  if (index->found != SealedIndex::Found::damaged) return {};
  if (auto done = file.truncate(behind + seal_bytes); !done) return done;
  return file.sync_all();
}

/// Larger than any that was used, also by another copy that was restored before this one, and another than that of a
/// copy restored in the same millisecond.
std::uint64_t incarnation_after(std::uint64_t incarnation, WallNs now_ns, std::uint16_t chance) {
  const auto milliseconds = static_cast<std::uint64_t>(std::max<WallNs>(now_ns, 0) / 1'000'000);
  return std::max(incarnation + 1, (milliseconds << 16) | chance);
}

std::string describe_copy(const Tail& tail) {
  return "this spool is a copy that ends before offset " + std::to_string(tail.next_offset) +
         ": it goes on as "
         "incarnation " +
         std::to_string(tail.incarnation) + " (was " + std::to_string(tail.newest.incarnation) +
         "), producers and consumers that knew more than the copy holds are told";
}

}  // namespace

Result<std::vector<Segment>> list_segments(Files& files, const std::string& directory) {
  auto chain = read_chain(files, directory);
  if (!chain) return fail(std::move(chain.error()));
  if (!chain->damages.empty()) return fail(ErrorCode::corrupt, chain->damages.front().text());
  return std::move(chain->segments);
}

Result<RecoveredLog> recover(Files& files, const std::string& directory, const std::string& new_spool_id,
                             const OnRecord& on_record, std::uint64_t segment_bytes, Loss loss, WallNs now_ns,
                             std::uint16_t chance) {
  assert(new_spool_id.size() == spool_id_bytes);
  Recovery recovery(files, directory);
  if (auto done = recovery.open(); !done) return fail(std::move(done.error()));
  if (auto done = recovery.find_end(); !done) return fail(std::move(done.error()));
  if (!recovery.chain.damages.empty() && loss == Loss::refuse) return refuse(directory, recovery.chain.damages);
  if (auto done = recovery.replay(on_record); !done) return fail(std::move(done.error()));
  if (auto done = recovery.change(); !done) return fail(std::move(done.error()));

  Tail tail{.newest = {.spool_id = new_spool_id}};
  const bool created = recovery.is_new();
  bool restored = false;
  if (!created) {
    tail.newest = recovery.newest().header;
    tail.end = recovery.end.position;
    tail.next_offset = recovery.end.next_offset;
    tail.last_time_ns = recovery.end.time_ns;
    tail.topics = std::move(recovery.topics);
    tail.incarnation = tail.newest.incarnation;
    restored = tail.newest.copy || recovery.end_is_lost();
    if (restored) tail.incarnation = incarnation_after(tail.incarnation, now_ns, chance);
    if (tail.newest.copy) recovery.notes.push_back(describe_copy(tail));
  }
  return RecoveredLog{.spool_id = tail.newest.spool_id,
                      .incarnation = tail.incarnation,
                      .created = created,
                      .restored = restored,
                      .first_offset = created ? 0 : recovery.chain.segments.front().header.first_offset,
                      .next_offset = tail.next_offset,
                      .segments = std::move(recovery.chain.segments),
                      .appender = Appender(std::move(tail), segment_bytes),
                      .lock = std::move(recovery.lock),
                      .notes = std::move(recovery.notes),
                      .losses = std::move(recovery.chain.damages)};
}

}  // namespace spindle::spool
