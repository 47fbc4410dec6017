#include "proxy/group_table.hpp"

#include <algorithm>

namespace spindle::proxy {

GroupTable::Map::iterator GroupTable::begin() {
  for (auto& [id, group] : groups_) touch(group);
  return groups_.begin();
}

GroupTable::Map::iterator GroupTable::find(std::uint64_t id) {
  const auto found = groups_.find(id);
  if (found != groups_.end()) touch(found->second);
  return found;
}

Group& GroupTable::add(std::unique_ptr<Group> group) {
  const std::uint64_t id = group->id();
  erase(id);
  WatchedGroup& added = groups_.emplace(id, std::move(group)).first->second;
  touch(added);
  return *added;
}

void GroupTable::erase(std::uint64_t id) {
  const auto found = groups_.find(id);
  if (found == groups_.end()) return;
  WatchedGroup& group = found->second;
  note_due(group, std::nullopt);
  note_expiry(group, std::nullopt);
  readers_.erase(id);
  wake_at(group, none);
  std::erase(due_stale_, &group);
  std::erase(reads_stale_, &group);
  routes_.clear();
  groups_.erase(found);
}

void GroupTable::touch(WatchedGroup& group) {
  pass_unread(group);
  group.quiet_ = false;
  if (!std::exchange(group.due_stale_, true)) due_stale_.push_back(&group);
  if (!std::exchange(group.reads_stale_, true)) reads_stale_.push_back(&group);
}

/// What is durable and before the first event that it wants.
void GroupTable::pass_unread(WatchedGroup& group) const {
  if (!group.quiet_ || group->position() < group.told_from_) return;
  group->pass_unwanted_to(std::min(group.wanted_, durable_end_));
}

void GroupTable::catch_up() {
  for (auto& [id, group] : groups_) pass_unread(group);
}

TopicRoutes::Route& GroupTable::route_of(BytesView topic) {
  if (TopicRoutes::Route* known = routes_.find(topic)) return *known;
  std::vector<WatchedGroup*> wanting;
  for (auto& [id, group] : groups_) {
    if (group.topics_ != nullptr && group.topics_->wants(topic)) wanting.push_back(&group);
  }
  return routes_.add(topic, std::move(wanting));
}

/// Each group is told of the first event only, so each topic is gone through once for all who wait.
void GroupTable::note_append(BytesView topic, std::uint64_t offset) {
  if (waits_ == 0) return;
  TopicRoutes::Route& route = route_of(topic);
  if (std::exchange(route.told, waits_) == waits_) return;
  for (WatchedGroup* group : route.groups) {
    if (group->told_from_ == none || group->wanted_ != none) continue;
    group->wanted_ = offset;
    if (group->quiet_ && group->wakes_at_ == none) wake_at(*group, offset);
  }
}

void GroupTable::wake_at(WatchedGroup& group, std::uint64_t offset) {
  if (group.wakes_at_ == offset) return;
  if (group.wakes_at_ != none) waking_.erase({group.wakes_at_, group->id()});
  if (offset != none) waking_.insert({offset, group->id()});
  group.wakes_at_ = offset;
}

std::vector<Group*> GroupTable::readers(std::uint64_t log_end, Now now) {
  while (!waking_.empty() && waking_.begin()->first < durable_end_) {
    WatchedGroup& group = groups_.at(waking_.begin()->second);
    wake_at(group, none);
    touch(group);
  }
  for (WatchedGroup* group : std::exchange(reads_stale_, {})) {
    group->reads_stale_ = false;
    place(*group, log_end, now);
  }
  std::vector<Group*> readers;
  for (const auto& [id, group] : readers_) readers.push_back(group);
  return readers;
}

/// Reads, waits for the log to go on, or has nothing to do until it is touched.
void GroupTable::place(WatchedGroup& group, std::uint64_t log_end, Now now) {
  const auto wanted = group->wants(none, now);
  const bool reads = wanted && (wanted->at_offset || wanted->offset < durable_end_);
  group.quiet_ = wanted && !reads;
  if (reads) {
    readers_[group->id()] = group.get();
  } else {
    readers_.erase(group->id());
  }
  if (group.quiet_) return follow(group, log_end);
  wake_at(group, none);
  if (!wanted) group.told_from_ = none;
}

/// It is told of what it wants from the log's end on. Whether it wants what is before that is not known.
void GroupTable::follow(WatchedGroup& group, std::uint64_t log_end) {
  if (const auto topics = group->topics(); topics != group.topics_) {
    group.topics_ = topics;
    group.told_from_ = none;
    routes_.note_wants(group, topics->wants);
  }
  const std::uint64_t position = group->position();
  if (group.told_from_ == none || group.wanted_ < position) {
    group.told_from_ = log_end;
    group.wanted_ = none;
    ++waits_;
  }
  wake_at(group, position < group.told_from_ ? position : group.wanted_);
}

void GroupTable::look_at_due() {
  for (WatchedGroup* stale : std::exchange(due_stale_, {})) {
    WatchedGroup& group = *stale;
    group.due_stale_ = false;
    note_due(group, group->next_due());
    note_expiry(group, group->expires() ? std::optional(group->settings().expires_ms) : std::nullopt);
  }
}

void GroupTable::note_due(WatchedGroup& group, std::optional<Instant> due) {
  if (due == group.due_) return;
  if (group.due_) dues_.erase({*group.due_, group->id()});
  if (due) dues_.insert({*due, group->id()});
  group.due_ = due;
}

void GroupTable::note_expiry(WatchedGroup& group, std::optional<std::uint64_t> expires_ms) {
  if (expires_ms == group.expires_ms_) return;
  if (group.expires_ms_) expiries_ms_.erase(expiries_ms_.find(*group.expires_ms_));
  if (expires_ms) expiries_ms_.insert(*expires_ms);
  group.expires_ms_ = expires_ms;
}

std::optional<Duration> GroupTable::shortest_expiry() {
  look_at_due();
  if (expiries_ms_.empty()) return std::nullopt;
  return std::chrono::milliseconds(*expiries_ms_.begin());
}

std::vector<std::uint64_t> GroupTable::due(Now now) {
  look_at_due();
  std::vector<std::uint64_t> due;
  for (auto at = dues_.begin(); at != dues_.end() && at->first <= now.instant; ++at) due.push_back(at->second);
  std::sort(due.begin(), due.end());
  return due;
}

std::optional<Instant> GroupTable::next_due() {
  look_at_due();
  if (dues_.empty()) return std::nullopt;
  return dues_.begin()->first;
}

}  // namespace spindle::proxy
