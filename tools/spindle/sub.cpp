#include <CLI/CLI.hpp>
#include <charconv>
#include <memory>

#include "spindle/base/duration.hpp"
#include "spindle/wire/topic.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/report.hpp"
#include "tools/spindle/subscribe.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "A pattern is a topic in which * stands for one part and a final > for one or more: orders.*, orders.>\n"
    "(quote it from the shell). Each event is printed as one JSON object on a line, with topic, source, epoch,\n"
    "sequence, id, offset, attempt, time, attributes and data. Bytes in data are {\"$bin\": \"BASE64\"}.\n"
    "\n"
    "Without --group it shows what passes from now on, at most once; what was missed is counted on standard error.\n"
    "Once it says \"spindle: subscribed\" there, no later event escapes it unseen.\n"
    "With --group it consumes stored events as a member of that group, which is made if need be and remembers how\n"
    "far it is; an event counts as done when its line has been written. Members share a group's events. A group "
    "that\n"
    "this makes is deleted when it had no member for an hour, so that a forgotten one keeps nothing (--expires). "
    "One\n"
    "that exists must have the PATTERN already, unless --alter is given.\n"
    "\n"
    "Examples:\n"
    "  spindle sub 'orders.>'\n"
    "  spindle sub orders.placed --group audit --from now\n"
    "  spindle sub orders.placed --group audit --count 10 --timeout 5 | jq .data\n"
    "\n"
    "Exit codes: 0 --count events were printed, or it was interrupted without a --count; 1 failed;\n"
    "            2 a wrong option; 3 the --timeout passed before --count events.";

/// What CLI11 fills, as it is written on the command line.
struct Given {
  SubscribeOptions options;
  std::string from;
  std::string expires;
  std::uint64_t count = 0;
  double timeout_s = 0;
};

std::string check_pattern(const std::string& text) {
  auto pattern = wire::Pattern::parse(text);
  return pattern ? "" : pattern.error().text;
}

std::string check_group(const std::string& name) {
  auto checked = wire::check_group_name(name);
  return checked ? "" : checked.error().text;
}

std::optional<wire::Start> parse_start(const std::string& text) {
  wire::Start start;
  if (text.empty() || text == "beginning") return start;
  if (text == "now") {
    start.at = wire::Start::At::now;
    return start;
  }
  start.at = wire::Start::At::offset;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, start.offset);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return start;
}

std::string check_duration(const std::string& text) {
  auto duration = parse_duration(text);
  return duration ? "" : duration.error().text;
}

std::string check_start(const std::string& text) {
  return parse_start(text) ? "" : "\"" + text + "\" is not beginning, now or an offset";
}

int run(Given given) {
  SubscribeOptions& options = given.options;
  options.start = *parse_start(given.from);
  if (!given.expires.empty()) {
    options.expires_ms = static_cast<std::uint64_t>(*parse_duration(given.expires) / std::chrono::milliseconds(1));
  }
  if (given.count > 0) options.count = given.count;
  if (given.timeout_s > 0) options.deadline = monotonic_now() + seconds(given.timeout_s);
  if (options.source.empty()) options.source = random_source("spindle-sub");
  auto client = Client::connect(options.proxy, options.source);
  if (!client) return failed(client.error());
  return options.group.empty() ? subscribe_live(options, **client) : subscribe_group(options, **client);
}

}  // namespace

int exit_at_deadline(const SubscribeOptions& options) { return options.count ? exit_timeout : exit_ok; }

void add_sub(CLI::App& app, Action& chosen) {
  auto given = std::make_shared<Given>();
  SubscribeOptions& options = given->options;
  CLI::App& sub = *app.add_subcommand("sub", "Print events, live or as a member of a group");
  sub.footer(footer);
  sub.add_option("PATTERN", options.pattern, "Topics to print, as orders.placed or 'orders.>'")
      ->required()
      ->check(check_pattern);
  auto* group = sub.add_option("--group", options.group, "Consume stored events as a member of this group")
                    ->type_name("NAME")
                    ->check(check_group);
  sub.add_option("--from", given->from, "Where a new group begins: beginning, now or an offset [beginning]")
      ->type_name("WHERE")
      ->check(check_start)
      ->needs(group);
  sub.add_option("--expires", given->expires,
                 "Delete the group when it had no member for so long, 0: never [1h if this makes it]")
      ->type_name("TIME")
      ->check(check_duration)
      ->needs(group);
  sub.add_flag("--alter", options.alter,
               "Change a group that exists: it wants PATTERN as well, and has --expires; without this that fails")
      ->needs(group);
  sub.add_option("--count", given->count, "Stop after so many events")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 60).description(""));
  sub.add_option("--timeout", given->timeout_s, "Stop after this time")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.001, 1e9).description(""));
  sub.add_flag("--quiet", options.quiet, "Do not say on standard error when it is subscribed");
  add_source_option(sub, options.source);
  add_proxy_options(sub, options.proxy);
  sub.callback([given, &chosen] { chosen = [given] { return run(*given); }; });
}

}  // namespace spindle::cli
