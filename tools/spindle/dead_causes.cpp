#include "tools/spindle/dead_causes.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "tools/spindle/event_line.hpp"
#include "tools/spindle/msgpack_to_json.hpp"

namespace spindle::cli {
namespace {

constexpr std::size_t hex_id_min = 4;
constexpr std::string_view number_mark = "#";
constexpr std::string_view quoted_mark = "'…'";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
bool has_digit(std::string_view text) { return std::any_of(text.begin(), text.end(), is_digit); }

/// 550e8400-e29b-41d4-a716-446655440000
bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
  }
  return true;
}

/// "12.5", "10.0.0.1" and "1,000" are one number.
void append_number(std::string& out) {
  const std::size_t size = out.size();
  if (size >= 2 && out[size - 2] == '#' && (out[size - 1] == '.' || out[size - 1] == ',')) return out.pop_back();
  out += number_mark;
}

/// Letters and digits without anything in between.
void append_word(std::string& out, std::string_view word) {
  std::string_view hex = word;
  if (hex.starts_with("0x") || hex.starts_with("0X")) hex.remove_prefix(2);
  if (!has_digit(word)) {
    out += word;
  } else if (hex.size() >= hex_id_min && std::all_of(hex.begin(), hex.end(), is_hex)) {
    append_number(out);
  } else {
    for (std::size_t i = 0; i < word.size(); ++i) {
      if (!is_digit(word[i])) {
        out += word[i];
      } else if (i == 0 || !is_digit(word[i - 1])) {
        append_number(out);
      }
    }
  }
}

/// The end of the quotation that begins at `at`, behind its closing mark; 0 when none does. An apostrophe is none.
std::size_t quotation_end(std::string_view text, std::size_t at) {
  const char mark = text[at];
  if (mark != '"' && mark != '\'' && mark != '`') return 0;
  if (mark == '\'' && at > 0 && is_word(text[at - 1])) return 0;
  for (std::size_t end = text.find(mark, at + 1); end != text.npos; end = text.find(mark, end + 1)) {
    if (mark != '\'' || end + 1 == text.size() || !is_word(text[end + 1])) return end + 1;
  }
  return 0;
}

using Row = std::array<std::string, 8>;
constexpr std::array<bool, 8> is_number{false, false, true, false, false, true, true, false};

}  // namespace

std::string cause_of(std::string_view reason) {
  std::string out;
  std::size_t at = 0;
  while (at < reason.size()) {
    if (const std::size_t end = quotation_end(reason, at); end > 0) {
      out += quoted_mark;
      at = end;
    } else if (is_uuid(reason.substr(at, 36)) && (at + 36 == reason.size() || !is_word(reason[at + 36])) &&
               (at == 0 || !is_word(reason[at - 1]))) {
      out += number_mark;
      at += 36;
    } else if (is_word(reason[at])) {
      std::size_t word_end = at;
      while (word_end < reason.size() && is_word(reason[word_end])) ++word_end;
      append_word(out, reason.substr(at, word_end - at));
      at = word_end;
    } else {
      out += reason[at++];
    }
  }
  return out;
}

void Causes::add(const std::string& group, const Letter& letter) {
  const std::string cause = exact_ ? letter.reason : cause_of(letter.reason);
  Cause& one = by_key_[{group, letter.topic, cause}];
  if (one.count++ == 0) {
    one = {group, letter.topic, letter.reason, 1, letter.time_ns, letter.time_ns, letter.offset, letter.offset};
    return;
  }
  if (one.reason != letter.reason) one.reason = cause;
  one.first_ns = std::min(one.first_ns, letter.time_ns);
  one.last_ns = std::max(one.last_ns, letter.time_ns);
  one.oldest = std::min(one.oldest, letter.offset);
  one.newest = std::max(one.newest, letter.offset);
}

std::vector<Cause> Causes::all() const {
  std::vector<Cause> causes;
  for (const auto& [key, cause] : by_key_) causes.push_back(cause);
  std::stable_sort(causes.begin(), causes.end(), [](const Cause& a, const Cause& b) { return a.count > b.count; });
  return causes;
}

std::string second_of(WallNs time) {
  Bytes text;
  append_time(text, time);
  return std::string(text.substr(0, text.find('.'))) + "Z";
}

std::string cause_table(const std::vector<Cause>& causes) {
  std::vector<Row> rows{{"GROUP", "TOPIC", "LETTERS", "FIRST", "LAST", "OLDEST", "NEWEST", "REASON"}};
  for (const Cause& cause : causes) {
    rows.push_back({cause.group, cause.topic, std::to_string(cause.count), second_of(cause.first_ns),
                    second_of(cause.last_ns), std::to_string(cause.oldest), std::to_string(cause.newest),
                    cause.reason});
  }
  std::array<std::size_t, 8> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      const std::string blanks(widths[i] - row[i].size(), ' ');
      out += is_number[i] ? blanks + row[i] : row[i] + blanks;
      out += "  ";
    }
    out += row.back() + "\n";
  }
  return out;
}

Bytes causes_as_json(const std::vector<Cause>& causes) {
  Bytes out = "[";
  for (const Cause& cause : causes) {
    out += out.size() > 1 ? ",\n {\"group\":" : "{\"group\":";
    append_json_string(out, cause.group);
    out += ",\"topic\":";
    append_json_string(out, cause.topic);
    out += ",\"reason\":";
    append_json_string(out, cause.reason);
    out += ",\"letters\":";
    append_json_number(out, cause.count);
    out += ",\"first\":\"";
    append_time(out, cause.first_ns);
    out += "\",\"last\":\"";
    append_time(out, cause.last_ns);
    out += "\",\"oldest\":";
    append_json_number(out, cause.oldest);
    out += ",\"newest\":";
    append_json_number(out, cause.newest);
    out += '}';
  }
  out += "]\n";
  return out;
}

}  // namespace spindle::cli
