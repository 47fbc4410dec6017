#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "spindle/base/concat.hpp"
#include "spindle/spool/log_end.hpp"
#include "tools/spindle/event_line.hpp"
#include "tools/spindle/msgpack_to_json.hpp"
#include "tools/spindle/report.hpp"
#include "tools/spindle/spool.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "Prints what the spool is and a line for each of its segments, oldest first: the offsets of its events (TO is\n"
    "not in it any more), the bytes that are used, when it was begun. Only headers and the newest segment are read;\n"
    "`spindle spool verify` reads all.\n"
    "\n"
    "Examples:\n"
    "  spindle spool info /var/lib/spindle\n"
    "  spindle spool info /var/lib/spindle --json | jq .next_offset\n"
    "\n"
    "Exit codes: 0 done, 1 something is missing or damaged (standard error says what), or it failed.";

struct Options {
  std::string directory;
  bool json = false;
};

struct Info {
  spool::Chain chain;
  spool::LogEnd end;
};

/// Reads where the newest segment ends.
Result<Info> look(const std::string& directory) {
  auto chain = open_chain(directory);
  if (!chain) return fail(chain.error());
  Info info{std::move(*chain), {}};
  if (info.chain.segments.empty()) return info;
  spool::Segment& newest = info.chain.segments.back();
  auto file = posix_files().open(directory + "/" + newest.name(), OpenMode::read);
  if (!file) return fail(file.error());
  auto end = spool::find_log_end_beside_writer(**file, newest.header);
  if (!end) return fail(end.error());
  info.end = std::move(*end);
  newest.end = info.end.position;
  newest.next_offset = info.end.next_offset;
  if (info.end.damage) info.chain.damages.push_back(*info.end.damage);
  return info;
}

std::uint64_t bytes_of(const spool::Chain& chain) {
  std::uint64_t bytes = 0;
  for (const spool::Segment& segment : chain.segments) bytes += segment.header.lost ? 0 : segment.end;
  return bytes;
}

const char* state_of(const spool::Segment& segment, bool newest) {
  if (segment.header.lost) return "lost";
  if (segment.header.copy && newest) return "copy";
  return newest ? "newest" : "";
}

Bytes text_of(const Info& info) {
  const auto& segments = info.chain.segments;
  const spool::SegmentHeader& newest = segments.back().header;
  Bytes out =
      "spool        " + newest.spool_id + "\nincarnation  " + std::to_string(newest.incarnation) +
      (newest.copy ? " (a copy: whoever goes on takes a new one)" : "") + "\nformat       version " +
      std::to_string(spool::format_version) + "\noffsets      " +
      std::to_string(segments.front().header.first_offset) + " to " + std::to_string(segments.back().next_offset) +
      ", " + plural(segments.back().next_offset - segments.front().header.first_offset, "event") + "\nbytes        " +
      std::to_string(bytes_of(info.chain)) + " in " + plural(segments.size(), "segment") + "\nlast commit  ";
  append_time(out, info.end.time_ns);
  out += "\n\nSERIAL                  FROM                    TO         BYTES  BEGUN\n";
  for (const spool::Segment& segment : segments) {
    char line[160];
    const int size = std::snprintf(line, sizeof line, "%6llu  %20llu  %20llu  %12llu  ",
                                   static_cast<unsigned long long>(segment.header.serial),
                                   static_cast<unsigned long long>(segment.header.first_offset),
                                   static_cast<unsigned long long>(segment.next_offset),
                                   static_cast<unsigned long long>(segment.header.lost ? 0 : segment.end));
    out.append(line, static_cast<std::size_t>(size));
    append_time(out, segment.header.created_ns);
    const std::string state = state_of(segment, &segment == &segments.back());
    out += (state.empty() ? "" : "  " + state) + "\n";
  }
  return out;
}

void field(Bytes& out, std::string_view name, std::uint64_t value) {
  out += out.back() == '{' ? "\"" : ",\"";
  out.append(name).append("\":").append(std::to_string(value));
}

void time_field(Bytes& out, std::string_view name, WallNs time) {
  out.append(",\"").append(name).append("\":\"");
  append_time(out, time);
  out += '"';
}

Bytes json_of(const Info& info) {
  const auto& segments = info.chain.segments;
  const spool::SegmentHeader& newest = segments.back().header;
  Bytes out = "{\"spool\":";
  append_json_string(out, newest.spool_id);
  field(out, "incarnation", newest.incarnation);
  field(out, "format_version", spool::format_version);
  out += std::string(",\"copy\":") + (newest.copy ? "true" : "false");
  field(out, "first_offset", segments.front().header.first_offset);
  field(out, "next_offset", segments.back().next_offset);
  field(out, "bytes", bytes_of(info.chain));
  field(out, "damages", info.chain.damages.size());
  time_field(out, "last_commit", info.end.time_ns);
  out += ",\"segments\":[";
  for (const spool::Segment& segment : segments) {
    out += out.back() == '[' ? "{" : ",{";
    field(out, "serial", segment.header.serial);
    field(out, "incarnation", segment.header.incarnation);
    field(out, "first_offset", segment.header.first_offset);
    field(out, "next_offset", segment.next_offset);
    field(out, "bytes", segment.header.lost ? 0 : segment.end);
    time_field(out, "begun", segment.header.created_ns);
    out += std::string(",\"lost\":") + (segment.header.lost ? "true" : "false") + ",\"file\":";
    append_json_string(out, segment.name());
    out += '}';
  }
  return out + "]}\n";
}

int run(const Options& options) {
  Result<Info> info = look(options.directory);
  for (int again = 0; again < 5 && !info && was_trimmed(info.error()); ++again) info = look(options.directory);
  if (!info) return failed(info.error());
  for (const spool::Damage& damage : info->chain.damages) report(damage.text());
  if (!info->chain.segments.empty()) {
    if (auto printed = print(options.json ? json_of(*info) : text_of(*info)); !printed)
      return failed(printed.error());
  }
  return info->chain.damages.empty() ? exit_ok : exit_failure;
}

}  // namespace

void add_spool_info(CLI::App& spool, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& info = *spool.add_subcommand("info", "What it is, and its segments");
  info.footer(footer);
  add_spool_directory(info, options->directory);
  info.add_flag("--json", options->json, "As one JSON object");
  info.callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace spindle::cli
