#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle::cli {

/// What the proxy tells of a group (PROTOCOL.md, "Administration").
struct GroupFigures {
  /// The delivery that is out for longest.
  struct Oldest {
    std::optional<std::uint64_t> ms;
    std::uint64_t attempt = 0;
    std::uint64_t offset = 0;
  };
  struct Member {
    std::string source;
    std::uint64_t number = 0;
    std::uint64_t pending = 0;
    bool suspended = false;
    Oldest oldest;
    /// Since its client was last heard of.
    std::optional<std::uint64_t> silent_ms;
  };
  /// An event whose attempts so far failed.
  struct Failed {
    std::uint64_t offset = 0;
    std::uint64_t attempts = 0;
    std::string reason;
    /// Until the next attempt; nothing when that is due or under way.
    std::optional<std::uint64_t> retry_in_ms;
  };
  struct ByPattern {
    std::string pattern;
    std::uint64_t pending = 0;
    std::uint64_t unhandled = 0;
    std::uint64_t lag = 0;
  };
  struct Loss {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::string reason;
  };
  std::string name;
  std::uint64_t id = 0;
  std::vector<std::string> patterns;
  std::vector<ByPattern> by_pattern;
  std::vector<Member> members;
  std::uint64_t member_count = 0;
  std::vector<std::pair<std::string, std::uint64_t>> options;
  std::vector<std::pair<std::string, std::uint64_t>> unhandled;
  std::uint64_t unhandled_topics = 0;
  std::uint64_t unhandled_events = 0;
  std::uint64_t generation = 0;
  bool paused = false;
  std::uint64_t lag = 0;
  std::uint64_t pending = 0;
  Oldest oldest;
  std::uint64_t redelivered = 0;
  std::uint64_t retrying = 0;
  /// The oldest of them.
  std::vector<Failed> failed;
  std::uint64_t held_back = 0;
  std::uint64_t dead = 0;
  std::uint64_t letters = 0;
  std::uint64_t position = 0;
  std::uint64_t floor = 0;
  std::uint64_t end = 0;
  std::uint64_t lost = 0;
  std::vector<Loss> losses;
  std::uint64_t keeps_from = 0;
  std::uint64_t keeps_bytes = 0;
  /// Why it keeps the oldest segment, if it is the one that does.
  std::string keeps_oldest;
  std::string stalled;
};

/// From the proxy's answer; keys that are not known are skipped.
Result<std::vector<GroupFigures>> read_groups(BytesView body);

}  // namespace spindle::cli
