#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "spindle/base/bytes.hpp"

namespace spindle::proxy {

class WatchedGroup;

/// Topics, and groups that want them, that are remembered; beyond either it begins anew.
inline constexpr std::size_t routed_topics_max = 4'096;
inline constexpr std::size_t routed_entries_max = 1'000'000;

/// Remembers which groups want which topic, so that not every group is asked about every record. One thread.
class TopicRoutes {
 public:
  struct Route {
    /// Those that want the topic, and perhaps some that do not any more.
    std::vector<WatchedGroup*> groups;
    /// For the owner, to know what it has told them of already.
    std::uint64_t told = 0;
  };

  /// nullptr when the topic is not known. Valid until the next call of another function.
  Route* find(BytesView topic);
  /// Remembers a topic that is not known.
  Route& add(BytesView topic, std::vector<WatchedGroup*> groups);
  /// What the group wants is new: all that it wants of the topics that are known.
  void note_wants(WatchedGroup& group, const std::function<bool(BytesView topic)>& wants);
  void clear();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, Route, Hash, std::equal_to<>> routes_;
  std::size_t entries_ = 0;
};

}  // namespace spindle::proxy
