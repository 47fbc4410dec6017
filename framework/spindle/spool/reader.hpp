#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/batch.hpp"
#include "spindle/spool/limits.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/spool/segment.hpp"
#include "spindle/spool/tail_cache.hpp"
#include "spindle/spool/topic_cache.hpp"
#include "spindle/spool/topic_filter.hpp"

namespace spindle::spool {

/// Records of kind events, in offset order. The views hold as long as `owner`; share it to keep them longer. Those
/// that a filter does not want may be missing.
struct Block {
  std::shared_ptr<const void> owner;
  std::vector<Record> records;
  /// Where to read on: everything wanted before it is here.
  std::uint64_t next_offset = 0;
  /// What was read from the disk for it.
  std::size_t bytes_read = 0;
};

/// Reads the events of a log from any offset, from memory when they were just committed, else with pread. Each thread
/// has its own; all they share is immutable.
class Reader {
 public:
  /// `segments` as recover() gave them.
  Reader(Files& files, std::string directory, std::vector<Segment> segments,
         std::size_t tail_cache_bytes = tail_cache_bytes_default,
         std::size_t topic_cache_bytes = topic_cache_bytes_default);

  /// Tells of a batch that Writer::write has made durable; all of them, in order. Only then can it be read.
  void note_durable(std::shared_ptr<const Batch> batch);

  /// Events from the record that holds `from_offset`, which may begin before it, up to about `bytes_max` of records
  /// but at least one. Nothing at or beyond `durable_end` or what note_durable told of: then the block is empty.
  /// A block may hold less than there is: read on from its next_offset.
  /// Errors: `not_found` (before first_offset()), `corrupt` with segment, position and the range of offsets that
  /// cannot be read, when from_offset is one of them (damage elsewhere is passed over), those of the files.
  Result<Block> read(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end);

  /// The same for who wants some topics only: records of others may be left out, and are, where many of them would be
  /// read in vain. The block may be empty although its next_offset is larger than `from_offset`: nothing is wanted in
  /// between. Damage in records that are left out is not noticed.
  ///
  /// A segment's topic index tells what may be left out. It is taken from memory or from behind the segment's seal;
  /// where it is missing or damaged, the records themselves are looked through, once, a piece of about `bytes_max`
  /// with each call.
  Result<Block> read(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end,
                     const TopicFilter& filter);
  /// The same, but the block begins with the record that holds `from_offset`, whatever its topic.
  Result<Block> read_at(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end,
                        const TopicFilter& filter);

  /// What is kept of the segments' topic indexes.
  std::size_t topic_bytes() const { return topics_.memory_bytes(); }

  /// Of a record in the log.
  struct Place {
    std::uint64_t serial;
    std::uint64_t position;
    auto operator<=>(const Place&) const = default;
  };
  /// Why the last read was `corrupt` or `not_found`: the offsets that cannot be read.
  struct Unreadable {
    std::uint64_t from_offset;
    std::uint64_t to_offset;
    /// Their segment is gone for good, or stands in for one whose loss was accepted (FORMAT.md).
    bool accepted;
    Place place;
  };
  /// Nothing when the last read succeeded, or failed without finding out.
  const std::optional<Unreadable>& unreadable() const { return unreadable_; }

  std::uint64_t first_offset() const {
    return segments_.empty() ? next_offset_ : segments_.front().segment.header.first_offset;
  }
  std::uint64_t next_offset() const { return next_offset_; }

 private:
  /// A segment and what is known of the places in it: one entry every index_spacing_bytes, as far as it was read.
  struct Known {
    explicit Known(Segment listed);
    Segment segment;
    std::uint64_t salt;
    std::vector<IndexEntry> index;
  };
  struct OpenFile {
    std::uint64_t serial;
    std::unique_ptr<File> file;
    std::uint64_t used;
  };
  struct Piece {
    std::shared_ptr<char[]> bytes;
    std::size_t size;
  };
  /// What one read wants and has.
  struct Request {
    std::uint64_t from_offset;
    std::size_t bytes_max;
    std::uint64_t end_offset;
    const TopicFilter* filter;  // null: all
    Block block;
    std::size_t bytes = 0;

    /// False when the record is for the next read; then this one is done.
    bool take(const Record& record, std::uint64_t size);
    bool wants(const Record& record) const { return filter == nullptr || filter->wants(record.topic); }
    /// Something was taken, or nothing is wanted up to where the block ends.
    bool is_on() const { return block.next_offset > from_offset; }
    /// Nothing before `offset` is wanted.
    void pass(std::uint64_t offset);
  };

  void note(const AppendStep& step);
  void note(const NewSegmentStep& step);
  void note(const RemoveStep& step);
  Known& segment_with(std::uint64_t offset);
  static IndexEntry begin_of(const Known& known) {
    return {known.segment.header.first_offset, known.segment.header.head_end};
  }
  IndexEntry start_in(const Known& known, std::uint64_t offset) const;
  IndexEntry start_in(const AppendStep& step, std::uint64_t offset) const;
  Result<Block> read(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end,
                     const TopicFilter* filter);
  void read_memory(const TailCache::Hit& hit, Request& request);
  Result<void> read_segment(Known& known, Request& request);
  /// From `at` on; records that the topics do not know of are added to them, when given.
  Result<void> read_disk(Known& known, IndexEntry at, Request& request, SegmentTopics* topics);
  Result<std::uint64_t> read_piece(Known& known, const Piece& piece, IndexEntry& at, Request& request,
                                   SegmentTopics* topics);
  Result<Piece> load(const Known& known, std::uint64_t position, std::uint64_t size, Request& request);
  void note_place(Known& known, IndexEntry at);

  // reader_wanted.cpp: what a filter wants
  void read_memory_wanted(TailCache::Hit hit, Request& request);
  Result<void> read_disk_wanted(Known& known, Request& request);
  Result<bool> read_chosen(Known& known, const SegmentTopics& topics, const Selection& selection, IndexEntry at,
                           Request& request);
  Result<ParsedRecord> parse_chosen(Known& known, std::uint64_t position, std::uint64_t piece_at, Piece& piece,
                                    Request& request);
  Result<SegmentTopics*> topics_of(Known& known);

  Result<File*> file_of(const Known& known);
  Result<IndexEntry> pass_damage(const Known& known, IndexEntry at, std::uint64_t wanted_offset);
  tl::unexpected<Error> damage(const Known& known, IndexEntry at, std::uint64_t readable_again);
  void remember(std::uint64_t offset, Place place);

  Files& files_;
  std::string directory_;
  std::vector<Known> segments_;
  std::uint64_t next_offset_;
  TailCache cache_;
  TopicCache topics_;
  std::unordered_map<std::uint64_t, Place> places_;  // where reads ended: the next ones begin there
  std::vector<OpenFile> open_files_;
  std::uint64_t uses_ = 0;
  std::optional<Unreadable> unreadable_;
  std::set<Place> believed_;  // damage that was looked at twice
};

}  // namespace spindle::spool
