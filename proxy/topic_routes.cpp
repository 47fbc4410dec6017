#include "proxy/topic_routes.hpp"

#include <algorithm>
#include <utility>

namespace spindle::proxy {

TopicRoutes::Route* TopicRoutes::find(BytesView topic) {
  const auto found = routes_.find(topic);
  return found == routes_.end() ? nullptr : &found->second;
}

TopicRoutes::Route& TopicRoutes::add(BytesView topic, std::vector<WatchedGroup*> groups) {
  if (routes_.size() >= routed_topics_max || entries_ + groups.size() > routed_entries_max) clear();
  entries_ += groups.size();
  return routes_[std::string(topic)] = {std::move(groups)};
}

void TopicRoutes::note_wants(WatchedGroup& group, const std::function<bool(BytesView topic)>& wants) {
  if (entries_ + routes_.size() > routed_entries_max) return clear();
  for (auto& [topic, route] : routes_) {
    if (!wants(topic) || std::find(route.groups.begin(), route.groups.end(), &group) != route.groups.end()) continue;
    route.groups.push_back(&group);
    ++entries_;
  }
}

void TopicRoutes::clear() {
  routes_.clear();
  entries_ = 0;
}

}  // namespace spindle::proxy
