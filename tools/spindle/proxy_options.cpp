#include "tools/spindle/proxy_options.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <random>

#include "spindle/transport/endpoint.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::cli {
namespace {

constexpr double timeout_s_max = 1e6;

std::string text_of(const Result<void>& checked) { return checked ? "" : checked.error().text; }

}  // namespace

void add_proxy_options(CLI::App& command, ProxyOptions& options) {
  command.add_option("--proxy", options.endpoint, "Control endpoint of the proxy [tcp://127.0.0.1:5555]")
      ->envname("SPINDLE_PROXY")
      ->type_name("tcp://HOST:PORT")
      ->check([](const std::string& text) { return text_of(transport::check_endpoint(text)); });
  command
      .add_option("--connect-timeout", options.connect_timeout_s, "Give up when the proxy is not reached in it [5]")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.0, timeout_s_max).description(""));
}

void add_source_option(CLI::App& command, std::string& source) {
  command
      .add_option("--source", source,
                  "Name to appear under, as service/instance/0; a second process of one name takes over from the "
                  "first [a random one]")
      ->type_name("NAME")
      ->check([](const std::string& text) { return text_of(wire::check_source(text)); });
}

std::string random_source(const std::string& program) {
  std::random_device entropy;
  char instance[20];
  std::snprintf(instance, sizeof instance, "%08x%08x", entropy(), entropy());
  return program + "/" + instance + "/0";
}

Duration seconds(double count) { return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(count)); }

}  // namespace spindle::cli
