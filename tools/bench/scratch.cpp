#include "tools/bench/scratch.hpp"

#include <stdlib.h>

#include <filesystem>
#include <stdexcept>

namespace spindle::bench {

Scratch::Scratch() : path_(scratch_directory() + "/spindle-bench-XXXXXX") {
  if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
}

Scratch::~Scratch() { std::filesystem::remove_all(path_); }

std::vector<std::string> proxy_on(const std::string& spool) {
  return {proxy_program(), "--port", "0", "--log-level", "error", "--spool", spool};
}

std::string endpoint_of(Child& proxy) {
  const std::string ready = proxy.line();
  const std::size_t at = ready.find("control=");
  if (at == std::string::npos) throw std::runtime_error("spindle-proxy did not start: " + ready);
  return "tcp://127.0.0.1:" + std::to_string(std::stoi(ready.substr(at + 8)));
}

}  // namespace spindle::bench
