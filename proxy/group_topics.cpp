// Which stored topics are a group's, and what its members are told of them.
#include "proxy/group_topics.hpp"

#include <algorithm>

#include "proxy/group.hpp"

namespace spindle::proxy {
namespace {

/// What is replayed to a group is that group's alone, whatever patterns others have.
bool wanted(std::string_view stored, std::string_view replay_prefix, const std::vector<wire::Pattern>& patterns) {
  if (is_replay_topic(stored)) {
    if (!stored.starts_with(replay_prefix)) return false;
    stored.remove_prefix(replay_prefix.size());
  }
  return std::any_of(patterns.begin(), patterns.end(), [&](const wire::Pattern& p) { return p.matches(stored); });
}

}  // namespace

bool Group::wants_topic(std::string_view stored) const { return wanted(stored, replay_prefix_, patterns_); }

std::shared_ptr<const spool::TopicFilter> Group::topics() {
  if (topics_ == nullptr) {
    auto wants = [prefix = replay_prefix_, patterns = patterns_](BytesView topic) {
      return wanted(topic, prefix, patterns);
    };
    topics_ = std::make_shared<spool::TopicFilter>(
        spool::TopicFilter{.id = identity_.id << 32 | ++topics_made_, .wants = std::move(wants)});
  }
  return topics_;
}

std::string_view Group::topic_for_members(std::string_view stored) const {
  return stored.starts_with(replay_prefix_) ? stored.substr(replay_prefix_.size()) : stored;
}

}  // namespace spindle::proxy
