#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The topics of Spindle's own that belong to one group.
namespace spindle::proxy {

inline constexpr std::string_view replay_topics = "_spindle.replay.";

/// Where copies of the events go that a group could not take.
inline std::string dead_topic(std::string_view group) { return "_spindle.dead." + std::string(group); }

/// Where such an event goes when it is replayed to the group; its members see `topic`. It may be longer than topics
/// are, and never leaves the proxy. The id keeps it from a later group of the same name.
inline std::string replay_topic(std::string_view group, std::uint64_t group_id, std::string_view topic) {
  return std::string(replay_topics)
      .append(group)
      .append(".")
      .append(std::to_string(group_id))
      .append(".")
      .append(topic);
}

inline bool is_replay_topic(std::string_view topic) { return topic.starts_with(replay_topics); }

}  // namespace spindle::proxy
