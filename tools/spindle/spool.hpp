#pragma once

#include <optional>
#include <string>

#include "spindle/base/result.hpp"
#include "spindle/spool/chain.hpp"
#include "tools/spindle/command.hpp"

namespace CLI {
class App;
}

namespace spindle::cli {

// Each adds one subcommand of `spindle spool`. They look at a directory without locking it: a proxy may use it.
void add_spool_info(CLI::App& spool, Action& chosen);
void add_spool_verify(CLI::App& spool, Action& chosen);
void add_spool_dump(CLI::App& spool, Action& chosen);
void add_spool_backup(CLI::App& spool, Action& chosen);

/// The argument DIR.
void add_spool_directory(CLI::App& command, std::string& directory);

/// How the directory's segments form a log; an error when there is none at all.
Result<spool::Chain> open_chain(const std::string& directory);

/// The segment has no file: it is among the chain's damages.
bool is_gap(const spool::Chain& chain, const spool::Segment& segment);

/// A file of the spool that can be gone because a proxy trimmed it meanwhile.
inline bool was_trimmed(const Error& error) { return error.code == ErrorCode::not_found; }

}  // namespace spindle::cli
