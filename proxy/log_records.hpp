#pragma once

#include <string>
#include <vector>

#include "proxy/group.hpp"
#include "spindle/wire/publish_messages.hpp"

/// The bodies of the broker's own records in the log (FORMAT.md, "Records of the broker"): a msgpack array, and
/// behind it one value for each outcome or effect that it counts.
namespace spindle::proxy {

/// Kind source: the source was granted an epoch, or is forgotten. Without a name: the sources' clock, in `epoch`, in
/// milliseconds.
struct SourceRecord {
  std::string source;
  std::uint64_t epoch = 0;
  bool forget = false;

  Bytes encode() const;
  static Result<SourceRecord> decode(BytesView body, wire::Values& values);
};

/// Kind outcome: a commit that was finally refused.
struct OutcomeRecord {
  std::string source;
  wire::Outcome outcome;

  Bytes encode() const;
  static Result<OutcomeRecord> decode(BytesView body, wire::Values& values);
};

/// Kind settle: the turns of one settle message; the events that they publish follow in the same commit.
struct SettleRecord {
  std::string source;
  std::vector<wire::Outcome> outcomes;
  std::vector<GroupEffect> effects;

  Bytes encode() const;
  static Result<SettleRecord> decode(BytesView body, wire::Values& values);
};

/// Kind group: one change of one group.
struct GroupRecord {
  enum class What : std::uint8_t {
    create = 0,
    pattern = 1,
    joined = 2,
    left = 3,
    effects = 4,
    pause = 5,         ///< or resume
    seek = 6,          ///< to another position, under a higher generation
    remove = 7,        ///< the group and all that it keeps are gone
    alter = 8,         ///< other options
    drop_pattern = 9,  ///< it does not want it any more
  };
  What what = What::create;
  std::uint64_t group = 0;
  /// create: the group's values, as Group::write makes them.
  Bytes value;
  std::string pattern;
  MemberKey member;
  /// joined: hand-outs with lower numbers are not the member's.
  std::uint64_t own_from = 0;
  std::vector<GroupEffect> effects;
  bool paused = false;
  std::uint64_t position = 0;
  std::uint64_t generation = 0;
  /// remove: why, for people.
  std::string reason;
  wire::GroupOptions options;

  Bytes encode() const;
  static Result<GroupRecord> decode(BytesView body, wire::Values& values);
};

}  // namespace spindle::proxy
