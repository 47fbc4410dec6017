#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "event.hpp"
#include "proxy/group.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::simulation {

inline constexpr std::uint64_t nowhere = ~std::uint64_t{0};

/// What a group has to do with one event of the log.
struct Share {
  enum class Fate : std::uint8_t { open, acked, dead, lost };
  Fate fate = Fate::open;
  bool to_bury = false;
  /// Attempts that failed, as the log says.
  std::uint64_t failed = 0;
  /// When that was decided last, counted in the oracle's rounds.
  std::uint64_t changed_in_round = 0;

  /// The newest delivery that anybody was told of.
  wire::DeliveryId newest;
  std::uint64_t newest_attempt = 0;
  /// Claimed since by those who had it before, under the ids of then: it is one of these again if nobody has it.
  std::vector<wire::DeliveryId> claimed;
  /// Whose it is now and until when at least; nobody's when there is no peer.
  std::string holder;
  Instant held_until{};
  /// Who may have it when that is nobody's for certain: who had it and has settled it (the log does not say yet what
  /// became of that), or was told of it just when that may have been taken back.
  std::string perhaps;
};

/// A group as the log has it.
struct GroupTruth {
  std::string name;
  struct Wanted {
    wire::Pattern pattern;
    std::uint64_t from;
  };
  std::vector<Wanted> patterns;
  /// By topic number: from which offset on the group wants it.
  std::vector<std::uint64_t> wanted_from;
  /// One for each event of the log that is kept.
  std::deque<Share> shares;
  std::set<std::pair<std::string, std::uint64_t>> members;
  /// Somebody joined it once; until then its patterns are those that it began with.
  bool joined = false;
  /// Everything below was seen to be settled.
  std::uint64_t settled_below = 0;
  /// Offsets that somebody holds.
  std::set<std::uint64_t> held;
  /// By key: offsets of events that are wanted and not settled.
  std::map<std::uint32_t, std::set<std::uint64_t>> open_by_key;
};

struct SourceTruth {
  std::uint64_t epoch = 0;
  std::uint64_t last_number = 0;
  std::map<std::uint64_t, wire::Outcome> outcomes;
};

/// What stands in the log for certain. Made from the records as they become durable, so it is what the proxy must
/// know after every crash; a copy of it belongs to a copy of the spool.
struct Truth {
  struct Entry {
    std::uint64_t event = 0;
    std::uint32_t topic = 0;
    std::uint64_t bytes_each = 0;
    WallNs time_ns = 0;
  };
  std::uint64_t first_offset = 0;
  std::deque<Entry> log;
  /// By event: where it stands, or `nowhere`.
  std::vector<std::uint64_t> offset_of;
  std::map<std::string, SourceTruth, std::less<>> sources;
  std::map<std::uint64_t, GroupTruth> groups;
  std::vector<std::string> topics;
  /// The newest segment, and checksums of the records in it.
  std::uint64_t serial = 0;
  std::vector<std::size_t> records;
  /// Those of the segment before.
  std::vector<std::size_t> records_before;

  std::uint64_t next_offset() const { return first_offset + log.size(); }
  const Entry& at(std::uint64_t offset) const { return log[offset - first_offset]; }
  Share& share(GroupTruth& group, std::uint64_t offset) const { return group.shares[offset - first_offset]; }
  bool wants(const GroupTruth& group, std::uint64_t offset) const {
    return group.wanted_from[at(offset).topic] <= offset;
  }
  GroupTruth* group_named(std::string_view name) {
    for (auto& [id, group] : groups) {
      if (group.name == name) return &group;
    }
    return nullptr;
  }
};

}  // namespace spindle::simulation
