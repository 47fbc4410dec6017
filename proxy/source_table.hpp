#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spindle/wire/publish_messages.hpp"

namespace spindle::proxy {

/// Makes one outcome of two with consecutive numbers when the commits fared alike; false when they did not.
bool join(wire::Outcome& last, const wire::Outcome& next);

/// What the log knows of a source: which commits it has stored, so that none is stored twice.
struct Source {
  std::string name;
  std::uint64_t epoch = 0;
  /// The number of its last commit, stored or finally refused.
  std::uint64_t last_number = 0;
  /// Outcomes of the last commits, oldest first, each with run = 1 or a run without events; gapless up to
  /// last_number.
  std::deque<wire::Outcome> recent;

  /// Takes note of the outcome of the next commits (number = last_number + 1).
  void remember(wire::Outcome outcome);
  /// The outcomes of numbers [first, last], which are at or below last_number, as the first time.
  std::vector<wire::Outcome> repeat(std::uint64_t first, std::uint64_t last) const;
};

/// All sources that the log remembers. Pure.
class SourceTable {
 public:
  Source* find(std::string_view name);
  /// Makes it if it is not there.
  Source& get(std::string_view name);
  void forget(std::string_view name);
  std::size_t size() const { return sources_.size(); }

  /// One msgpack value for each source, and back.
  void write(wire::Writer& to) const;
  void read_one(wire::Cursor& at);

 private:
  std::map<std::string, Source, std::less<>> sources_;  // nodes stay where they are: sessions point at them
};

/// A bounded table: a hello of one more source gets too_many.
inline constexpr std::size_t sources_max = 100'000;

}  // namespace spindle::proxy
