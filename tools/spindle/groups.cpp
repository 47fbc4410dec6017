#include <CLI/CLI.hpp>
#include <iterator>
#include <memory>

#include "tools/spindle/ask.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/group_table.hpp"
#include "tools/spindle/msgpack_to_json.hpp"
#include "tools/spindle/report.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "LAG      events not delivered yet, or to be delivered again; an upper bound, as events on other topics in\n"
    "         between are counted too\n"
    "PENDING  events delivered and not settled yet\n"
    "DEAD     events that became dead letters so far (spindle dead list NAME: those that are kept)\n"
    "LOST     events that the group never got: damaged on the disk, or no longer kept (--json says which)\n"
    "KEEPS    how much of the spool, from its oldest unsettled event or dead letter to the end\n"
    "OLDEST   how long the delivery that is out for longest has been out\n"
    "STATE    paused, stalled (hands nothing out), unhandled (topics that no present member handles); a line below\n"
    "         says more, and spindle group show NAME tells all\n"
    "\n"
    "Examples:\n"
    "  spindle groups\n"
    "  spindle groups billing --json | jq '.[0].members'";

struct Options {
  std::string name;
  bool json = false;
  ProxyOptions proxy;
};

/// One array of all pages.
int print_json(const std::vector<Bytes>& pages) {
  Bytes all;
  MsgpackToJson to_json;
  for (const Bytes& page : pages) {
    Bytes text;
    if (auto done = to_json.append(text, page); !done) return failed(done.error());
    if (!all.empty()) all += ',';
    all.append(text, 1, text.size() - 2);  // without the brackets
  }
  auto printed = print("[" + all + "]\n");
  return printed ? exit_ok : failed(printed.error());
}

int run(const Options& options) {
  auto client = Client::connect(options.proxy, "");
  if (!client) return failed(client.error());
  auto pages = ask_groups(**client, options.name);
  if (!pages) return failed(pages.error());
  if (options.json) return print_json(*pages);
  std::vector<GroupFigures> all;
  for (const Bytes& page : *pages) {
    auto groups = read_groups(page);
    if (!groups) return failed(groups.error());
    std::move(groups->begin(), groups->end(), std::back_inserter(all));
  }
  auto printed = print(group_table(all));
  return printed ? exit_ok : failed(printed.error());
}

}  // namespace

void add_groups(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& groups = *app.add_subcommand("groups", "Show groups: patterns, members, lag, pending");
  groups.footer(footer);
  groups.add_option("NAME", options->name, "Only this group");
  groups.add_flag("--json", options->json, "Everything the proxy says, as one JSON array");
  add_proxy_options(groups, options->proxy);
  groups.callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace spindle::cli
