#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <sstream>

#include "tools/spindle/command.hpp"

namespace {

using namespace spindle::cli;

constexpr const char* description =
    "Publishes, reads and inspects the events of a Spindle proxy from the command line.\n"
    "Live events go to whoever listens now; durable events are stored by the proxy (spindle-proxy --spool)\n"
    "and wait for the groups that want them.";

constexpr const char* footer =
    "Examples:\n"
    "  spindle sub 'orders.>'\n"
    "      show live events on all topics below orders., until Ctrl-C\n"
    "  echo '{\"order_id\":\"A1\",\"total_cents\":1999}' | spindle pub orders.placed\n"
    "      publish one live event\n"
    "  spindle pub orders.placed --durable --receipts < orders.jsonl\n"
    "      store one event per line; print each one's id and offset once it is safely on disk\n"
    "  spindle sub orders.placed --group audit --count 10\n"
    "      take the next ten stored events as a member of the group audit\n"
    "  spindle groups\n"
    "      who consumes what, and how far behind they are\n"
    "  spindle group seek billing 2h --dry-run\n"
    "      what would change if billing got the last two hours once more\n"
    "  spindle dead list\n"
    "      what they could not handle, and why\n"
    "  spindle spool backup /var/lib/spindle /backup/monday\n"
    "      copy the stored events of a proxy, also while it runs\n"
    "\n"
    "`spindle COMMAND --help` explains a command's options. The proxy is given by --proxy or the variable\n"
    "SPINDLE_PROXY; otherwise it is tcp://127.0.0.1:5555.\n"
    "\n"
    "Exit codes: 0 done; 1 failed, as the line on standard error says; 2 a wrong option or input line;\n"
    "            3 the --timeout passed first.";

/// The command whose words were read, as far as they were: "spindle group alter".
std::pair<const CLI::App*, std::string> command_read(const CLI::App& app) {
  const CLI::App* at = &app;
  std::string words = app.get_name();
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    words += " " + at->get_name();
  }
  return {at, words};
}

int explain(const CLI::App& app, const CLI::Error& wrong) {
  const auto [command, words] = command_read(app);
  std::string what = wrong.what();
  const auto rest = command->remaining();
  if (command->get_require_subcommand_min() > 0 && !rest.empty() && rest.front().front() != '-') {
    what = "there is no command \"" + words + " " + rest.front() + "\"";
  }
  std::fprintf(stderr, "spindle: %s\nTry: %s --help\n", what.c_str(), words.c_str());
  return exit_usage;
}

int run(int argc, char** argv) {
  CLI::App app{description, "spindle"};
  app.footer(footer);
  app.set_version_flag("--version", "spindle " SPINDLE_VERSION);
  app.require_subcommand(1);
  app.get_formatter()->column_width(30);
  Action chosen;
  add_pub(app, chosen);
  add_sub(app, chosen);
  add_groups(app, chosen);
  add_group(app, chosen);
  add_dead(app, chosen);
  add_spool(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream out;
    app.exit(asked, out, out);
    std::fputs(out.str().c_str(), stdout);
    return exit_ok;
  } catch (const CLI::Error& wrong) {
    return explain(app, wrong);
  }
  return chosen();
}

}  // namespace

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);  // print() says that nobody reads any more
  try {
    return run(argc, argv);
  } catch (const std::exception& wrong) {  // no memory or no descriptors: nothing below can go on either
    std::fprintf(stderr, "spindle: %s\n", wrong.what());
    return exit_failure;
  }
}
