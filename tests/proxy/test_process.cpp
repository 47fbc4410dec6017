#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "raw_socket.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// A directory that is removed with it.
struct TemporaryDirectory {
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "spindle-proxy-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  std::string path;
};

/// A real spindle-proxy; killed with it if it still runs.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), SPINDLE_PROXY_PROGRAM);
    int out[2];
    REQUIRE(::pipe(out) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      std::vector<char*> argv;
      for (std::string& argument : arguments) argv.push_back(argument.data());
      argv.push_back(nullptr);
      ::dup2(out[1], STDOUT_FILENO);
      ::close(out[0]);
      ::close(out[1]);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    stdout_ = out[0];
  }
  ~Process() {
    if (!exit_code_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(stdout_);
  }

  void signal(int number) const { ::kill(pid_, number); }

  /// The first line on standard output; what came until then if the process ends or takes too long.
  std::string first_line() const {
    const auto deadline = Clock::now() + raw::patience;
    std::string line;
    char c = 0;
    while (Clock::now() < deadline) {
      pollfd waiting{stdout_, POLLIN, 0};
      if (::poll(&waiting, 1, 100) != 1) continue;
      if (::read(stdout_, &c, 1) != 1 || c == '\n') break;
      line += c;
    }
    return line;
  }

  /// -1 when a signal ended it.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return *exit_code_;
  }

 private:
  pid_t pid_ = -1;
  int stdout_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace

TEST_CASE("the program says when it is ready and ends in order on SIGTERM and SIGINT") {
  const TemporaryDirectory spool;
  for (const int number : {SIGTERM, SIGINT}) {
    Process proxy({"--port", "0", "--spool", spool.path, "--log-level", "error"});
    unsigned control = 0;
    unsigned publish = 0;
    unsigned subscribe = 0;
    CHECK(std::sscanf(proxy.first_line().c_str(), "spindle-proxy ready control=%u publish=%u subscribe=%u", &control,
                      &publish, &subscribe) == 3);
    CHECK(control != 0);
    proxy.signal(number);
    CHECK(proxy.wait() == 0);
  }
}

TEST_CASE("the exit code tells wrong usage from failure") {
  CHECK(Process({"--prot", "1"}).wait() == 2);
  CHECK(Process({"--check-config", "--lease", "0"}).wait() == 2);
  CHECK(Process({"--check-config"}).wait() == 0);

  const TemporaryDirectory spool;
  Process first({"--port", "0", "--spool", spool.path, "--log-level", "off"});
  CHECK_FALSE(first.first_line().empty());
  CHECK(Process({"--port", "0", "--spool", spool.path, "--log-level", "off"}).wait() == 1);
}

TEST_CASE("the program starts again on its ports right after it was killed") {
  const TemporaryDirectory spool;
  std::string port = "0";
  for (int i = 0; i < 3; ++i) {
    Process proxy({"--port", port, "--spool", spool.path, "--log-level", "error"});
    unsigned control = 0;
    REQUIRE(std::sscanf(proxy.first_line().c_str(), "spindle-proxy ready control=%u", &control) == 1);
    if (control < 65'533) port = i == 0 ? "0" : std::to_string(control);
    proxy.signal(SIGKILL);
    CHECK(proxy.wait() == -1);
  }
}
