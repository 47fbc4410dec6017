#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace spindle::bench {

/// A process of its own, killed when it goes out of scope, and a pipe from its standard output.
class Child {
 public:
  /// Runs a program.
  static Child run(const std::vector<std::string>& command);
  /// Runs a function in a forked process; its result is the exit code. Fork before any thread or socket exists.
  static Child fork(const std::function<int()>& body);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  /// The next line that it printed; "" at its end.
  std::string line();
  void signal(int number) const;
  int wait();
  pid_t pid() const { return pid_; }

 private:
  Child(pid_t pid, int output) : pid_(pid), output_(output) {}
  pid_t pid_;
  int output_;
};

/// What a process has in memory, as /proc tells it.
struct Memory {
  double resident_mib = 0;
  /// The most that it ever was.
  double peak_mib = 0;
};

/// A spindle-proxy on free ports, beside this program, with a spool in a directory of its own that goes with it.
class Proxy {
 public:
  explicit Proxy(bool with_spool);
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }
  /// The directory of its spool.
  std::string spool() const { return directory_ + "/spool"; }
  Memory memory() const;
  /// What it has computed so far.
  double cpu_seconds() const;

 private:
  std::string directory_;
  Child child_;
  int port_ = 0;
};

/// The spindle-proxy that belongs to this program.
std::string proxy_program();
/// The directory that this program was started from; spindle-proxy is looked for there and in ../../proxy.
std::string program_directory();
/// Where spools and files are written: SPINDLE_BENCH_DIR, or the working directory.
std::string scratch_directory();

}  // namespace spindle::bench
