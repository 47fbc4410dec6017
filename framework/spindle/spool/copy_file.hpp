#pragma once

#include <cstdint>
#include <string>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::spool {

/// A hard link where the file system can, else a copy, synced. `to` must not exist; its directory is not synced.
/// True when it is a link.
Result<bool> link_or_copy(Files& files, const std::string& from, const std::string& to);

/// A new file `to`, synced, with the segment's bytes up to `segment.end` and the flag of a copy in its header.
Result<void> copy_segment(Files& files, const std::string& from, const std::string& to, const Segment& segment);

/// A new file `to`, synced, with all bytes of `from` and zeros behind them up to the size `bytes`.
Result<void> copy_extended(Files& files, const std::string& from, const std::string& to, std::uint64_t bytes);

}  // namespace spindle::spool
