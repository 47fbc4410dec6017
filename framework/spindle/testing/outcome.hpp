#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spindle/base/bytes.hpp"

namespace spindle::testing {

enum class Verdict : std::uint8_t {
  acked,
  retried,   ///< the handler threw, asked for it, or its deadline passed: it comes again after the backoff
  rejected,  ///< it is a dead letter: the handler said so, it does not decode, or no attempt is left
  kept,      ///< the handler kept its Delivery: to be settled in a later turn
  waits,     ///< an event of its key is to come again first; it is handed to the handler behind that
  refused,   ///< the proxy refused the turn (Harness::refuse_next_turn): nothing of it exists
};

/// "acked", …: what a failed CHECK prints.
std::string_view name(Verdict verdict);

/// What a group did with one delivery.
struct Settled {
  std::string group;
  std::string topic;
  std::uint64_t offset = 0;
  std::uint64_t attempt = 1;
  Verdict verdict = Verdict::acked;
  /// Of a retry, a reject or a refusal: what the handler threw, for example.
  std::string reason;
};

/// What became of one event at the groups that handle it.
class Outcome {
 public:
  explicit Outcome(std::vector<Settled> groups) : groups_(std::move(groups)) {}

  // Whether every group did so.
  bool acked() const { return all(Verdict::acked); }
  bool retried() const { return all(Verdict::retried); }
  bool rejected() const { return all(Verdict::rejected); }
  bool kept() const { return all(Verdict::kept); }
  bool waits() const { return all(Verdict::waits); }
  bool refused() const { return all(Verdict::refused); }

  /// Of the first group that gave one; "" if none did.
  std::string reason() const;
  /// In the order the groups were opened.
  const std::vector<Settled>& groups() const { return groups_; }

 private:
  bool all(Verdict verdict) const;

  std::vector<Settled> groups_;
};

/// An event that no attempt is left for, or that was rejected.
struct DeadLetter {
  std::string group;
  std::string topic;
  std::uint64_t offset = 0;
  std::uint64_t attempts = 0;
  std::string reason;
  /// The event's msgpack.
  Bytes data;
};

}  // namespace spindle::testing
