#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "proxy/group.hpp"
#include "proxy/topic_routes.hpp"

namespace spindle::proxy {

/// A group, and what the table knows of it.
class WatchedGroup {
 public:
  explicit WatchedGroup(std::unique_ptr<Group> group) : group_(std::move(group)) {}
  Group* operator->() { return group_.get(); }
  Group& operator*() { return *group_; }
  const Group* operator->() const { return group_.get(); }
  const Group& operator*() const { return *group_; }
  Group* get() { return group_.get(); }
  const Group* get() const { return group_.get(); }

 private:
  friend class GroupTable;
  static constexpr std::uint64_t none = ~std::uint64_t{0};

  std::unique_ptr<Group> group_;
  bool due_stale_ = false;
  bool reads_stale_ = false;
  std::optional<Instant> due_;
  std::optional<std::uint64_t> expires_ms_;
  /// It has read everything that is durable and would take more.
  bool quiet_ = false;
  /// With which offset that goes on, if it is known to.
  std::uint64_t wakes_at_ = none;
  /// Of the events from here on, the first that it wants is wanted_.
  std::uint64_t told_from_ = none;
  std::uint64_t wanted_ = none;
  /// What it wanted when it was put into the routes.
  std::shared_ptr<const spool::TopicFilter> topics_;
};

/// All groups by id, and which of them have something to do: groups that want nothing of what is published, or have
/// nobody to hand it to, cost a turn of the loop nothing.
///
/// Whoever reaches a group in a way that it may be changed by makes the table look at it again. A group that is up
/// with the log is told of the first event that it wants (note_append), and passes over what is before it without
/// reading that: when it is next reached, or in catch_up(). One thread.
class GroupTable {
 public:
  using Map = std::map<std::uint64_t, WatchedGroup>;

  // --- as a map -----------------------------------------------------------------------------------------------
  bool empty() const { return groups_.empty(); }
  std::size_t size() const { return groups_.size(); }
  Map::const_iterator begin() const { return groups_.begin(); }
  Map::const_iterator end() const { return groups_.end(); }
  /// The first with a higher id.
  Map::const_iterator upper_bound(std::uint64_t id) const { return groups_.upper_bound(id); }
  /// Reaches all.
  Map::iterator begin();
  Map::iterator end() { return groups_.end(); }
  Map::iterator find(std::uint64_t id);
  /// The group must be there.
  WatchedGroup& at(std::uint64_t id) { return find(id)->second; }
  /// Adds the group, or replaces the one with its id.
  Group& add(std::unique_ptr<Group> group);
  void erase(std::uint64_t id);
  void clear() { *this = GroupTable(); }

  // --- the log ------------------------------------------------------------------------------------------------
  /// Events below are durable; groups may be given them.
  void set_durable_end(std::uint64_t offset) { durable_end_ = offset; }
  /// Events on this topic are to be stored at `offset`, where the log ends.
  void note_append(BytesView topic, std::uint64_t offset);
  /// What was passed over without being read shows in the groups' positions and floors: before all are looked at.
  void catch_up();

  // --- who has something to do --------------------------------------------------------------------------------
  /// The groups that may want to read, in the order of their ids. `log_end` is where the next event will stand.
  std::vector<Group*> readers(std::uint64_t log_end, Now now);
  /// Those with something due, by id.
  std::vector<std::uint64_t> due(Now now);
  std::optional<Instant> next_due();
  /// The shortest time after which a group without members expires, of those that would; nothing when none would.
  std::optional<Duration> shortest_expiry();

 private:
  static constexpr std::uint64_t none = WatchedGroup::none;

  void touch(WatchedGroup& group);
  void pass_unread(WatchedGroup& group) const;
  void look_at_due();
  void note_due(WatchedGroup& group, std::optional<Instant> due);
  void note_expiry(WatchedGroup& group, std::optional<std::uint64_t> expires_ms);
  void place(WatchedGroup& group, std::uint64_t log_end, Now now);
  void follow(WatchedGroup& group, std::uint64_t log_end);
  void wake_at(WatchedGroup& group, std::uint64_t offset);
  TopicRoutes::Route& route_of(BytesView topic);

  Map groups_;
  std::vector<WatchedGroup*> due_stale_;
  std::vector<WatchedGroup*> reads_stale_;
  std::set<std::pair<Instant, std::uint64_t>> dues_;
  std::multiset<std::uint64_t> expiries_ms_;
  std::map<std::uint64_t, Group*> readers_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> waking_;  // offset and group
  TopicRoutes routes_;
  /// How often a group began to wait for the first event that it wants.
  std::uint64_t waits_ = 0;
  std::uint64_t durable_end_ = 0;
};

}  // namespace spindle::proxy
