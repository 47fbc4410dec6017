#pragma once

#include <string>
#include <vector>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/damage.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::spool {

/// How the files of a directory form one log, as far as their headers and sizes tell: their records are not read,
/// except behind a gap's beginning, to say which offsets are missing.
struct Chain {
  /// Oldest first, serials without gaps. Each is a file, or is marked `lost` in its header; then there may be none.
  /// `end` and `next_offset` of the newest are not known: they are those of its head.
  std::vector<Segment> segments;

  /// What is missing or unusable and was not accepted so far, oldest first, and what would accept it:
  std::vector<Damage> damages;
  /// segments of the list above that need a file that says `lost`,
  std::vector<SegmentHeader> to_mark_lost;
  /// files that are cut off and need zeros up to the position where they should end,
  struct CutOff {
    std::string name;
    std::uint64_t end;
  };
  std::vector<CutOff> to_extend;
  /// files that cannot be part of the log: they need another name,
  std::vector<std::string> to_put_aside;
  /// and those that are newer than all that is usable.
  std::vector<std::string> to_put_aside_last;

  bool end_is_missing() const { return !to_put_aside_last.empty(); }
};

/// Changes nothing and takes no lock. Errors: `newer_format`; `corrupt` when the files are no log (of several spools,
/// two for one place); those of the files.
Result<Chain> read_chain(Files& files, const std::string& directory);

/// The same for who has no lock: what a process changes meanwhile (a trim between listing and reading) is not taken
/// for damage.
Result<Chain> read_chain_beside_writer(Files& files, const std::string& directory);

/// Whether a segment that was the newest is so no more: then its writer may have cut it off behind its end, which
/// would be damage in the newest one.
Result<bool> is_followed(Files& files, const std::string& directory, const Segment& newest);

}  // namespace spindle::spool
