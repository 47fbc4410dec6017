#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>

#include "spindle/base/duration.hpp"
#include "spindle/wire/topic.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"
#include "tools/spindle/ask.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/confirm.hpp"
#include "tools/spindle/group_table.hpp"
#include "tools/spindle/msgpack_to_json.hpp"
#include "tools/spindle/position.hpp"
#include "tools/spindle/report.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "A change is done when the command ends with 0: then it is on the proxy's disk. --dry-run prints what would\n"
    "change and changes nothing. delete, seek and alter --drop-pattern ask first, and so does alter --expires when "
    "the\n"
    "group has no members; scripts give --yes.\n"
    "\n"
    "Examples:\n"
    "  spindle group show billing\n"
    "  spindle group seek billing 2025-01-31T12:00:00Z --dry-run\n"
    "  spindle group alter billing --max-attempts 20 --backoff-max 5m\n"
    "  spindle group alter billing --drop-pattern orders.old\n"
    "  spindle group delete look --yes\n"
    "\n"
    "Exit codes: 0 done; 1 failed, as the line on standard error says, or not confirmed; 2 a wrong option.";

struct Options {
  std::string verb;
  std::string name;
  bool dry_run = false;
  bool yes = false;
  bool json = false;
  std::string to;            // seek
  wire::GroupOptions alter;  // alter
  std::string drop_pattern;
  ProxyOptions proxy;
};

/// "250ms", or as any duration.
Result<std::uint64_t> parse_ms(const std::string& text) {
  std::uint64_t ms = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, ms);
  if (read.ec == std::errc() && std::string_view(read.ptr, static_cast<std::size_t>(end - read.ptr)) == "ms")
    return ms;
  auto duration = parse_duration(text);
  if (!duration) return fail(duration.error());
  return static_cast<std::uint64_t>(*duration / std::chrono::milliseconds(1));
}

Result<Bytes> arguments_of(const Options& options, bool dry_run) {
  const bool alters = options.alter != wire::GroupOptions();
  Bytes out;
  wire::Writer to(out);
  to.map(1u + !options.to.empty() + alters + !options.drop_pattern.empty()).str("dry_run").boolean(dry_run);
  if (!options.to.empty()) {
    auto position = parse_position(options.to, Now::read().wall_ns);
    if (!position) return fail(position.error());
    to.str(position->time_ns ? "time_ns" : "to");
    position->time_ns ? void(to.sint(*position->time_ns)) : position->start.write(to);
  }
  if (alters) {
    to.str("options");
    options.alter.write(to);
  }
  if (!options.drop_pattern.empty()) to.str("drop_pattern").str(options.drop_pattern);
  return out;
}

/// The lines of "changes", each with the group's name before it; empty when nothing changes.
Result<std::string> changes_text(const Bytes& body, const std::string& name) {
  wire::Values values;
  if (auto read = values.read_whole(body); !read) return fail(read.error());
  wire::Cursor at(values);
  std::string text;
  for (std::uint32_t i = 0, pairs = at.map("answer"); i < pairs && at.ok(); ++i) {
    if (at.str("key") != "changes") {
      at.skip();
      continue;
    }
    for (std::uint32_t k = 0, count = at.array("changes"); k < count && at.ok(); ++k) {
      text += name + ": " + std::string(at.str("change")) + "\n";
    }
  }
  if (!at.ok()) return fail(at.error());
  return text;
}

std::string nothing_changes(const std::string& name) { return name + ": nothing changes\n"; }

/// What is to be known of a group that is gone, or will be.
std::string made_anew(const std::string& name) {
  return name + ": a service that starts again, or spindle sub, then makes a new group " + name +
         ", which begins at the beginning of what is kept (unless it asks for now)\n";
}

/// Says what changes, or would; and `note`, as long as it is not done.
int print_answer(const Options& options, const Bytes& body, const std::string& note) {
  Bytes text;
  if (options.json) {
    if (auto done = MsgpackToJson().append(text, body); !done) return failed(done.error());
    text += '\n';
  } else {
    auto lines = changes_text(body, options.name);
    if (!lines) return failed(lines.error());
    if (options.dry_run) report("a dry run: nothing changes");
    text = lines->empty() ? nothing_changes(options.name) : options.dry_run ? would_be_done(*lines + note) : *lines;
  }
  auto printed = print(text);
  return printed ? exit_ok : failed(printed.error());
}

/// What a user should know besides before the group is gone for it, now or later; empty when it will not be.
Result<std::string> gone_note(Client& client, const Options& options) {
  if (options.verb == "delete") return made_anew(options.name);
  const auto expires = options.alter.expires_ms;
  if (options.verb != "alter" || !expires || *expires == 0) return std::string();
  auto pages = ask_groups(client, options.name);
  if (!pages) return fail(pages.error());
  auto groups = read_groups(pages->front());
  if (!groups) return fail(groups.error());
  const GroupFigures& group = groups->front();
  const bool is_so = std::any_of(group.options.begin(), group.options.end(), [&](const auto& option) {
    return option.first == "expires_ms" && option.second == *expires;
  });
  if (is_so || group.member_count > 0) return std::string();
  return made_anew(options.name);
}

/// Whether the user wants what the proxy says it would do.
Result<bool> user_agrees(Client& client, const Options& options, const std::string& note) {
  auto would = arguments_of(options, true);
  if (!would) return fail(would.error());
  auto preview = ask(client, {"group." + options.verb, options.name, std::move(*would)});
  if (!preview) return fail(preview.error());
  auto lines = changes_text(*preview, options.name);
  if (!lines) return fail(lines.error());
  return lines->empty() || is_confirmed(*lines + note);
}

int change(const Options& options) {
  if (options.verb == "alter" && options.alter == wire::GroupOptions() && options.drop_pattern.empty()) {
    report("alter needs an option to change; see: spindle group alter --help");
    return exit_usage;
  }
  const bool may_ask = !options.dry_run && !options.yes;
  const std::string command = "group " + options.verb + (options.drop_pattern.empty() ? "" : " --drop-pattern");
  const bool always_asks = options.verb == "delete" || options.verb == "seek" || !options.drop_pattern.empty();
  if (always_asks && may_ask && !can_ask(command)) return exit_usage;
  auto arguments = arguments_of(options, options.dry_run);
  if (!arguments) return failed(arguments.error());
  auto client = Client::connect(options.proxy, "");
  if (!client) return failed(client.error());
  auto note = gone_note(**client, options);
  if (!note) return failed(note.error());
  if (may_ask && (always_asks || !note->empty())) {
    if (!always_asks && !can_ask(command)) return exit_usage;
    auto agrees = user_agrees(**client, options, *note);
    if (!agrees) return failed(agrees.error());
    if (!*agrees) return exit_failure;
  }
  auto body = ask(**client, {"group." + options.verb, options.name, std::move(*arguments)});
  if (!body) return failed(body.error());
  return print_answer(options, *body, *note);
}

int show(const Options& options) {
  auto client = Client::connect(options.proxy, "");
  if (!client) return failed(client.error());
  auto pages = ask_groups(**client, options.name);
  if (!pages) return failed(pages.error());
  Bytes text;
  if (options.json) {
    if (auto done = MsgpackToJson().append(text, pages->front()); !done) return failed(done.error());
    text = text.substr(1, text.size() - 2) + '\n';  // the group without the list's brackets
  } else {
    auto groups = read_groups(pages->front());
    if (!groups) return failed(groups.error());
    text = group_details(groups->front());
  }
  auto printed = print(text);
  return printed ? exit_ok : failed(printed.error());
}

std::string check_group(const std::string& name) {
  auto checked = wire::check_group_name(name);
  return checked ? "" : checked.error().text;
}

void add_ms(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& into, const std::string& help) {
  command
      .add_option_function<std::string>(
          name, [&into](const std::string& text) { into = *parse_ms(text); }, help)
      ->type_name("TIME")
      ->check([](const std::string& text) {
        auto ms = parse_ms(text);
        return ms ? "" : ms.error().text;
      });
}

void add_number(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& into,
                const std::string& help) {
  command
      .add_option_function<std::uint64_t>(
          name, [&into](std::uint64_t value) { into = value; }, help)
      ->type_name("N");
}

void add_size(CLI::App& command, const std::string& name, std::optional<std::uint64_t>& into,
              const std::string& help) {
  command
      .add_option_function<std::uint64_t>(
          name, [&into](std::uint64_t bytes) { into = bytes; }, help)
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false).description(""));
}

CLI::App& add_verb(CLI::App& group, const std::string& verb, const std::string& help,
                   const std::shared_ptr<Options>& options, Action& chosen) {
  CLI::App& command = *group.add_subcommand(verb, help);
  command.add_option("NAME", options->name, "The group")->required()->check(check_group);
  command.add_flag("--json", options->json, "The proxy's answer, as one JSON object");
  if (verb != "show") command.add_flag("--dry-run", options->dry_run, "Print what would change, change nothing");
  add_proxy_options(command, options->proxy);
  command.callback([options, verb, &chosen] {
    options->verb = verb;
    chosen = [options] { return options->verb == "show" ? show(*options) : change(*options); };
  });
  return command;
}

void add_alter(CLI::App& group, const std::shared_ptr<Options>& options, Action& chosen) {
  CLI::App& alter = add_verb(group, "alter", "Change its options, or drop a pattern", options, chosen);
  wire::GroupOptions& to = options->alter;
  add_number(alter, "--max-attempts", to.max_attempts, "Attempts before an event becomes a dead letter");
  add_ms(alter, "--backoff-min", to.backoff_min_ms, "Wait before the second attempt");
  add_ms(alter, "--backoff-max", to.backoff_max_ms, "The longest wait");
  add_number(alter, "--backoff-factor", to.backoff_factor, "How much longer each further wait is");
  add_ms(alter, "--ack-deadline", to.ack_deadline_ms, "How long one delivery may take");
  add_ms(alter, "--keep-at-most", to.keep_at_most_ms, "Events that are older may be lost to the group; 0: never");
  add_size(alter, "--keep-at-most-bytes", to.keep_at_most_bytes,
           "So may those with so much log behind them, as 512MiB; 0: never");
  add_ms(alter, "--expires", to.expires_ms, "Delete it when it had no member for so long; 0: never");
  alter
      .add_option("--drop-pattern", options->drop_pattern,
                  "It does not want this any more; events that wait for nothing else are settled")
      ->type_name("PATTERN");
  alter.add_flag("--yes", options->yes, "Do not ask");
}

}  // namespace

void add_group(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& group = *app.add_subcommand("group", "Show, pause, resume, move, alter and delete a group");
  group.footer(footer);
  group.require_subcommand(1);
  add_verb(group, "show", "All that is known of it", options, chosen);
  add_verb(group, "pause", "Hand nothing out; what is out may be settled", options, chosen);
  add_verb(group, "resume", "Hand out again", options, chosen);
  CLI::App& seek = add_verb(group, "seek", "Go on from another position", options, chosen);
  seek.add_option("POSITION", options->to,
                  "beginning, now, an offset, or a time: 2025-01-31T12:00:00Z, or 2h for two hours ago")
      ->required()
      ->check([](const std::string& text) {
        auto position = parse_position(text, 0);
        return position ? "" : position.error().text;
      });
  seek.add_flag("--yes", options->yes, "Do not ask");
  CLI::App& remove = add_verb(group, "delete", "Delete it; its members end", options, chosen);
  remove.add_flag("--yes", options->yes, "Do not ask");
  add_alter(group, options, chosen);
}

}  // namespace spindle::cli
