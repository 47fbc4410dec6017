#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spindle/wire/values.hpp"

namespace spindle::event {

/// The value that follows `value` and all that is inside it.
const wire::Value* behind(const wire::Value* value);

/// Where each key of one map is: for the maps whose keys are not exactly the fields in their order (a newer or older
/// writer, or one in another language).
class KeyIndex {
 public:
  /// Reads `pairs` pairs from `first` on. Gives what is wrong, or nothing: a key that is not a string, a key twice.
  std::string build(const wire::Value* first, std::size_t pairs);

  /// The key's value, or null.
  const wire::Value* find(std::string_view key) const;
  /// What follows the map.
  const wire::Value* end() const { return end_; }

 private:
  struct Entry {
    std::string_view key;
    const wire::Value* value;
  };

  std::vector<Entry> entries_;  // sorted by key
  const wire::Value* end_ = nullptr;
};

}  // namespace spindle::event
