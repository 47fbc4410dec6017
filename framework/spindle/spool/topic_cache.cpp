#include "spindle/spool/topic_cache.hpp"

#include <algorithm>

namespace spindle::spool {
namespace {

/// What an entry, or a choice, takes at least.
constexpr std::size_t entry_bytes = 256;

}  // namespace

void SegmentTopics::reset(IndexEntry begin) {
  index = {};
  to = begin;
  choices_.clear();
  choices_bytes_ = 0;
}

const Selection& SegmentTopics::choose(const TopicFilter& filter) {
  if (choices_bytes_ > topic_choices_bytes_max) {
    choices_.clear();
    choices_bytes_ = 0;
  }
  auto [found, made] = choices_.try_emplace(filter.id);
  Choice& choice = found->second;
  if (!made && choice.of_records == index.records()) return choice.selection;
  if (!made) choices_bytes_ -= entry_bytes + choice.selection.positions.capacity() * sizeof(std::uint32_t);
  choice = {index.records(), Selection::of(index, filter)};
  choices_bytes_ += entry_bytes + choice.selection.positions.capacity() * sizeof(std::uint32_t);
  return choice.selection;
}

void TopicCache::count(SegmentTopics& topics) {
  const std::size_t bytes = entry_bytes + topics.index.memory_bytes() + topics.choices_bytes_;
  bytes_ += bytes - topics.counted_bytes_;
  topics.counted_bytes_ = bytes;
}

SegmentTopics& TopicCache::of(std::uint64_t serial, IndexEntry begin) {
  if (auto last = segments_.find(last_); last != segments_.end()) count(last->second);
  auto [found, made] = segments_.try_emplace(serial);
  if (made) found->second.reset(begin);
  found->second.used_ = ++uses_;
  count(found->second);
  last_ = serial;
  while (bytes_ > bytes_max_ && segments_.size() > 1) {
    auto older = [](const auto& a, const auto& b) { return a.second.used_ < b.second.used_; };
    forget(std::min_element(segments_.begin(), segments_.end(), older)->first);
  }
  return found->second;
}

void TopicCache::forget(std::uint64_t serial) {
  auto found = segments_.find(serial);
  if (found == segments_.end()) return;
  bytes_ -= found->second.counted_bytes_;
  segments_.erase(found);
}

}  // namespace spindle::spool
