#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"

namespace spindle::spool {

/// What a copy of a spool holds.
struct Backup {
  std::string spool_id;
  std::uint64_t incarnation = 1;
  std::uint64_t first_offset = 0;
  std::uint64_t next_offset = 0;
  std::size_t segments = 0;
  /// Segments that share their bytes with the original; the others were copied.
  std::size_t linked = 0;
};

/// Makes the directory `to`, which must not exist, a copy of the spool in `from`: all that was durable when it began,
/// up to a whole commit. Everything is synced, and `to` is there as a whole or not at all: it is built as
/// `to`.partial. A process may write to the spool meanwhile: it is not locked and nothing in it is changed. Segments
/// that are complete are hard links where the file system can; nobody ever changes what they hold.
///
/// To restore it, let a proxy start on the copy: the newest segment says that it is one (FORMAT.md, "Copies").
///
/// Errors: `invalid_argument` (`to` exists, or there is something else at `to`.partial), `not_found` (no spool at
/// `from`), `corrupt` (the spool is damaged where recovery would see it; verify() says all of it), `newer_format`,
/// `locked` (another backup to the same place), those of the files.
Result<Backup> backup(Files& files, const std::string& from, const std::string& to);

}  // namespace spindle::spool
