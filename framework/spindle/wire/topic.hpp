#pragma once

#include <string>
#include <string_view>

#include "spindle/base/result.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::wire {

/// Whether `topic` is one: dot-separated tokens of [A-Za-z0-9_-], 1 to limits::topic_bytes_max bytes.
/// The error names what is wrong with it.
Result<void> check_topic(std::string_view topic);

/// One token, at most limits::group_name_bytes_max bytes.
Result<void> check_group_name(std::string_view name);

/// `service/instance/worker` (any number of parts) of [A-Za-z0-9_.-], at most limits::source_bytes_max bytes.
Result<void> check_source(std::string_view source);

/// True without an explanation; usable at compile time to check a topic in an event type.
constexpr bool is_token_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

constexpr bool is_topic(std::string_view topic) {
  if (topic.empty() || topic.size() > limits::topic_bytes_max) return false;
  bool in_token = false;
  for (char c : topic) {
    if (c == '.') {
      if (!in_token) return false;
      in_token = false;
    } else if (is_token_character(c)) {
      in_token = true;
    } else {
      return false;
    }
  }
  return in_token;
}

/// A topic pattern: `*` stands for one token, a final `>` for one or more. Wildcards never match a first token that
/// begins with `_` (Spindle's own topics), so an audit of `>` does not see them.
class Pattern {
 public:
  static Result<Pattern> parse(std::string_view text);

  bool matches(std::string_view topic) const;
  /// What a SUB socket subscribes to: everything before the first wildcard. It may let other topics through.
  std::string_view literal_prefix() const;
  bool is_literal() const { return first_wildcard_ == std::string::npos; }
  const std::string& text() const { return text_; }

  friend bool operator==(const Pattern& a, const Pattern& b) { return a.text_ == b.text_; }
  friend bool operator<(const Pattern& a, const Pattern& b) { return a.text_ < b.text_; }

 private:
  explicit Pattern(std::string text);

  std::string text_;
  std::size_t first_wildcard_;
};

}  // namespace spindle::wire
