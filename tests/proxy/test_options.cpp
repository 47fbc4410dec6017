#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "proxy/options.hpp"

using namespace spindle;
using namespace spindle::proxy;

namespace {

std::variant<Options, Exit> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "spindle-proxy");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options parsed(std::vector<const char*> arguments) {
  auto result = parse(std::move(arguments));
  if (auto* exit = std::get_if<Exit>(&result)) FAIL(exit->text);
  return std::get<Options>(std::move(result));
}

/// The text with which a wrong command line is refused.
std::string refusal(std::vector<const char*> arguments) {
  auto result = parse(std::move(arguments));
  REQUIRE(std::holds_alternative<Exit>(result));
  const auto& exit = std::get<Exit>(result);
  CHECK(exit.code == exit_usage);
  return exit.text;
}

/// A configuration file that is removed with it.
struct ConfigFile {
  explicit ConfigFile(const std::string& text) {
    std::string name = (std::filesystem::temp_directory_path() / "spindle-options-XXXXXX").string();
    const int fd = ::mkstemp(name.data());
    REQUIRE(fd >= 0);
    path = name;
    std::ofstream(path) << text;
    ::close(fd);
  }
  ~ConfigFile() { std::filesystem::remove(path); }
  std::string path;
};

}  // namespace

TEST_CASE("without options it serves live events on loopback") {
  const Options options = parsed({});
  CHECK(options.listen == "127.0.0.1");
  CHECK_FALSE(options.insecure);
  CHECK(options.port == 5555);
  CHECK(options.spool.empty());
  CHECK(options.lease == std::chrono::seconds(10));
}

TEST_CASE("idle sources are forgotten after a duration, never at once") {
  CHECK(parsed({}).forget_sources_after == std::chrono::hours(24 * 30));
  CHECK(parsed({"--forget-sources-after", "12h"}).forget_sources_after == std::chrono::hours(12));
  CHECK(refusal({"--forget-sources-after", "0"}).find("twice") != std::string::npos);
  CHECK(refusal({"--forget-sources-after", "soon"}).find("7d") != std::string::npos);
  CHECK(to_config_file(parsed({"--forget-sources-after", "48h"})).find("forget-sources-after = \"2d\"") !=
        std::string::npos);
}

TEST_CASE("an address that others can reach needs insecure-listen") {
  for (const char* address : {"0.0.0.0", "192.168.1.4", "::", "2001:db8::1"}) {
    CHECK_THAT(refusal({"--listen", address}), Catch::Contains("--insecure-listen " + std::string(address)));
    CHECK(parsed({"--insecure-listen", address}).listen == address);
    CHECK(parsed({"--insecure-listen", address}).insecure);
  }
  for (const char* address : {"127.0.0.1", "127.3.2.1", "::1"})
    CHECK(parsed({"--listen", address}).listen == address);
}

TEST_CASE("listen takes addresses only, so that nothing is looked up") {
  for (const char* address : {"localhost", "*", "eth0", "127.1", "tcp://127.0.0.1", "127.0.0.1:5555", ""}) {
    CHECK_THAT(refusal({"--listen", address}), Catch::Contains("is not an IP address"));
  }
}

TEST_CASE("the port leaves room for the two live ports") {
  CHECK(parsed({"--port", "65533"}).port == 65533);
  CHECK(parsed({"--port", "0"}).port == 0);
  for (const char* port : {"65534", "-1", "x", ""}) CHECK_THAT(refusal({"--port", port}), Catch::Contains("--port"));
}

TEST_CASE("sizes take units") {
  CHECK(parsed({"--disk-reserve", "1GiB"}).disk_reserve_bytes == 1024ull * 1024 * 1024);
  CHECK(parsed({"--segment-size", "16MiB"}).segment_bytes == 16ull * 1024 * 1024);
  for (const char* size : {"8MiB", "2GiB", "16XB", "-1"}) {
    CHECK_THAT(refusal({"--segment-size", size}), Catch::Contains("--segment-size"));
  }
}

TEST_CASE("how long events are kept, and what a full disk means, can be said") {
  CHECK(parsed({}).retention.keep_for == std::chrono::hours(7 * 24));
  CHECK(parsed({}).retention.keep_bytes == 0);
  CHECK_FALSE(parsed({}).retention.drop_oldest);
  CHECK(parsed({"--keep-for", "90s"}).retention.keep_for == std::chrono::seconds(90));
  CHECK(parsed({"--keep-for", "0"}).retention.keep_for == Duration::zero());
  CHECK(parsed({"--keep-bytes", "10GiB"}).retention.keep_bytes == 10ull << 30);
  CHECK(parsed({"--when-full", "drop-oldest"}).retention.drop_oldest);
  CHECK_THAT(refusal({"--keep-for", "week"}), Catch::Contains("7d"));
  CHECK_THAT(refusal({"--when-full", "explode"}), Catch::Contains("drop-oldest"));
}

TEST_CASE("capture is repeatable, checked, and needs a spool") {
  const Options options = parsed({"--spool", "/x", "--capture", "a.>", "--capture", "b"});
  REQUIRE(options.capture.size() == 2);
  CHECK(options.capture[0].text() == "a.>");
  CHECK_THAT(refusal({"--capture", "a"}), Catch::Contains("--spool"));
  CHECK_THAT(refusal({"--spool", "/x", "--capture", "a..b"}), Catch::Contains("a..b"));
}

TEST_CASE("an empty spool directory is refused, not taken for none") {
  CHECK_THAT(refusal({"--spool", ""}), Catch::Contains("--spool"));
}

TEST_CASE("check-config prints what config reads back") {
  const auto checked = parse(
      {"--check-config", "--insecure-listen", "10.0.0.1",  "--port",  "7000",      "--advertise", "broker.example",
       "--spool",        "/var/spool/a b",    "--capture", "x.*",     "--capture", "y.>",         "--disk-reserve",
       "5GiB",           "--segment-size",    "32MiB",     "--lease", "7",         "--log-level", "warn"});
  REQUIRE(std::holds_alternative<Exit>(checked));
  const auto& exit = std::get<Exit>(checked);
  CHECK(exit.code == exit_ok);

  const ConfigFile file(exit.text);
  const Options again = parsed({"--config", file.path.c_str()});
  CHECK(to_config_file(again) == exit.text);
  CHECK(again.insecure);
  CHECK(again.spool == "/var/spool/a b");
  CHECK(again.capture.size() == 2);
}

TEST_CASE("the command line wins over the configuration file") {
  const ConfigFile file("port = 7000\nlease = 5\n");
  const Options options = parsed({"--config", file.path.c_str(), "--port", "8000"});
  CHECK(options.port == 8000);
  CHECK(options.lease == std::chrono::seconds(5));
}

TEST_CASE("a configuration file is checked like the command line") {
  const ConfigFile unknown("prot = 7000\n");
  CHECK_THAT(refusal({"--config", unknown.path.c_str()}), Catch::Contains("prot"));
  const ConfigFile open("listen = \"0.0.0.0\"\n");
  CHECK_THAT(refusal({"--config", open.path.c_str()}), Catch::Contains("--insecure-listen"));
  CHECK_THAT(refusal({"--config", "/nonexistent/file"}), Catch::Contains("/nonexistent/file"));
}

TEST_CASE("help names every option, the three ports and the exit codes") {
  const auto help = std::get<Exit>(parse({"--help"}));
  CHECK(help.code == exit_ok);
  for (const char* word : {"--listen", "--insecure-listen", "--port", "--advertise", "--spool", "--capture",
                           "--disk-reserve", "--segment-size", "--lease", "--log-level", "--config", "--check-config",
                           "--version", "control", "publish", "subscribe", "Examples", "Exit codes"}) {
    CHECK_THAT(help.text, Catch::Contains(word));
  }
  CHECK(std::get<Exit>(parse({"--version"})).code == exit_ok);
}
