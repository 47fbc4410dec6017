#include "spindle/actor/options.hpp"

#include <CLI/CLI.hpp>

#include "spindle/transport/endpoint.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle {
namespace {

std::string check_proxy(const std::string& text) {
  auto checked = transport::check_endpoint(text);
  return checked ? "" : checked.error().text;
}

std::string check_instance(const std::string& text) {
  return wire::check_group_name(text) ? "" : "'" + text + "' is not letters, digits, '_' and '-'";
}

}  // namespace

Options parse_options(int argc, const char* const* argv) { return parse_options(argc, argv, "", OwnArguments::some); }

Options parse_options(int argc, const char* const* argv, const std::string& usage, OwnArguments own) {
  Options options;
  CLI::App app(usage.empty() ? "The flags of a Spindle service." : usage);
  app.allow_extras(own == OwnArguments::some);
  app.set_help_flag(usage.empty() ? "--spindle-help" : "-h,--help", "Print this help and exit");
  app.add_option("--proxy", options.proxy, "The proxy's control port")
      ->envname("SPINDLE_PROXY")
      ->check(check_proxy)
      ->capture_default_str();
  app.add_option("--instance", options.instance, "Names this process instead of a random word")
      ->check(check_instance);
  app.add_option("--log-level", options.log_level, "trace, debug, info, warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    std::exit(code == 0 ? 0 : 2);
  }
  options.rest = app.remaining();
  return options;
}

}  // namespace spindle
