#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/dead_letter.hpp"
#include "proxy/interval_set.hpp"
#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/session_messages.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::proxy {

/// Requests that read dead letters, of all clients together, at once.
inline constexpr std::size_t dead_requests_max = 16;
/// Letters in one answer, and letters that one request replays or discards.
inline constexpr std::size_t letters_per_request_max = 1'000;
/// An answer ends beyond this many bytes of letters; one letter always goes over.
inline constexpr std::size_t letters_answer_bytes_max = 512 * 1024;
/// An answer ends, though nothing may have matched, after reading this much, or finding so many letters unreadable.
inline constexpr std::size_t letters_read_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t unreadable_letters_max = 16;

/// What an operator asks about the dead letters of a group (PROTOCOL.md, "Administration"), and how far that has
/// come: a page of them, or to have some replayed or discarded. No I/O; the broker feeds it.
struct DeadRequest {
  enum class What : std::uint8_t { list, replay, discard };

  static bool is_one(std::string_view verb);
  /// Errors: unsupported (an argument that the verb does not have), malformed, invalid_argument, too_large.
  static Result<DeadRequest> parse(const wire::Admin& admin, wire::Values& scratch);

  What what = What::list;
  std::uint64_t session = 0;
  std::uint64_t answers = 0;
  std::uint64_t group = 0;

  // list
  std::uint64_t letters_max = letters_per_request_max;
  bool with_data = false;
  std::optional<wire::Pattern> topic;
  std::string reason;
  // replay, discard: these letters
  IntervalSet chosen;

  /// Letters below were looked at.
  std::uint64_t at = 0;
  std::uint64_t done = 0;
  std::size_t bytes_read = 0;
  Bytes letters;  // msgpack maps, `done` of them
  Bytes unreadable;
  std::uint64_t unreadable_count = 0;
  /// Why it goes no further, or "".
  std::string stopped;
  /// What it decided is in this batch: it goes on when that is durable, so that it never fills the memory.
  std::uint64_t after_batch = 0;

  /// The next of the group's letters to be read, and how far they go on without a gap; nothing when there is none
  /// below `end`.
  std::optional<Interval> next(const IntervalSet& kept, std::uint64_t end) const;
  /// This answer has as much as one may.
  bool full() const;
  void add(const DeadLetter& letter);
  void add_unreadable(std::uint64_t offset, std::string_view why);
  /// The answer's body.
  Bytes answer(const IntervalSet& kept, std::uint64_t kept_count, std::uint64_t end) const;
};

}  // namespace spindle::proxy
