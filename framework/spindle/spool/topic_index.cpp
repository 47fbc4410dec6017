#include "spindle/spool/topic_index.hpp"

#include <algorithm>
#include <cassert>

#include "spindle/spool/limits.hpp"
#include "spindle/spool/record.hpp"

namespace spindle::spool {
namespace {

/// Up to here names are compared one by one.
constexpr std::size_t few_topics = 16;
/// What a topic takes besides its name: the object, and its place among many.
constexpr std::size_t topic_overhead_bytes = 192;
/// A filter that wants this part of the records or more gets all of them.
constexpr std::uint64_t most_is_one_in = 8;

/// 7 bits a byte, the low ones first; the high bit says that more follow.
void append_number(Bytes& to, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) to += static_cast<char>(number | 0x80);
  to += static_cast<char>(number);
}

/// False at the end of the bytes, or when the number is not one of at most 35 bits.
bool take_number(BytesView& from, std::uint64_t& number) {
  number = 0;
  for (unsigned shift = 0; shift < 35 && !from.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    number |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

void TopicIndex::count(std::size_t bytes) {
  memory_bytes_ += bytes;
  if (memory_bytes_ <= topic_index_bytes_max) return;
  *this = {};
  gave_up_ = true;
}

TopicIndex::Topic& TopicIndex::topic(BytesView name) {
  if (newest_ < topics_.size() && topics_[newest_].name == name) return topics_[newest_];
  if (topics_.size() <= few_topics) {
    for (newest_ = 0; newest_ < topics_.size(); ++newest_) {
      if (topics_[newest_].name == name) return topics_[newest_];
    }
  } else {
    for (std::size_t i = places_.size(); i < topics_.size(); ++i) places_.emplace(topics_[i].name, i);
    auto place = places_.find(name);
    newest_ = place == places_.end() ? topics_.size() : place->second;
    if (place != places_.end()) return topics_[newest_];
  }
  return topics_.emplace_back(Topic{.name = Bytes(name), .records = 0, .last = 0, .steps = {}});
}

void TopicIndex::add(BytesView name, std::uint64_t position) {
  if (gave_up_) return;
  Topic& found = topic(name);
  assert(position > found.last && position % record_alignment == 0);
  const std::size_t before = found.records == 0 ? 0 : found.steps.size();
  append_number(found.steps, (position - found.last) / record_alignment);
  const std::size_t bytes =
      found.steps.size() - before + (found.records == 0 ? topic_overhead_bytes + 2 * name.size() : 0);
  found.last = position;
  ++found.records;
  ++records_;
  count(bytes);
}

void TopicIndex::add(const TopicIndex& behind) {
  if (behind.gave_up_) {
    *this = {};
    gave_up_ = true;
  }
  for (const Topic& one : behind.topics_) {
    std::uint64_t position = 0;
    std::uint64_t step = 0;
    for (BytesView steps = one.steps; take_number(steps, step);) {
      position += step * record_alignment;
      add(one.name, position);
    }
  }
}

Bytes TopicIndex::encode() const {
  assert(!gave_up_);
  Bytes bytes;
  bytes.reserve(memory_bytes_);
  for (const Topic& one : topics_) {
    append_number(bytes, one.name.size());
    bytes.append(one.name);
    append_number(bytes, one.records);
    bytes.append(one.steps);
  }
  return bytes;
}

std::optional<TopicIndex> TopicIndex::decode(BytesView bytes, std::uint64_t from, std::uint64_t to) {
  TopicIndex index;
  while (!bytes.empty()) {
    Topic one;
    std::uint64_t name_bytes = 0;
    if (!take_number(bytes, name_bytes) || name_bytes > bytes.size()) return std::nullopt;
    one.name = Bytes(bytes.substr(0, static_cast<std::size_t>(name_bytes)));
    bytes.remove_prefix(static_cast<std::size_t>(name_bytes));
    if (!take_number(bytes, one.records) || one.records == 0) return std::nullopt;
    const BytesView begin = bytes;
    for (std::uint64_t i = 0; i < one.records; ++i) {
      std::uint64_t step = 0;
      if (!take_number(bytes, step) || step == 0) return std::nullopt;
      one.last += step * record_alignment;
      if (one.last < from || one.last >= to) return std::nullopt;
    }
    one.steps = Bytes(begin.substr(0, begin.size() - bytes.size()));
    index.records_ += one.records;
    const std::size_t memory = topic_overhead_bytes + 2 * one.name.size() + one.steps.size();
    index.topics_.push_back(std::move(one));
    index.count(memory);
    if (index.gave_up_) return std::nullopt;
  }
  return index;
}

Selection Selection::of(const TopicIndex& index, const TopicFilter& filter) {
  if (index.gave_up_) return {.most = true, .positions = {}};
  std::vector<const TopicIndex::Topic*> wanted;
  std::uint64_t records = 0;
  for (const TopicIndex::Topic& one : index.topics_) {
    if (!filter.wants(one.name)) continue;
    wanted.push_back(&one);
    records += one.records;
  }
  Selection selection;
  selection.most = records > 0 && records * most_is_one_in >= index.records_;
  if (selection.most) return selection;
  selection.positions.reserve(static_cast<std::size_t>(records));
  for (const TopicIndex::Topic* one : wanted) {
    std::uint64_t position = 0;
    std::uint64_t step = 0;
    for (BytesView steps = one->steps; take_number(steps, step);) {
      position += step * record_alignment;
      selection.positions.push_back(static_cast<std::uint32_t>(position));
    }
  }
  if (wanted.size() > 1) std::sort(selection.positions.begin(), selection.positions.end());
  return selection;
}

}  // namespace spindle::spool
