#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <vector>

#include "spindle/actor/options.hpp"

using namespace spindle;

namespace {

Options parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "program");
  return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

/// In a process of its own, with nothing printed.
int exit_code_of(std::vector<const char*> arguments) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr || std::freopen("/dev/null", "w", stdout) == nullptr) {
      ::_exit(99);
    }
    (void)parse(std::move(arguments));
    ::_exit(42);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status);
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
