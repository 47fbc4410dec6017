#include "proxy/options.hpp"

#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <limits>
#include <sstream>

#include "spindle/base/duration.hpp"

#ifndef SPINDLE_VERSION
#error "the build sets SPINDLE_VERSION"
#endif

namespace spindle::proxy {
namespace {

constexpr int port_max = 65'535 - 2;  // the live ports are the two above it
constexpr int lease_seconds_max = 3'600;
constexpr std::uint64_t segment_bytes_min = 16ull * 1024 * 1024;  // a message of 8 MiB and the state before it
constexpr std::uint64_t segment_bytes_max = 1024ull * 1024 * 1024;

constexpr const char* description =
    "The Spindle proxy: passes live events on as they come, and keeps durable ones in a spool for\n"
    "consumers that are away. It uses three ports:\n"
    "  control    PORT      where services connect; they are told the other two\n"
    "  publish    PORT + 1  live events come in (ZeroMQ XSUB, for PUB sockets)\n"
    "  subscribe  PORT + 2  live events and copies of stored ones go out (ZeroMQ XPUB, for SUB sockets)";

constexpr const char* footer =
    "Examples:\n"
    "  spindle-proxy\n"
    "      live events only, on 127.0.0.1, ports 5555 to 5557\n"
    "  spindle-proxy --spool /var/lib/spindle --capture 'orders.>'\n"
    "      durable events too, kept in that directory; live events below orders. are stored as well\n"
    "\n"
    "Once it is ready it prints one line on standard output, for programs that wait for it:\n"
    "  spindle-proxy ready control=5555 publish=5556 subscribe=5557\n"
    "Logs go to standard error. SIGTERM and SIGINT end it in order: what was decided is stored first.\n"
    "\n"
    "Exit codes: 0 ended as asked, 1 failed while starting or running (the log says why),\n"
    "            2 a wrong option or configuration file.";

/// What CLI11 fills, as it is written on the command line.
struct Given {
  std::string listen;
  std::string insecure_listen;
  std::vector<std::string> capture;
  int port = 0;
  int lease_seconds = 0;
  std::string forget_sources_after;
  std::string keep_for = {};
  std::string when_full = {};
  bool check_config = false;
};

std::string check_forget_after(const std::string& text) {
  auto duration = parse_duration(text);
  if (!duration) return duration.error().text;
  if (*duration >= std::chrono::seconds(1)) return "";
  return "a source that is forgotten at once could publish twice: give at least 1s, better days";
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string check_address(const std::string& address) {
  in6_addr any{};
  if (::inet_pton(AF_INET, address.c_str(), &any) == 1 || ::inet_pton(AF_INET6, address.c_str(), &any) == 1)
    return "";
  return "\"" + address + "\" is not an IP address: give one such as 127.0.0.1, ::1 or 0.0.0.0";
}

std::string check_loopback(const std::string& address) {
  if (auto wrong = check_address(address); !wrong.empty()) return wrong;
  if (is_loopback(address)) return "";
  return address + " can be reached from other machines, and clients are not authenticated: give it as " +
         "--insecure-listen " + address + " if that network is trusted";
}

// An empty one is most likely a variable that was not set, and would silently make a proxy that stores nothing.
std::string check_not_empty(const std::string& text) { return text.empty() ? "it is empty: give a directory" : ""; }

std::string check_duration(const std::string& text) {
  auto duration = parse_duration(text);
  return duration ? "" : duration.error().text;
}

std::string check_pattern(const std::string& text) {
  auto pattern = wire::Pattern::parse(text);
  return pattern ? "" : pattern.error().text;
}

void add_options(CLI::App& app, Options& options, Given& given) {
  app.add_option("--listen", given.listen, "Loopback address to listen on [127.0.0.1]")
      ->type_name("ADDRESS")
      ->check(check_loopback);
  app.add_option("--insecure-listen", given.insecure_listen,
                 "Any address to listen on, without authentication: whoever reaches it can read and publish")
      ->type_name("ADDRESS")
      ->check(check_address)
      ->excludes("--listen");
  app.add_option("--port", given.port, "Control port; 0 takes three free ones [5555]")
      ->type_name("PORT")
      ->check(CLI::Range(0, port_max).description(""));
  app.add_option("--advertise", options.advertise, "Host that clients use for the live ports [the one they dialled]")
      ->type_name("HOST");
  app.add_option("--spool", options.spool, "Directory for durable events, made if missing [none: live events only]")
      ->type_name("DIR")
      ->check(check_not_empty);
  app.add_option("--capture", given.capture,
                 "Store live events on these topics too, as orders.* or orders.>; repeatable")
      ->type_name("PATTERN")
      ->check(check_pattern)
      ->allow_extra_args(false)
      ->needs("--spool");
  app.add_option("--keep-for", given.keep_for,
                 "How long events are kept that no group needs, as 90s, 12h or 7d; 0: not at all [7d]")
      ->type_name("DURATION")
      ->check(check_duration);
  app.add_option("--keep-bytes", options.retention.keep_bytes,
                 "How large the spool may become before events go that no group needs; 0: any size [0]")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false).description(""));
  app.add_option("--when-full", given.when_full,
                 "A full disk halts publishers (refuse) or costs groups their oldest events (drop-oldest) [refuse]")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"refuse", "drop-oldest"}).description(""));
  app.add_option("--disk-reserve", options.disk_reserve_bytes,
                 "Publishes halt below this much free space; consumers use up to 7/8 of it [256MiB]")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false).description(""));
  app.add_option("--segment-size", options.segment_bytes, "Size of a file of the spool, 16MiB to 1GiB [64MiB]")
      ->type_name("SIZE")
      ->transform(CLI::AsSizeValue(false).description(""));
  app.add_flag("--accept-loss", options.accept_loss,
               "Start although the spool is damaged, without what is lost; the log says what")
      ->configurable(false)
      ->needs("--spool");
  app.add_option("--lease", given.lease_seconds, "A client silent for longer is taken for dead, 1 to 3600 [10]")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, lease_seconds_max).description(""));
  app.add_option("--forget-sources-after", given.forget_sources_after,
                 "A source idle for longer, by the proxy's running time, is forgotten: its repeats are refused [30d]")
      ->type_name("DURATION")
      ->check(check_forget_after);
  app.add_option("--log-level", options.log_level, "trace, debug, info, warn, error or off [info]")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}).description(""));
  app.set_config("--config", "", "File with these options, a line each, as: spool = \"/var/lib/spindle\"")
      ->type_name("FILE");
  app.add_flag("--check-config", given.check_config,
               "Check all options, print them as a configuration file, and exit 0 or 2")
      ->configurable(false);
}

std::string check_sizes(const Options& options) {
  if (options.segment_bytes < segment_bytes_min || options.segment_bytes > segment_bytes_max) {
    return "--segment-size: " + std::to_string(options.segment_bytes) + " bytes is not between 16MiB and 1GiB";
  }
  if (options.disk_reserve_bytes > std::numeric_limits<std::int64_t>::max()) {
    return "--disk-reserve: no disk is that large; give a size such as 256MiB";
  }
  return "";
}

std::string check_advertised(const std::string& host) {
  const bool plain = host.find_first_of("/ \t\"\\") == std::string::npos;
  return plain ? "" : "--advertise: \"" + host + "\" is not a host: give a name or an address, without port";
}

Options finish(Options options, const Given& given) {
  options.insecure = !given.insecure_listen.empty();
  options.listen = options.insecure ? given.insecure_listen : given.listen;
  options.port = static_cast<std::uint16_t>(given.port);
  options.lease = std::chrono::seconds(given.lease_seconds);
  options.forget_sources_after = *parse_duration(given.forget_sources_after);
  if (!given.keep_for.empty()) options.retention.keep_for = *parse_duration(given.keep_for);
  options.retention.drop_oldest = given.when_full == "drop-oldest";
  for (const std::string& text : given.capture) options.capture.push_back(*wire::Pattern::parse(text));
  return options;
}

Exit usage(const std::string& text) {
  return {exit_usage, "spindle-proxy: " + text + "\nTry: spindle-proxy --help\n"};
}

}  // namespace

std::variant<Options, Exit> parse_options(int argc, const char* const* argv) {
  Options options;
  Given given{.listen = options.listen,
              .insecure_listen = "",
              .capture = {},
              .port = options.port,
              .lease_seconds = static_cast<int>(options.lease / std::chrono::seconds(1)),
              .forget_sources_after = duration_text(options.forget_sources_after)};

  CLI::App app{description, "spindle-proxy"};
  app.footer(footer);
  app.set_version_flag("--version", "spindle-proxy " SPINDLE_VERSION);
  app.allow_config_extras(CLI::config_extras_mode::error);
  app.get_formatter()->column_width(28);
  add_options(app, options, given);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream out;
    app.exit(asked, out, out);
    return Exit{exit_ok, out.str()};
  } catch (const CLI::ConfigError& wrong) {
    return usage(std::string("the configuration file has an option that does not exist: ") + wrong.what());
  } catch (const CLI::Error& wrong) {
    return usage(wrong.what());
  }
  if (auto wrong = check_sizes(options); !wrong.empty()) return usage(wrong);
  if (auto wrong = check_advertised(options.advertise); !wrong.empty()) return usage(wrong);

  options = finish(std::move(options), given);
  if (given.check_config) return Exit{exit_ok, to_config_file(options)};
  return options;
}

std::string to_config_file(const Options& options) {
  std::ostringstream out;
  out << (options.insecure ? "insecure-listen" : "listen") << " = \"" << options.listen << "\"\n";
  out << "port = " << options.port << "\n";
  if (!options.advertise.empty()) out << "advertise = \"" << options.advertise << "\"\n";
  if (!options.spool.empty()) out << "spool = \"" << options.spool << "\"\n";
  if (!options.capture.empty()) {
    out << "capture = [";
    for (const auto& pattern : options.capture)
      out << (&pattern == options.capture.data() ? "" : ", ") << '"' << pattern.text() << '"';
    out << "]\n";
  }
  out << "keep-for = \"" << duration_text(options.retention.keep_for) << "\"\n";
  out << "keep-bytes = " << options.retention.keep_bytes << "\n";
  out << "when-full = \"" << (options.retention.drop_oldest ? "drop-oldest" : "refuse") << "\"\n";
  out << "disk-reserve = " << options.disk_reserve_bytes << "\n";
  out << "segment-size = " << options.segment_bytes << "\n";
  out << "lease = " << options.lease / std::chrono::seconds(1) << "\n";
  out << "forget-sources-after = \"" << duration_text(options.forget_sources_after) << "\"\n";
  out << "log-level = \"" << options.log_level << "\"\n";
  return out.str();
}

}  // namespace spindle::proxy
