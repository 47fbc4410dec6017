#pragma once

#include <set>
#include <string>
#include <string_view>

namespace spindle::proxy {

/// The prefixes that live subscribers asked for, each counted once: the XPUB reports the first subscription to a
/// prefix and the end of the last one.
class PrefixSet {
 public:
  void insert(std::string_view prefix) { prefixes_.emplace(prefix); }
  void erase(std::string_view prefix);
  bool empty() const { return prefixes_.empty(); }
  std::size_t size() const { return prefixes_.size(); }

  /// Whether some prefix is one of `topic`. A few look-ups, however many prefixes there are.
  bool matches(std::string_view topic) const;

 private:
  std::set<std::string, std::less<>> prefixes_;
};

}  // namespace spindle::proxy
