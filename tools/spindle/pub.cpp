#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "spindle/wire/topic.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/event_input.hpp"
#include "tools/spindle/publish.hpp"
#include "tools/spindle/report.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "The input is one JSON value a line, each the data of one event. {\"$bin\": \"BASE64\"} stands for bytes.\n"
    "A wrong line ends it: what came before is still published, and the exit code is 2.\n"
    "\n"
    "Without --durable, events go to whoever is subscribed now; exit code 0 says that the proxy passed them on.\n"
    "With --durable, exit code 0 says that every event is on the proxy's disk, exactly once, in the input's order.\n"
    "Should the proxy stop meanwhile, the command waits for it and sends again what was not acknowledged.\n"
    "A refused event is reported as {\"error\":CODE,\"text\":WHY,\"line\":LINE,\"events\":COUNT} on standard error,\n"
    "with exit code 1: none of the COUNT events from that line on, which shared a commit, was stored.\n"
    "\n"
    "Examples:\n"
    "  echo '{\"order_id\":\"A1\"}' | spindle pub orders.placed\n"
    "  spindle pub orders.placed --durable --key order_id --receipts < orders.jsonl\n"
    "      {\"id\":\"spindle-pub/5f3a…/0@7/orders.placed/0\",\"offset\":1041}";

std::string check_topic(const std::string& topic) {
  if (auto checked = wire::check_topic(topic); !checked) return checked.error().text;
  return topic.starts_with('_') ? "topics that begin with '_' are Spindle's own" : "";
}

int run(PublishOptions options) {
  if (options.source.empty()) options.source = random_source("spindle-pub");
  auto client = Client::connect(options.proxy, options.source);
  if (!client) return failed(client.error());
  EventInput input(STDIN_FILENO, options.key_field);
  return options.durable ? publish_durable(options, **client, input) : publish_live(options, **client, input);
}

}  // namespace

void add_pub(CLI::App& app, Action& chosen) {
  auto options = std::make_shared<PublishOptions>();
  CLI::App& pub = *app.add_subcommand("pub", "Publish events read from standard input, one JSON value a line");
  pub.footer(footer);
  pub.add_option("TOPIC", options->topic, "Where to publish, as orders.placed")->required()->check(check_topic);
  auto* durable = pub.add_flag("--durable", options->durable, "Have the events stored, for groups to consume");
  pub.add_flag("--receipts", options->receipts, "Print each event's id and offset as it becomes durable")
      ->needs(durable);
  pub.add_option("--key", options->key_field,
                 "Field whose value is the event's key: a group keeps the order of events with one key")
      ->type_name("FIELD");
  add_source_option(pub, options->source);
  add_proxy_options(pub, options->proxy);
  pub.callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace spindle::cli
