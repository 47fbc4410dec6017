#pragma once

#include <string>
#include <vector>

#include "spindle/wire/message.hpp"

namespace spindle::wire {

/// Client: the packets of the message are one atomic commit of this number.
struct Publish {
  static constexpr Kind kind = Kind::publish;
  static constexpr std::size_t field_count = 1;
  std::uint64_t commit = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

enum class OutcomeStatus : std::uint8_t {
  /// Durable in the log now.
  stored = 0,
  /// Durable since before; its offset is no longer known.
  stored_before = 1,
  /// Finally refused; the number is consumed and the answer will never change.
  refused = 2,
};

/// What became of a commit, or of `run` commits with consecutive numbers that fared alike.
struct Outcome {
  std::uint64_t number = 0;
  std::uint64_t run = 1;
  OutcomeStatus status = OutcomeStatus::stored;
  /// Events stored by these commits together, and the offset of the first (gapless from there within one publish).
  std::uint64_t events = 0;
  std::uint64_t first_offset = 0;
  /// Of a refusal.
  ErrorCode code = ErrorCode::malformed;
  std::string text;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: outcomes in the order of their numbers; each is durable. Cumulative: everything up to the last number named
/// here has an outcome. Answers publish (kind published) and settle (kind settled).
template <Kind which>
struct Outcomes {
  static constexpr Kind kind = which;
  static constexpr std::size_t field_count = 2;
  std::uint64_t answers = 0;
  std::vector<Outcome> outcomes;

  void write(Writer& to) const {
    to.uint(answers).array(outcomes.size());
    for (const Outcome& outcome : outcomes) outcome.write(to);
  }
  void read(Cursor& at) {
    answers = at.uint("answers");
    const std::uint32_t count = at.array("outcomes");
    for (std::uint32_t i = 0; i < count && at.ok(); ++i) outcomes.emplace_back().read(at);
  }
};

using Published = Outcomes<Kind::published>;
using Settled = Outcomes<Kind::settled>;

/// Proxy: nothing from commit `number` on is stored, for a passing reason; resume and send them again.
struct Halted {
  static constexpr Kind kind = Kind::halted;
  static constexpr std::size_t field_count = 5;
  std::uint64_t answers = 0;
  std::uint64_t number = 0;
  std::string code;
  std::string text;
  std::uint64_t retry_after_ms = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client: after halted: commits from `number` on follow (the same or others).
struct Resume {
  static constexpr Kind kind = Kind::resume;
  static constexpr std::size_t field_count = 1;
  std::uint64_t number = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

}  // namespace spindle::wire
