#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace rig {

inline constexpr std::chrono::seconds patience{60};

/// A directory that is removed with it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() : path_((std::filesystem::temp_directory_path() / "spindle-actor-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("mkdtemp");
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A real spindle-proxy on ports that stay the same from start to start; killed with it.
class ProxyProcess {
 public:
  /// Does not start it yet.
  explicit ProxyProcess(std::vector<std::string> arguments) : arguments_(std::move(arguments)), port_(free_port()) {}
  ~ProxyProcess() { kill(); }
  ProxyProcess(const ProxyProcess&) = delete;
  ProxyProcess& operator=(const ProxyProcess&) = delete;

  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

  /// Returns when it is ready.
  void start() {
    std::vector<std::string> all{SPINDLE_PROXY_PROGRAM, "--port", std::to_string(port_), "--log-level", "error"};
    all.insert(all.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int out[2];
    if (::pipe(out) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nothing is left behind when the test itself is killed
      ::dup2(out[1], STDOUT_FILENO);
      ::close(out[0]);
      ::close(out[1]);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(out[1]);
    const bool ready = read_line(out[0]).starts_with("spindle-proxy ready");
    ::close(out[0]);
    if (!ready) throw std::runtime_error("the proxy did not start");
  }

  /// As a crash does.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  static std::string read_line(int fd) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    std::string line;
    char c = 0;
    while (std::chrono::steady_clock::now() < deadline) {
      pollfd waiting{fd, POLLIN, 0};
      if (::poll(&waiting, 1, 100) != 1) continue;
      if (::read(fd, &c, 1) != 1 || c == '\n') break;
      line += c;
    }
    return line;
  }

  static bool is_free(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return bound;
  }

  /// The first of three; below the range that the system gives to clients.
  static int free_port() {
    std::random_device random;
    for (int i = 0; i < 1'000; ++i) {
      const int port = 10'000 + static_cast<int>(random() % 20'000);
      if (is_free(port) && is_free(port + 1) && is_free(port + 2)) return port;
    }
    throw std::runtime_error("no free ports");
  }

  std::vector<std::string> arguments_;
  int port_;
  pid_t pid_ = -1;
};

}  // namespace rig
