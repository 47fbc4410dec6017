#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/appender.hpp"
#include "spindle/spool/limits.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::spool {

/// Takes what recovery replays; the Record's views hold for the call. An error stops the recovery and is its result.
using OnRecord = std::function<Result<void>(const Record&)>;

/// A log that is ready: everything in it is durable, nothing of it is half of a commit.
struct RecoveredLog {
  std::string spool_id;
  std::uint64_t incarnation = 1;
  /// True when the directory held no log: the first roll() makes it.
  bool created = false;
  /// The oldest event that is kept, and the offset that the next event gets.
  std::uint64_t first_offset = 0;
  std::uint64_t next_offset = 0;
  /// Oldest first; give it to each Reader.
  std::vector<Segment> segments;
  /// Goes on in a new segment: call roll() before anything else, and write that batch before telling anyone of the
  /// log's contents.
  Appender appender;
  /// Keeps other processes out; must outlive the Writer.
  std::unique_ptr<DirectoryLock> lock;
  /// What an operator should know: one line each.
  std::vector<std::string> notes;
};

/// Opens the log in `directory`, making the directory when it is missing. `on_record` gets the newest whole state
/// first (one record of kind state, however large; none for a new log) and then every record since, in order.
/// A torn tail is cut off. `new_spool_id` (16 hexadecimal characters) is used when there is no log yet.
///
/// Errors: `locked` (another process has it), `corrupt` (what was durable is damaged or missing; nothing is changed;
/// the text says segment, position and offsets), `newer_format`, those of the files, those of on_record.
Result<RecoveredLog> recover(Files& files, const std::string& directory, const std::string& new_spool_id,
                             const OnRecord& on_record, std::uint64_t segment_bytes = segment_bytes_default);

/// The directory's segments, oldest first, their headers and the chain they form checked. `end` and `next_offset` of
/// the newest are not known and 0. Changes nothing and takes no lock: for tools.
Result<std::vector<Segment>> list_segments(Files& files, const std::string& directory);

}  // namespace spindle::spool
