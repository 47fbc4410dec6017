#include <CLI/CLI.hpp>
#include <memory>

#include "spindle/base/concat.hpp"
#include "spindle/wire/topic.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/confirm.hpp"
#include "tools/spindle/dead_causes.hpp"
#include "tools/spindle/report.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "An event that a group could not take becomes a dead letter of that group, with the reason. It is kept, and "
    "keeps\n"
    "its part of the spool, until it is replayed or discarded.\n"
    "\n"
    "Examples:\n"
    "  spindle dead list\n"
    "  spindle dead list billing --topic 'orders.>' --each\n"
    "  spindle dead show billing 48123 | jq .data\n"
    "  spindle dead replay billing --reason 'no such customer' --dry-run\n"
    "  spindle dead discard billing --offset 48123 --yes";

constexpr const char* list_footer =
    "One line for the letters of each group and topic that failed for the same reason. Reasons that differ only in\n"
    "numbers, ids and quoted text count as the same (--exact: not).\n"
    "\n"
    "FIRST, LAST      when the first and the last of them became letters\n"
    "OLDEST, NEWEST   offsets of two of the letters, for: spindle dead show GROUP OFFSET\n"
    "\n"
    "Exit codes: 0 done; 1 failed, or some letters cannot be read, as standard error says; 2 a wrong option.";

constexpr const char* replay_footer =
    "The events go to their group once more, and to no other, with the ids they had: their handlers see them as "
    "they\n"
    "were, with new attempts. What fails again is a dead letter again. The letters are no letters any more.\n"
    "When it is interrupted, run it again: nothing is replayed twice.";

constexpr const char* discard_footer =
    "The letters are given up: nothing keeps the spool from deleting them, as it deletes old events. This cannot be\n"
    "undone.";

struct Options {
  std::string group;
  LetterFilter filter;
  std::uint64_t offset = 0;
  bool all = false;
  bool exact = false;
  bool each = false;
  bool json = false;
  bool dry_run = false;
  bool yes = false;
  ProxyOptions proxy;
};

/// What `replay` and `discard` are called, and call it themselves.
struct Deed {
  const char* verb;
  const char* name;
  const char* does;
  const char* done;
};
constexpr Deed replay{"dead_replay", "replay", "replays", "replayed"};
constexpr Deed discard{"dead_discard", "discard", "discards", "discarded"};

void report_unreadable(const std::string& group, const UnreadableLetter& letter) {
  report("group " + group + ": the letter at offset " + std::to_string(letter.offset) +
         " cannot be read: " + letter.why);
}

std::string letters(std::uint64_t count, const std::string& group) {
  return plural(count, "dead letter") + " of group " + group;
}

Result<void> print_each(const std::string& group, const LetterPage& page, bool json) {
  Bytes out;
  for (const Letter& letter : page.letters) {
    if (json) {
      append_letter(out, group, letter);
    } else {
      out += concat(group, "  ", letter.offset, "  of ", letter.origin, "  ", second_of(letter.time_ns), "  ",
                    letter.topic, "  ", letter.reason, "\n");
    }
  }
  return print(out);
}

Result<bool> list_group(Client& client, const std::string& group, const Options& options, Causes& causes) {
  bool whole = true;
  auto listed = list_letters(client, group, options.filter, [&](const LetterPage& page) -> Result<void> {
    for (const UnreadableLetter& letter : page.unreadable) report_unreadable(group, letter);
    whole = whole && page.unreadable.empty();
    if (options.each) return print_each(group, page, options.json);
    for (const Letter& letter : page.letters) causes.add(group, letter);
    return {};
  });
  if (!listed) return fail(listed.error());
  return whole;
}

int list(const Options& options) {
  auto client = Client::connect(options.proxy, "");
  if (!client) return failed(client.error());
  std::vector<std::string> groups{options.group};
  if (options.group.empty()) {
    auto all = groups_with_letters(**client);
    if (!all) return failed(all.error());
    groups = std::move(*all);
  }
  Causes causes(options.exact);
  bool whole = true;
  for (const std::string& group : groups) {
    auto listed = list_group(**client, group, options, causes);
    if (!listed) return failed(listed.error());
    whole = whole && *listed;
  }
  if (!options.each) {
    const auto all = causes.all();
    auto printed = print(options.json  ? causes_as_json(all)
                         : all.empty() ? "There are no dead letters.\n"
                                       : cause_table(all));
    if (!printed) return failed(printed.error());
  }
  return whole ? exit_ok : exit_failure;
}

int show(const Options& options) {
  auto client = Client::connect(options.proxy, "");
  if (!client) return failed(client.error());
  auto json = letter_as_json(**client, options.group, options.offset);
  if (!json) return failed(json.error());
  auto printed = print(*json);
  return printed ? exit_ok : failed(printed.error());
}

void report_refused(const std::string& group, const UnreadableLetter& letter) {
  report("group " + group + ": the letter at offset " + std::to_string(letter.offset) +
         " is not replayed: " + letter.why);
}

/// Says what is not done, and why.
int report_outcome(const Options& options, const Deed& deed, const LetterOutcome& outcome) {
  auto printed = print(std::string(deed.done) + " " + letters(outcome.done, options.group) + "\n");
  if (!printed) return failed(printed.error());
  if (outcome.gone > 0) {
    report(std::to_string(outcome.gone) + (outcome.gone == 1 ? " was" : " were") +
           " dealt with before, by somebody else or in a try that was cut off");
  }
  for (const UnreadableLetter& letter : outcome.unreadable) report_refused(options.group, letter);
  if (!outcome.stopped.empty()) report(outcome.stopped);
  if (outcome.left > 0)
    report(letters(outcome.left, options.group) + (outcome.left == 1 ? " is" : " are") + " still there");
  return outcome.left > 0 ? exit_failure : exit_ok;
}

int deal(const Options& options, const Deed& deed) {
  auto client = Client::connect(options.proxy, "");
  if (!client) return failed(client.error());
  std::vector<std::uint64_t> offsets;
  Causes causes(options.exact);
  auto listed = list_letters(**client, options.group, options.filter, [&](const LetterPage& page) -> Result<void> {
    for (const Letter& letter : page.letters) {
      offsets.push_back(letter.offset);
      causes.add(options.group, letter);
    }
    for (const UnreadableLetter& letter : page.unreadable) {
      report_unreadable(options.group, letter);
      // Whether a filter would choose it nobody can tell.
      if (options.all || options.filter.offset) offsets.push_back(letter.offset);
    }
    return {};
  });
  if (!listed) return failed(listed.error());
  std::sort(offsets.begin(), offsets.end());
  if (offsets.empty() && options.filter.offset) {
    return failed({ErrorCode::not_found, "offset " + std::to_string(*options.filter.offset) +
                                             " is no dead letter of group " + options.group});
  }
  const std::string what = concat(options.group, ": ", deed.does, " ", plural(offsets.size(), "dead letter"), "\n");
  if (options.dry_run) {
    report("a dry run: nothing changes");
    auto printed = print(offsets.empty() ? options.group + ": nothing changes\n"
                                         : cause_table(causes.all()) + would_be_done(what));
    return printed ? exit_ok : failed(printed.error());
  }
  if (!offsets.empty() && !options.yes) {
    if (!can_ask(concat("dead ", deed.name)) || !is_confirmed(what)) return exit_usage;
  }
  auto outcome = deal_with_letters(**client, deed.verb, options.group, offsets);
  if (!outcome) return failed(outcome.error());
  return report_outcome(options, deed, *outcome);
}

std::string check_pattern(const std::string& text) {
  auto pattern = wire::Pattern::parse(text);
  return pattern ? "" : pattern.error().text;
}

void add_filters(CLI::App& command, Options& options) {
  command.add_option("--topic", options.filter.topic, "Letters of events on these topics, as 'orders.>'")
      ->check(check_pattern);
  command.add_option("--reason", options.filter.reason, "Letters that have this text in their reason");
  command.add_flag("--exact", options.exact, "Reasons that differ in anything are different");
}

void add_list(CLI::App& dead, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *dead.add_subcommand("list", "Show dead letters, by what went wrong");
  command.footer(list_footer);
  command.add_option("GROUP", options->group, "Only those of this group");
  add_filters(command, *options);
  command.add_flag("--each", options->each,
                   "A line for each letter: group, offset, that of its event, time, topic, reason");
  command.add_flag("--json", options->json, "As a JSON array; with --each an object on each line");
  add_proxy_options(command, options->proxy);
  command.callback([options, &chosen] { chosen = [options] { return list(*options); }; });
}

void add_show(CLI::App& dead, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *dead.add_subcommand("show", "Print one dead letter whole, with its event, as JSON");
  command.add_option("GROUP", options->group, "Whose letter")->required();
  command.add_option("OFFSET", options->offset, "The letter's, as list says it")->required();
  add_proxy_options(command, options->proxy);
  command.callback([options, &chosen] { chosen = [options] { return show(*options); }; });
}

void add_deed(CLI::App& dead, const Deed& deed, const char* description, const char* about, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& command = *dead.add_subcommand(deed.name, description);
  command.footer(about);
  command.add_option("GROUP", options->group, "Whose letters")->required();
  add_filters(command, *options);
  command.add_option("--offset", options->filter.offset, "The letter at this offset");
  command.add_flag("--all", options->all, "All letters of the group");
  command.add_flag("--dry-run", options->dry_run, "Say which letters that would be, and do nothing");
  command.add_flag("--yes", options->yes, "Do not ask first");
  add_proxy_options(command, options->proxy);
  command.callback([options, &deed, &chosen] {
    if (options->filter.chooses_all() != options->all) {
      throw CLI::ValidationError("say which letters: --all, or some of --topic, --reason and --offset");
    }
    chosen = [options, &deed] { return deal(*options, deed); };
  });
}

}  // namespace

void add_dead(CLI::App& app, Action& chosen) {
  CLI::App& dead = *app.add_subcommand("dead", "List, show, replay and discard the dead letters of groups");
  dead.footer(footer);
  dead.require_subcommand(1);
  add_list(dead, chosen);
  add_show(dead, chosen);
  add_deed(dead, replay, "Hand the events of dead letters to their group again", replay_footer, chosen);
  add_deed(dead, discard, "Give dead letters up", discard_footer, chosen);
}

}  // namespace spindle::cli
