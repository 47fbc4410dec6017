#include "tools/spindle/group_table.hpp"

#include <algorithm>
#include <array>

#include "spindle/wire/values.hpp"

namespace spindle::cli {
namespace {

constexpr std::size_t columns = 9;
using Row = std::array<std::string, columns>;
constexpr std::array<bool, columns> is_number{false, false, true, true, true, true, true, true, false};

void skip_all(wire::Cursor& at, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) at.skip();
}

void read_field(GroupFigures& group, wire::Cursor& at) {
  const std::string_view key = at.str("key");
  if (key == "name") {
    group.name = at.str(key);
  } else if (key == "patterns") {
    const std::uint32_t count = at.array(key);
    for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
      if (i > 0) group.patterns += ' ';
      group.patterns += at.str("pattern");
    }
  } else if (key == "members") {
    const std::uint32_t count = at.array(key);
    skip_all(at, count);
    group.members = count;
  } else if (key == "lag") {
    group.lag = at.uint(key);
  } else if (key == "pending") {
    group.pending = at.uint(key);
  } else if (key == "dead") {
    group.dead = at.uint(key);
  } else if (key == "lost") {
    group.lost = at.uint(key);
  } else if (key == "keeps_bytes") {
    group.keeps_bytes = at.uint(key);
  } else if (key == "keeps_oldest") {
    if (!at.nil()) group.keeps_oldest = at.str(key);
  } else if (key == "stalled") {
    if (!at.nil()) group.stalled = at.str(key);
  } else {
    at.skip();
  }
}

/// "3.2 MiB": what a person reads at a glance.
std::string size_text(std::uint64_t bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  std::size_t unit = 0;
  std::uint64_t tenths = bytes > ~std::uint64_t{0} / 10 ? bytes : bytes * 10;
  while (tenths >= 10'240 && unit + 1 < units.size()) {
    tenths /= 1'024;
    ++unit;
  }
  const std::string whole = std::to_string(tenths / 10);
  return (unit == 0 || tenths >= 1'000 ? whole : whole + "." + std::to_string(tenths % 10)) + " " + units[unit];
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

}  // namespace

Result<std::vector<GroupFigures>> read_groups(BytesView body) {
  wire::Values values;
  if (auto read = values.read_whole(body); !read) return fail(read.error());
  wire::Cursor at(values);
  std::vector<GroupFigures> groups;
  const std::uint32_t count = at.array("groups");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
    const std::uint32_t pairs = at.map("group");
    GroupFigures& group = groups.emplace_back();
    for (std::uint32_t k = 0; k < pairs && at.ok(); ++k) read_field(group, at);
  }
  if (!at.ok()) return fail(at.error());
  return groups;
}

std::string group_table(const std::vector<GroupFigures>& groups) {
  if (groups.empty()) return "There are no groups yet: a service, or spindle sub --group, makes the first.\n";
  std::vector<Row> rows{{"GROUP", "PATTERNS", "MEMBERS", "LAG", "PENDING", "DEAD", "LOST", "KEEPS", "STALLED"}};
  for (const GroupFigures& group : groups) {
    rows.push_back({group.name, group.patterns, std::to_string(group.members), std::to_string(group.lag),
                    std::to_string(group.pending), std::to_string(group.dead), std::to_string(group.lost),
                    size_text(group.keeps_bytes), group.stalled.empty() ? "-" : group.stalled});
  }
  std::array<std::size_t, columns> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const Row& row : rows) append_row(out, row, widths);
  for (const GroupFigures& group : groups) {
    if (!group.keeps_oldest.empty()) {
      out += "Group " + group.name + " keeps the oldest part of the spool: " + group.keeps_oldest + ".\n";
    }
  }
  return out;
}

}  // namespace spindle::cli
