#include <CLI/CLI.hpp>
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
    "STALLED  why the group hands nothing out although it could\n"
    "\n"
    "Examples:\n"
    "  spindle groups\n"
    "  spindle groups billing --json | jq '.[0].members'";

struct Options {
  std::string name;
  bool json = false;
  ProxyOptions proxy;
};

int print_json(BytesView body) {
  Bytes text;
  MsgpackToJson to_json;
  if (auto done = to_json.append(text, body); !done) return failed(done.error());
  auto printed = print(text + "\n");
  return printed ? exit_ok : failed(printed.error());
}

int run(const Options& options) {
  auto client = Client::connect(options.proxy, "");
  if (!client) return failed(client.error());
  auto body = ask(**client, {"groups", options.name, {}});
  if (!body) return failed(body.error());
  auto groups = read_groups(*body);
  if (!groups) return failed(groups.error());
  if (groups->empty() && !options.name.empty()) {
    return failed({ErrorCode::unknown_group, "there is no group " + options.name + "; see: spindle groups"});
  }
  if (options.json) return print_json(*body);
  auto printed = print(group_table(*groups));
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
