#pragma once

#include <string>
#include <vector>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/chain.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::spool {

// What recovery changes on the disk when a loss is accepted. Each step may be the last before a crash: then the next
// start finds less to accept, or the same. No file is changed in its place, since other copies of the spool may share
// it (hard links), and none that cannot be used is ever overwritten.

/// Fills the gaps of the chain: files that say `lost`, zeros where a file is cut off. Files that cannot be used go
/// aside before that, but for those at the log's end: were they gone before its end is marked as that of a copy, a
/// crash in between could make the log look whole.
Result<void> accept_gaps(Files& files, const std::string& directory, const Chain& chain);

/// Makes the log end at `newest.end`: the segment is written anew up to there, as that of a copy. With `keep` the
/// file as it was stays under another name.
Result<void> accept_lost_end(Files& files, const std::string& directory, const Segment& newest, bool keep);

/// Gives the files names that end in ".damaged".
Result<void> put_aside(Files& files, const std::string& directory, const std::vector<std::string>& names);

}  // namespace spindle::spool
