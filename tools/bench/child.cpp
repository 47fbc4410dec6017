#include "tools/bench/child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace spindle::bench {
namespace fs = std::filesystem;

Child Child::fork(const std::function<int()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe failed");
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(ends[1], STDOUT_FILENO);
    ::close(ends[0]);
    ::close(ends[1]);
    const int code = body();
    std::fflush(nullptr);
    ::_exit(code);
  }
  ::close(ends[1]);
  return Child(pid, ends[0]);
}

Child Child::run(const std::vector<std::string>& command) {
  return fork([&] {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(arguments[0], arguments.data());
    std::perror(arguments[0]);
    return 127;
  });
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), output_(std::exchange(other.output_, -1)) {}

Child::~Child() {
  if (pid_ > 0) {
    signal(SIGKILL);
    wait();
  }
  if (output_ >= 0) ::close(output_);
}

std::string Child::line() {
  std::string line;
  char c = 0;
  while (::read(output_, &c, 1) == 1 && c != '\n') line.push_back(c);
  return line;
}

void Child::signal(int number) const {
  if (pid_ > 0) ::kill(pid_, number);
}

int Child::wait() {
  int status = 0;
  if (pid_ > 0) ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

namespace {

std::string new_directory() {
  std::string path = scratch_directory() + "/spindle-bench-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr)
    throw std::runtime_error("cannot make a directory in " + scratch_directory());
  return path;
}

std::vector<std::string> proxy_command(const std::string& directory, bool with_spool) {
  std::vector<std::string> command{proxy_program(), "--port", "0", "--log-level", "error"};
  if (with_spool) {
    command.push_back("--spool");
    command.push_back(directory + "/spool");
  }
  return command;
}

}  // namespace

Proxy::Proxy(bool with_spool)
    : directory_(new_directory()), child_(Child::run(proxy_command(directory_, with_spool))) {
  const std::string ready = child_.line();
  const std::size_t at = ready.find("control=");
  if (at == std::string::npos) throw std::runtime_error("spindle-proxy did not start: " + ready);
  port_ = std::stoi(ready.substr(at + 8));
}

Proxy::~Proxy() {
  child_.signal(SIGKILL);
  child_.wait();
  fs::remove_all(directory_);
}

Memory Proxy::memory() const {
  Memory memory;
  std::ifstream status("/proc/" + std::to_string(child_.pid()) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) memory.resident_mib = std::stod(line.substr(6)) / 1024;
    if (line.starts_with("VmHWM:")) memory.peak_mib = std::stod(line.substr(6)) / 1024;
  }
  return memory;
}

double Proxy::cpu_seconds() const {
  std::ifstream stat("/proc/" + std::to_string(child_.pid()) + "/stat");
  std::string line;
  std::getline(stat, line);
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;  // utime and stime are fields 14 and 15
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::string proxy_program() {
  const std::string beside = program_directory() + "/spindle-proxy";
  return fs::exists(beside) ? beside : program_directory() + "/../../proxy/spindle-proxy";
}

std::string program_directory() { return fs::read_symlink("/proc/self/exe").parent_path().string(); }

std::string scratch_directory() {
  const char* set = std::getenv("SPINDLE_BENCH_DIR");
  return set != nullptr ? set : fs::current_path().string();
}

}  // namespace spindle::bench
