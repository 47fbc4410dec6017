#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/appender.hpp"
#include "spindle/spool/damage.hpp"
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
  /// The log goes on under a new incarnation, because this is a copy or because its end was lost: what was at
  /// next_offset and behind it once, if anything, is gone, and what comes there now is something else.
  bool restored = false;
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
  /// What was lost and accepted now, oldest first.
  std::vector<Damage> losses;
};

/// What recovery does when something that was durable is missing or damaged.
enum class Loss : std::uint8_t {
  refuse,  ///< nothing: it fails, and the text says what is lost
  accept   ///< goes on without it, once and for good
};

/// Opens the log in `directory`, making the directory when it is missing. `on_record` gets the newest whole state
/// first (one record of kind state, however large; none for a new log) and then every record since, in order.
/// A torn tail is cut off. `now_ns` and `chance` (16 random bits) make a new incarnation, so that two copies restored
/// at the same time differ. `new_spool_id` (16 hexadecimal characters) is used when there is no log yet.
///
/// With Loss::accept: the log ends before damage in the newest segment, whose file is kept aside under a name that
/// ends in ".damaged"; where older segments are missing or unusable, their place is taken by one that says so, and a
/// Reader tells of it as damage with the range of offsets. Damage within older segments is not looked for here.
///
/// Errors: `locked` (another process has it), `corrupt` (what was durable is damaged or missing; nothing is changed;
/// the text says segment, position and offsets), `newer_format`, those of the files, those of on_record.
/// Even with Loss::accept `corrupt` comes when no whole state can be had, or files of several logs are mixed.
Result<RecoveredLog> recover(Files& files, const std::string& directory, const std::string& new_spool_id,
                             const OnRecord& on_record, std::uint64_t segment_bytes = segment_bytes_default,
                             Loss loss = Loss::refuse, WallNs now_ns = wall_now_ns(), std::uint16_t chance = 0);

/// The directory's segments, oldest first, their headers and the chain they form checked. `end` and `next_offset` of
/// the newest are not known: they are those of its head. Changes nothing and takes no lock: for tools. `corrupt` when
/// the chain is broken.
Result<std::vector<Segment>> list_segments(Files& files, const std::string& directory);

}  // namespace spindle::spool
