#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spindle/wire/publish_messages.hpp"

namespace spindle::proxy {

/// Makes one outcome of two with consecutive numbers when the commits fared alike; false when they did not.
bool join(wire::Outcome& last, const wire::Outcome& next);

/// What became of the last commits of one source, in as few bytes as will do: there are a hundred thousand of these.
/// Gapless up to the newest. Pure.
class OutcomeMemory {
 public:
  /// Takes note of the outcome of the next commits; forgets those that are limits::commits_in_flight_max behind.
  void add(const wire::Outcome& outcome);
  /// The newest outcome is of a commit that stored so many more events.
  void add_events(std::uint32_t count) { entries_.back().events += count; }
  /// The outcomes of numbers [first, last], none above the newest, as the first time: `stored_before` for those that
  /// are not known any more.
  std::vector<wire::Outcome> repeat(std::uint64_t first, std::uint64_t last) const;
  /// Keeps of what was stored only that it was; refusals stay as they are.
  void compact();

  bool empty() const { return entries_.size() == begin_; }
  std::size_t size() const { return entries_.size() - begin_; }
  /// Memory that it uses.
  std::size_t bytes() const { return entries_.capacity() * sizeof(Entry) + text_bytes_; }

  /// An array of outcomes, and back.
  void write(wire::Writer& to) const;
  void read(wire::Cursor& at);

 private:
  struct Entry {
    std::uint64_t number = 0;
    std::uint64_t run = 1;
    std::uint64_t first_offset = 0;
    std::uint32_t events = 0;
    wire::OutcomeStatus status = wire::OutcomeStatus::stored;
    ErrorCode code = ErrorCode::malformed;
    std::unique_ptr<const std::string> text;  // of a refusal

    wire::Outcome outcome() const;
  };
  bool join_last(const wire::Outcome& next);
  void drop_old();

  std::vector<Entry> entries_;
  std::size_t begin_ = 0;  // entries before it are forgotten
  std::size_t text_bytes_ = 0;
};

}  // namespace spindle::proxy
