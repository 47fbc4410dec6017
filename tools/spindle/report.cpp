#include "tools/spindle/report.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tools/spindle/command.hpp"

namespace spindle::cli {
namespace {

/// 0, or the system's error number.
int write_all(int fd, BytesView text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

void report(std::string_view line) {
  std::string text = "spindle: ";
  text.append(line).append("\n");
  (void)write_all(STDERR_FILENO, text);
}

void print_error(std::string_view text) { (void)write_all(STDERR_FILENO, text); }

int failed(const Error& error) {
  report(error.message());
  return exit_failure;
}

Result<void> print(BytesView text) {
  const int wrong = write_all(STDOUT_FILENO, text);
  if (wrong == 0) return {};
  if (wrong == EPIPE) return fail(ErrorCode::closed, "nobody reads standard output any more");
  return fail(ErrorCode::io_error, "cannot write to standard output: " + std::generic_category().message(wrong));
}

}  // namespace spindle::cli
