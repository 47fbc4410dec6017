#include "tools/spindle/spool.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "DIR is what spindle-proxy was given as --spool. A proxy may be using it: nothing in it is locked or changed.\n"
    "\n"
    "Examples:\n"
    "  spindle spool info /var/lib/spindle\n"
    "  spindle spool verify /var/lib/spindle && spindle spool backup /var/lib/spindle /backup/monday\n"
    "  spindle spool dump /backup/monday --topic 'orders.>' | jq .data\n"
    "\n"
    "To restore a backup, start a proxy on it: spindle-proxy --spool /backup/monday\n"
    "\n"
    "Exit codes: 0 done and nothing is damaged; 1 damaged or failed, as standard error says; 2 a wrong option.";

}  // namespace

void add_spool(CLI::App& app, Action& chosen) {
  CLI::App& spool = *app.add_subcommand("spool", "Look at, check, print and copy the directory of stored events");
  spool.footer(footer);
  spool.require_subcommand(1);
  add_spool_info(spool, chosen);
  add_spool_verify(spool, chosen);
  add_spool_dump(spool, chosen);
  add_spool_backup(spool, chosen);
}

void add_spool_directory(CLI::App& command, std::string& directory) {
  command.add_option("DIR", directory, "The directory of the spool")->required()->check([](const std::string& text) {
    return text.empty() ? "it is empty: give a directory" : "";
  });
}

Result<spool::Chain> open_chain(const std::string& directory) {
  auto chain = spool::read_chain_beside_writer(posix_files(), directory);
  if (chain && chain->segments.empty() && chain->damages.empty()) {
    return fail(ErrorCode::not_found, directory + " holds no spool: there is no segment in it");
  }
  return chain;
}

bool is_gap(const spool::Chain& chain, const spool::Segment& segment) {
  return std::any_of(chain.to_mark_lost.begin(), chain.to_mark_lost.end(),
                     [&](const spool::SegmentHeader& gap) { return gap.serial == segment.header.serial; });
}

}  // namespace spindle::cli
