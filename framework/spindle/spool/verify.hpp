#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/damage.hpp"

namespace spindle::spool {

/// What verify() looked at.
struct Verified {
  std::uint64_t segments = 0;
  std::uint64_t records = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::uint64_t damages = 0;
  std::uint64_t first_offset = 0;
  std::uint64_t next_offset = 0;
  /// Bytes of an unfinished batch stand behind the log's end: a process writes to it, or died while it did.
  bool torn = false;
};

using OnDamage = std::function<void(const Damage&)>;

/// Reads a whole spool and tells of everything in it that is not as FORMAT.md says: headers and the chain they form,
/// each record's checksum, gapless offsets, whole commits, times, the state at each head, seals, topic indexes. It
/// goes on behind each damage. Changes nothing and takes no lock: a process may write to the spool meanwhile, and
/// what that does is not taken for damage.
///
/// Errors, when it cannot go on: `not_found` (no directory), `invalid_argument` (no spool in it), `corrupt` (files of
/// several logs are mixed), `newer_format`, those of the files.
Result<Verified> verify(Files& files, const std::string& directory, const OnDamage& on_damage);

}  // namespace spindle::spool
