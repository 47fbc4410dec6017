#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <string>

#include "proxy/log.hpp"

namespace spindle::proxy {

/// What the proxy's log says while this is there: standard error goes to a file meanwhile.
class LogLines {
 public:
  LogLines() : file_(std::tmpfile()), stderr_(::dup(STDERR_FILENO)) {
    REQUIRE(file_ != nullptr);
    log::set_level("info");
    REQUIRE(::dup2(::fileno(file_), STDERR_FILENO) >= 0);
  }
  ~LogLines() {
    ::dup2(stderr_, STDERR_FILENO);
    ::close(stderr_);
    std::fclose(file_);
  }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  /// All of it since the last call, without times and levels.
  std::string take() {
    std::fflush(stderr);
    std::string all;
    char bytes[4096];
    for (ssize_t got = 0; (got = ::pread(::fileno(file_), bytes, sizeof bytes, from_)) > 0; from_ += got) {
      all.append(bytes, static_cast<std::size_t>(got));
    }
    std::string lines;
    for (std::size_t begin = 0; begin < all.size();) {
      const std::size_t end = std::min(all.find('\n', begin), all.size());
      const std::string line = all.substr(begin, end - begin);
      lines += line.substr(line.find(' ', line.find(' ') + 1) + 1) + "\n";
      begin = end + 1;
    }
    return lines;
  }

 private:
  std::FILE* file_;
  int stderr_;
  off_t from_ = 0;
};

}  // namespace spindle::proxy
