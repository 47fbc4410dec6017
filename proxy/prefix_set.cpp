#include "proxy/prefix_set.hpp"

#include <algorithm>
#include <iterator>

namespace spindle::proxy {

void PrefixSet::erase(std::string_view prefix) {
  if (auto found = prefixes_.find(prefix); found != prefixes_.end()) prefixes_.erase(found);
}

bool PrefixSet::matches(std::string_view topic) const {
  // A prefix of the topic sorts before it, and so does everything between the two, which shares that prefix. So the
  // nearest entry before is one, or what it has in common with the topic bounds where one can be.
  std::string_view bound = topic;
  while (true) {
    auto after = prefixes_.upper_bound(bound);
    if (after == prefixes_.begin()) return false;
    const std::string& nearest = *std::prev(after);
    if (topic.starts_with(nearest)) return true;
    const auto differs = std::mismatch(topic.begin(), topic.end(), nearest.begin(), nearest.end()).first;
    bound = topic.substr(0, static_cast<std::size_t>(differs - topic.begin()));
  }
}

}  // namespace spindle::proxy
