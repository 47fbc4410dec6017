#include "spindle/wire/topic.hpp"

namespace spindle::wire {
namespace {

std::string quoted(std::string_view text) { return std::string("'").append(text.substr(0, 80)).append("'"); }

/// The token at the front of `rest`, which is moved behind it and its dot.
std::string_view next_token(std::string_view& rest) {
  std::size_t dot = rest.find('.');
  std::string_view token = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
  return token;
}

}  // namespace

Result<void> check_topic(std::string_view topic) {
  if (topic.size() > limits::topic_bytes_max) {
    return fail(ErrorCode::malformed, "topic has " + std::to_string(topic.size()) + " bytes; at most " +
                                          std::to_string(limits::topic_bytes_max) + " are allowed");
  }
  if (!is_topic(topic)) {
    return fail(ErrorCode::malformed,
                "topic " + quoted(topic) + " is not dot-separated tokens of letters, digits, '_' and '-'");
  }
  return {};
}

Result<void> check_group_name(std::string_view name) {
  if (name.size() <= limits::group_name_bytes_max && name.find('.') == std::string_view::npos && is_topic(name)) {
    return {};
  }
  return fail(ErrorCode::malformed, "group name " + quoted(name) + " is not one token of at most " +
                                        std::to_string(limits::group_name_bytes_max) +
                                        " letters, digits, '_' and '-'");
}

Result<void> check_source(std::string_view source) {
  bool good = !source.empty() && source.size() <= limits::source_bytes_max;
  for (char c : source) good = good && (is_token_character(c) || c == '/' || c == '.');
  if (good) return {};
  return fail(ErrorCode::malformed, "source " + quoted(source) + " is not 1 to " +
                                        std::to_string(limits::source_bytes_max) +
                                        " letters, digits, '_', '-', '.' and '/'");
}

Pattern::Pattern(std::string text) : text_(std::move(text)), first_wildcard_(text_.find_first_of("*>")) {}

Result<Pattern> Pattern::parse(std::string_view text) {
  auto bad = [&](std::string_view why) {
    return fail(ErrorCode::malformed, "pattern " + quoted(text) + " " + std::string(why));
  };
  if (text.empty() || text.back() == '.') return bad("is not dot-separated tokens, '*' or a final '>'");
  if (text.size() > limits::topic_bytes_max) return bad("is longer than a topic may be");
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view token = next_token(rest);
    if (token == ">" && !rest.empty()) return bad("has '>' before its end");
    if (token != "*" && token != ">" && !is_topic(token))
      return bad("is not dot-separated tokens, '*' or a final '>'");
  }
  return Pattern(std::string(text));
}

std::string_view Pattern::literal_prefix() const { return std::string_view(text_).substr(0, first_wildcard_); }

bool Pattern::matches(std::string_view topic) const {
  if (is_literal()) return topic == text_;
  if (!topic.starts_with(literal_prefix())) return false;
  if (first_wildcard_ == 0 && topic.starts_with('_')) return false;
  std::string_view pattern = std::string_view(text_).substr(first_wildcard_);
  std::string_view rest = topic.substr(first_wildcard_);
  while (!pattern.empty()) {
    std::string_view wanted = next_token(pattern);
    if (wanted == ">") return !rest.empty();
    if (rest.empty()) return false;
    std::string_view token = next_token(rest);
    if (wanted != "*" && wanted != token) return false;
  }
  return rest.empty();
}

}  // namespace spindle::wire
