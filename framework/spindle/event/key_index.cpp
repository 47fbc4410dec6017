#include "spindle/event/key_index.hpp"

#include <algorithm>

namespace spindle::event {

using wire::Value;
using wire::ValueType;

const Value* behind(const Value* value) {
  for (std::uint64_t left = 1; left > 0; --left) {
    if (value->type == ValueType::array) left += value->size;
    if (value->type == ValueType::map) left += 2ull * value->size;
    ++value;
  }
  return value;
}

std::string KeyIndex::build(const Value* first, std::size_t pairs) {
  entries_.reserve(pairs);
  const Value* at = first;
  for (std::size_t i = 0; i < pairs; ++i) {
    if (at->type != ValueType::str) return "has a key that is " + std::string(name(at->type)) + ", not a string";
    entries_.push_back({at->view(), at + 1});
    at = behind(at + 1);
  }
  end_ = at;
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  const auto twice = std::adjacent_find(entries_.begin(), entries_.end(),
                                        [](const Entry& a, const Entry& b) { return a.key == b.key; });
  if (twice == entries_.end()) return {};
  constexpr std::size_t shown = 60;
  return "has the key " + (wire::is_utf8(twice->key) ? std::string(twice->key.substr(0, shown)) : "(not UTF-8)") +
         " twice";
}

const Value* KeyIndex::find(std::string_view key) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), key,
                                   [](const Entry& entry, std::string_view wanted) { return entry.key < wanted; });
  return at != entries_.end() && at->key == key ? at->value : nullptr;
}

}  // namespace spindle::event
