#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proxy/group.hpp"
#include "proxy/log.hpp"
#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"

namespace spindle::proxy {

/// What the proxy's log tells operators of groups: who changed what, members that are lost, attempts and events that
/// failed. One line each; those that may come by the thousand once a second at most, with how many there were. One
/// thread.
class GroupLog {
 public:
  /// `start`: where it begins; by the member that made it.
  void made(const Group& group, std::uint64_t start, const MemberKey& by) const;
  /// The answer of a verb that changes a group (PROTOCOL.md, "Administration"); nothing when it changed nothing.
  void changed(std::string_view verb, std::string_view who, BytesView answer) const;
  void changed(const Group& group, const std::vector<std::string>& changes, const MemberKey& by) const;
  /// It ended without a goodbye, and `held` deliveries.
  void member_lost(const Group& group, const MemberKey& member, std::uint64_t held) const;
  /// It did not come back after the proxy had started.
  void member_missing(const Group& group, const MemberKey& member) const;
  /// Of what Group::tick() returned, the deadlines that passed.
  void deadlines(const Group& group, const std::vector<GroupEffect>& effects, Now now);
  void dead(const Group& group, const Burial& burial, std::string_view topic, Now now);
  /// How many there were since the last lines, should no more follow.
  void say_rest(Now now);

 private:
  log::Throttle deadlines_;
  log::Throttle dead_;
};

}  // namespace spindle::proxy
