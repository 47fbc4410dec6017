#include <CLI/CLI.hpp>
#include <memory>

#include "spindle/base/concat.hpp"
#include "spindle/spool/backup.hpp"
#include "tools/spindle/report.hpp"
#include "tools/spindle/spool.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "Makes TO a copy of the spool, whole and on disk when this ends. A proxy may be writing meanwhile. On the same "
    "file\n"
    "system complete segments are hard links, which take no space as long as the original keeps them; for a copy "
    "that\n"
    "outlives the disk, copy TO to another one afterwards.\n"
    "\n"
    "To restore it, start a proxy on it. It goes on under a new incarnation: producers that were acknowledged more\n"
    "than the copy holds are told which numbers are lost.\n"
    "\n"
    "Examples:\n"
    "  spindle spool backup /var/lib/spindle /var/lib/spindle-monday\n"
    "  spindle-proxy --spool /var/lib/spindle-monday\n"
    "\n"
    "Exit codes: 0 the copy is made, 1 it is not (standard error says why; nothing is left at TO).";

struct Options {
  std::string directory;
  std::string to;
};

int run(const Options& options) {
  auto made = spool::backup(posix_files(), options.directory, options.to);
  if (!made) return failed(made.error());
  const std::string text = "spool " + made->spool_id + ", offsets " + std::to_string(made->first_offset) + " to " +
                           std::to_string(made->next_offset) + " in " + plural(made->segments, "segment") + ", " +
                           std::to_string(made->linked) + " of them linked: " + options.to + "\n";
  auto printed = print(text);
  return printed ? exit_ok : failed(printed.error());
}

}  // namespace

void add_spool_backup(CLI::App& spool, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& backup = *spool.add_subcommand("backup", "Copy it, also while a proxy writes to it");
  backup.footer(footer);
  add_spool_directory(backup, options->directory);
  backup.add_option("TO", options->to, "A directory that does not exist yet")->required();
  backup.callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace spindle::cli
