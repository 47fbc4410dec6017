#include <cstdio>
#include <exception>
#include <string>
#include <variant>

#include "proxy/log.hpp"
#include "proxy/options.hpp"
#include "proxy/process.hpp"
#include "proxy/proxy.hpp"

namespace {

using namespace spindle::proxy;

int print(const Exit& exit) {
  std::fputs(exit.text.c_str(), exit.code == exit_ok ? stdout : stderr);
  return exit.code;
}

/// Whatever the log level is.
void warn_if_insecure(const Options& options) {
  if (!options.insecure) return;
  std::fprintf(stderr,
               "WARNING: --insecure-listen %s: nobody is authenticated and nothing is encrypted.\n"
               "WARNING: whoever reaches these ports can read and publish every event.\n",
               options.listen.c_str());
}

void say_ready(const Ports& ports) {
  std::printf("spindle-proxy ready control=%u publish=%u subscribe=%u\n", unsigned{ports.control},
              unsigned{ports.publish}, unsigned{ports.subscribe});
  std::fflush(stdout);
}

int fail_with(const spindle::Error& error) {
  log::error("ended: " + error.message());
  return exit_failure;
}

int serve(Options options) {
  log::set_level(options.log_level);
  warn_if_insecure(options);
  ignore_sigpipe();
  StopSignals signals;
  log::info("up to " + std::to_string(raise_open_files_limit()) + " open files, three for each client");

  spindle::transport::Context context;
  Proxy proxy(std::move(options), context);
  if (auto started = proxy.start(); !started) return fail_with(started.error());
  say_ready(proxy.ports());

  if (const int signal = signals.wait(proxy.ended_fd())) log::info("stopping on signal " + std::to_string(signal));
  if (auto ended = proxy.stop(); !ended) return fail_with(ended.error());
  log::info("stopped in order");
  return exit_ok;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    auto parsed = parse_options(argc, argv);
    if (auto* exit = std::get_if<Exit>(&parsed)) return print(*exit);
    return serve(std::get<Options>(std::move(parsed)));
  } catch (const std::exception& wrong) {  // no memory or no descriptors at start: nothing below can go on either
    std::fprintf(stderr, "spindle-proxy: %s\n", wrong.what());
    return exit_failure;
  }
}
