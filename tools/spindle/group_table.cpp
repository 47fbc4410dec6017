#include "tools/spindle/group_table.hpp"

#include <algorithm>
#include <array>

#include "spindle/base/concat.hpp"
#include "tools/spindle/group_option_lines.hpp"
#include "tools/spindle/units.hpp"

namespace spindle::cli {
namespace {

constexpr std::size_t columns = 10;
constexpr std::size_t patterns_column = 1;
constexpr std::size_t line_bytes_max = 100;
constexpr std::size_t patterns_bytes_min = 12;
using Row = std::array<std::string, columns>;
constexpr std::array<bool, columns> is_number{false, false, true, true, true, true, true, true, true, false};

std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += (all.empty() ? "" : " ") + part;
  return all;
}

std::string state_text(const GroupFigures& group) {
  if (group.paused) return "paused";
  if (!group.stalled.empty()) return "stalled";
  return group.unhandled_events > 0 ? "unhandled" : "-";
}

/// Topics that nobody handles, as a sentence without its end.
std::string unhandled_text(const GroupFigures& group) {
  constexpr std::size_t named_max = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(group.unhandled.size(), named_max); ++i) {
    text += (i > 0 ? ", " : "") + group.unhandled[i].first + " (" + std::to_string(group.unhandled[i].second) + ")";
  }
  if (group.unhandled_topics > named_max) text += " and " + plural(group.unhandled_topics - named_max, "other topic");
  return "has " + plural(group.unhandled_events, "event") + " that no present member handles: " + text;
}

void append_row(std::string& out, const Row& row, const std::array<std::size_t, columns>& widths) {
  std::string line;
  for (std::size_t i = 0; i < columns; ++i) {
    const std::string blanks(widths[i] - row[i].size(), ' ');
    line += is_number[i] ? blanks + row[i] : row[i] + blanks;
    line += "  ";
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + "\n";
}

std::array<std::size_t, columns> widths_of(const std::vector<Row>& rows) {
  std::array<std::size_t, columns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  return widths;
}

/// Cuts patterns to what the other columns leave.
void fit_patterns(std::vector<Row>& rows) {
  const auto widths = widths_of(rows);
  std::size_t others = 0;
  for (std::size_t i = 0; i < columns; ++i) others += i == patterns_column ? 0 : widths[i] + 2;
  const std::size_t most = std::max(patterns_bytes_min, line_bytes_max - std::min(line_bytes_max, others));
  for (Row& row : rows) {
    std::string& patterns = row[patterns_column];
    if (patterns.size() > most) patterns = patterns.substr(0, most - 3) + "...";
  }
}

void append_line(std::string& out, std::string_view title, const std::string& value) {
  std::string line(title);
  line.resize(std::max<std::size_t>(14, line.size() + 1), ' ');
  out += line + value + "\n";
}

std::string oldest_text(const GroupFigures::Oldest& oldest) {
  if (!oldest.ms) return "";
  return "; the oldest for " + age_text(*oldest.ms) + ", attempt " + std::to_string(oldest.attempt) + ", offset " +
         std::to_string(oldest.offset);
}

void append_members(std::string& out, const GroupFigures& group) {
  for (const GroupFigures::Member& member : group.members) {
    out += "  " + member.source + " member " + std::to_string(member.number) + ": " + std::to_string(member.pending) +
           " pending" + oldest_text(member.oldest) +
           (member.silent_ms ? "; last heard of " + age_text(*member.silent_ms) + " ago" : "") +
           (member.suspended ? "; its connection is in doubt" : "") + "\n";
  }
  if (group.member_count > group.members.size()) {
    out += "  and " + plural(group.member_count - group.members.size(), "other") + "\n";
  }
}

void append_failed(std::string& out, const GroupFigures& group) {
  for (const GroupFigures::Failed& failed : group.failed) {
    out += "  offset " + std::to_string(failed.offset) + ", attempt " + std::to_string(failed.attempts) +
           " failed: " + (failed.reason.empty() ? "no reason given" : failed.reason) + "; the next " +
           (failed.retry_in_ms ? "in " + age_text(*failed.retry_in_ms) : "is due or under way") + "\n";
  }
  if (group.retrying > group.failed.size() && !group.failed.empty()) {
    out += "  and " + plural(group.retrying - group.failed.size(), "other") + "\n";
  }
}

}  // namespace

std::string group_table(const std::vector<GroupFigures>& groups) {
  if (groups.empty()) return "There are no groups yet: a service, or spindle sub --group, makes the first.\n";
  std::vector<Row> rows{
      {"GROUP", "PATTERNS", "MEMBERS", "LAG", "PENDING", "OLDEST", "DEAD", "LOST", "KEEPS", "STATE"}};
  for (const GroupFigures& group : groups) {
    rows.push_back({group.name, joined(group.patterns), std::to_string(group.member_count), std::to_string(group.lag),
                    std::to_string(group.pending), group.oldest.ms ? age_text(*group.oldest.ms) : "-",
                    std::to_string(group.dead), std::to_string(group.lost), size_text(group.keeps_bytes),
                    state_text(group)});
  }
  fit_patterns(rows);
  const auto widths = widths_of(rows);
  std::string out;
  for (const Row& row : rows) append_row(out, row, widths);
  for (const GroupFigures& group : groups) {
    const std::string name = "Group " + group.name + " ";
    if (!group.stalled.empty()) out += name + "hands nothing out: " + group.stalled + ".\n";
    if (group.unhandled_events > 0) out += name + unhandled_text(group) + ".\n";
    if (!group.keeps_oldest.empty())
      out += name + "keeps the oldest part of the spool: " + group.keeps_oldest + ".\n";
  }
  return out;
}

std::string group_details(const GroupFigures& group) {
  std::string out;
  append_line(out, "group", group.name + " (generation " + std::to_string(group.generation) + ")");
  append_line(out, "state", group.stalled.empty() ? "-" : "hands nothing out: " + group.stalled);
  append_line(out, "position",
              "reads on at offset " + std::to_string(group.position) + " of " + std::to_string(group.end) +
                  "; all below " + std::to_string(group.floor) + " is settled");
  append_line(out, "lag", "at most " + plural(group.lag, "event") + " to be delivered");
  append_line(out, "pending", std::to_string(group.pending) + oldest_text(group.oldest));
  append_line(out, "retrying",
              plural(group.retrying, "event") + "; " + std::to_string(group.redelivered) +
                  " delivered again since the proxy started");
  append_failed(out, group);
  if (group.held_back > 0) {
    append_line(out, "held back", plural(group.held_back, "event") + " behind others of their keys");
  }
  append_line(out, "dead", std::to_string(group.dead) + " in all, " + std::to_string(group.letters) + " kept");
  append_line(out, "lost", std::to_string(group.lost));
  for (const GroupFigures::Loss& loss : group.losses) {
    out +=
        "  offsets " + std::to_string(loss.from) + " to " + std::to_string(loss.to - 1) + ": " + loss.reason + "\n";
  }
  append_line(out, "keeps",
              size_text(group.keeps_bytes) + " from offset " + std::to_string(group.keeps_from) +
                  (group.keeps_oldest.empty() ? "" : ", the oldest part: " + group.keeps_oldest));
  append_line(out, "options", "as spindle group alter has them");
  out += group_option_lines(group.options);
  append_line(out, "patterns", std::to_string(group.patterns.size()));
  for (const GroupFigures::ByPattern& of : group.by_pattern) {
    out += "  " + of.pattern + ": " + std::to_string(of.pending) + " pending, lag at most " + std::to_string(of.lag) +
           (of.unhandled > 0 ? ", " + std::to_string(of.unhandled) + " that nobody handles" : "") + "\n";
  }
  if (group.unhandled_events > 0) append_line(out, "unhandled", unhandled_text(group));
  append_line(out, "members", std::to_string(group.member_count));
  append_members(out, group);
  return out;
}

}  // namespace spindle::cli
