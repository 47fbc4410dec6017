#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <vector>

#include "spindle/actor/options.hpp"

using namespace spindle;

namespace {

Options parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "program");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

Options parse_with_usage(std::vector<const char*> arguments, OwnArguments own) {
  arguments.insert(arguments.begin(), "program");
  return parse_options(static_cast<int>(arguments.size()), arguments.data(), "usage: program", own);
}

/// In a process of its own, with nothing printed.
int exit_code_of(const std::function<void()>& parse) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr || std::freopen("/dev/null", "w", stdout) == nullptr) {
      ::_exit(99);
    }
    parse();
    ::_exit(42);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

int exit_code_of(const std::vector<const char*>& arguments) {
  return exit_code_of([&] { (void)parse(arguments); });
}

}  // namespace

TEST_CASE("a service's flags are read and the program's own are left alone") {
  const Options options = parse({"--ledger", "file.txt", "--proxy", "tcp://host:1", "-v", "--instance=a-1", "input",
                                 "--log-level", "debug", "--help", "--config", "x"});
  CHECK(options.proxy == "tcp://host:1");
  CHECK(options.instance == "a-1");
  CHECK(options.log_level == "debug");
  CHECK(options.rest == std::vector<std::string>{"--ledger", "file.txt", "-v", "input", "--help", "--config", "x"});
}

TEST_CASE("without flags the environment names the proxy, and else it is the local one") {
  CHECK(parse({}).proxy == "tcp://127.0.0.1:5555");
  ::setenv("SPINDLE_PROXY", "tcp://elsewhere:7", 1);
  CHECK(parse({}).proxy == "tcp://elsewhere:7");
  CHECK(parse({"--proxy", "tcp://here:8"}).proxy == "tcp://here:8");
  ::unsetenv("SPINDLE_PROXY");
}

TEST_CASE("a wrong value ends the program with exit code 2, and help with 0") {
  CHECK(exit_code_of({"--proxy", "localhost:5555"}) == 2);
  CHECK(exit_code_of({"--proxy"}) == 2);
  CHECK(exit_code_of({"--instance", "a/b"}) == 2);
  CHECK(exit_code_of({"--log-level", "loud"}) == 2);
  CHECK(exit_code_of({"--spindle-help"}) == 0);
  CHECK(exit_code_of({"--unknown"}) == 42);
}

TEST_CASE("a flag that nobody knows is an error, unless the program has its own") {
  const auto exit_code = [](const std::vector<const char*>& arguments, OwnArguments own) {
    return exit_code_of([&] { (void)parse_with_usage(arguments, own); });
  };
  for (const char* unknown : {"--unknown", "-v", "argument"}) {
    CAPTURE(unknown);
    CHECK(exit_code({unknown}, OwnArguments::none) == 2);
    CHECK(exit_code({"--log-level", "info", unknown}, OwnArguments::none) == 2);
    CHECK(exit_code({unknown}, OwnArguments::some) == 42);
    CHECK(parse_with_usage({"--log-level", "info", unknown}, OwnArguments::some).rest ==
          std::vector<std::string>{unknown});
  }
  CHECK(exit_code({"--log-level", "info"}, OwnArguments::none) == 42);
  CHECK(exit_code({"--help"}, OwnArguments::none) == 0);
}
