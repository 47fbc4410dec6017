#include <CLI/CLI.hpp>
#include <memory>

#include "spindle/base/concat.hpp"
#include "spindle/spool/verify.hpp"
#include "tools/spindle/report.hpp"
#include "tools/spindle/spool.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "Reads the whole spool and prints a line for each damage: segment, position in it, and the offsets of the "
    "events\n"
    "that are lost by it. It never stops at the first one. A proxy may be writing meanwhile.\n"
    "\n"
    "Example:\n"
    "  spindle spool verify /var/lib/spindle || mail -s 'the spool is damaged' ops@example.org\n"
    "\n"
    "Exit codes: 0 nothing is damaged, 1 something is, or it cannot be read (standard error says why).";

struct Options {
  std::string directory;
};

std::string summary(const spool::Verified& verified) {
  std::string text = plural(verified.segments, "segment") + ", " + plural(verified.records, "record") + ", " +
                     plural(verified.events, "event") + ", " + plural(verified.bytes, "byte") + ": ";
  text += verified.damages == 0 ? "nothing is damaged" : std::to_string(verified.damages) + " damaged";
  if (verified.torn) text += " (behind the end stands a batch that is being written, or never was whole)";
  return text + "\n";
}

int run(const Options& options) {
  Result<void> printed;
  auto tell = [&](const spool::Damage& damage) {
    if (printed) printed = print(damage.text() + "\n");
  };
  auto verified = spool::verify(posix_files(), options.directory, tell);
  if (!verified) return failed(verified.error());
  if (printed) printed = print(summary(*verified));
  if (!printed) return failed(printed.error());
  return verified->damages == 0 ? exit_ok : exit_failure;
}

}  // namespace

void add_spool_verify(CLI::App& spool, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& verify = *spool.add_subcommand("verify", "Read all of it and name each damage");
  verify.footer(footer);
  add_spool_directory(verify, options->directory);
  verify.callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace spindle::cli
