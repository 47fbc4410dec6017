#include "tools/spindle/confirm.hpp"

#include <unistd.h>

#include <cstdio>

#include "tools/spindle/report.hpp"

namespace spindle::cli {

std::string would_be_done(const std::string& lines) { return "Would be done:\n" + lines; }

bool can_ask(const std::string& command) {
  if (::isatty(STDIN_FILENO) != 0) return true;
  report(command + " needs --yes (or --dry-run) where nobody can be asked");
  return false;
}

bool is_confirmed(const std::string& lines) {
  print_error(would_be_done(lines) + "Do that? [y/N] ");
  char answer[16] = "";
  if (std::fgets(answer, sizeof answer, stdin) != nullptr && (answer[0] == 'y' || answer[0] == 'Y')) return true;
  report("not confirmed: nothing changes");
  return false;
}

}  // namespace spindle::cli
