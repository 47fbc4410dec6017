#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/outcome_memory.hpp"
#include "spindle/wire/publish_messages.hpp"

namespace spindle::proxy {

/// What the log knows of a source: which commits it has stored, so that none is stored twice.
struct Source {
  /// The table's own.
  std::string_view name;
  std::uint64_t epoch = 0;
  /// The number of its last commit, stored or finally refused.
  std::uint64_t last_number = 0;
  /// The table's clock when it was used last.
  std::uint64_t used_ms = 0;
  OutcomeMemory recent;
  /// Its place in the order of use.
  std::list<Source*>::iterator place;

  /// The outcomes of numbers [first, last], which are at or below last_number, as the first time.
  std::vector<wire::Outcome> repeat(std::uint64_t first, std::uint64_t last) const {
    return recent.repeat(first, last);
  }
};

/// All sources that the log remembers, in the order of their last use. Pure.
///
/// Its clock counts the time that proxies have served this log, not the hours of a day: whatever the wall clock does,
/// a source is idle only for as long as it could have spoken.
class SourceTable {
 public:
  /// The memory for outcomes, over all sources.
  explicit SourceTable(std::size_t outcome_bytes_max) : outcome_bytes_max_(outcome_bytes_max) {}
  SourceTable(const SourceTable&) = delete;
  SourceTable& operator=(const SourceTable&) = delete;

  Source* find(std::string_view name);
  /// Makes it if it is not there.
  Source& get(std::string_view name);
  void forget(std::string_view name);
  void clear();
  std::size_t size() const { return sources_.size(); }

  /// It is in use now.
  void touch(Source& source);
  /// Takes note of the outcome of its next commits (number = last_number + 1). When there is no room for all
  /// outcomes, those that use nothing for longest keep of theirs only what must be kept: what was stored, and
  /// refusals.
  void remember(Source& source, const wire::Outcome& outcome);
  /// The newest commit of the source stored so many events more.
  void add_events(Source& source, std::uint32_t count) { source.recent.add_events(count); }
  /// Refusals alone fill the memory for outcomes: no commit may be taken that could become another one.
  bool full() const { return outcome_bytes_ > outcome_bytes_max_; }
  std::size_t outcome_bytes() const { return outcome_bytes_; }

  std::uint64_t clock_ms() const { return clock_ms_; }
  void set_clock(std::uint64_t clock_ms) { clock_ms_ = clock_ms; }
  /// All of them, the one whose last use is longest ago first.
  const std::list<Source*>& by_use() const { return by_use_; }
  /// No source counts as idle for longer than this: whoever was cut off gets the time to come back.
  void limit_idleness(std::uint64_t idle_ms);

  /// One msgpack value for each source, and back.
  void write(wire::Writer& to) const;
  void read_one(wire::Cursor& at);

 private:
  void make_room();

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::size_t outcome_bytes_max_;
  std::size_t outcome_bytes_ = 0;
  std::uint64_t clock_ms_ = 0;
  std::unordered_map<std::string, Source, TextHash, std::equal_to<>> sources_;  // nodes stay where they are
  std::list<Source*> by_use_;
  /// The outcomes of all before it are compacted.
  std::list<Source*>::iterator detailed_ = by_use_.end();
};

/// A bounded table: a hello of one more source gets too_many.
inline constexpr std::size_t sources_max = 100'000;
/// Memory for what became of the last commits of all sources.
inline constexpr std::size_t outcome_bytes_max = 32 * 1024 * 1024;

}  // namespace spindle::proxy
