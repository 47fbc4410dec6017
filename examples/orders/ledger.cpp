#include "ledger.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <system_error>

namespace orders {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

Ledger::Ledger(const std::string& path) : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (file_ < 0) fail("cannot open the ledger " + path);
  try {
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) fail("another process has the ledger " + path);
    read();
  } catch (...) {
    ::close(file_);
    throw;
  }
}

Ledger::~Ledger() { ::close(file_); }

bool Ledger::enter(const std::string& key, std::string_view text) {
  const bool first_time = !keys_.contains(key);
  append((first_time ? "done " : "again ") + key + " " + std::string(text) + "\n");
  if (first_time) keys_.insert(key);
  return first_time;
}

void Ledger::read() {
  std::string content;
  char buffer[64 * 1024];
  ssize_t size = 0;
  while ((size = ::read(file_, buffer, sizeof buffer)) > 0) content.append(buffer, static_cast<std::size_t>(size));
  if (size < 0) fail("cannot read the ledger");

  // A last line without its end was cut by a crash: what it stands for was not done.
  const std::size_t whole = content.rfind('\n') + 1;  // 0 when there is none
  size_ = static_cast<off_t>(whole);
  if (whole < content.size() && ::ftruncate(file_, size_) != 0) fail("cannot cut the ledger");
  content.resize(whole);

  std::istringstream lines(content);
  for (std::string verb, key, text; lines >> verb >> key && std::getline(lines, text);) keys_.insert(key);
}

void Ledger::append(const std::string& line) {
  const bool written = ::write(file_, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (!written || ::fdatasync(file_) != 0) {
    const int why = errno;
    (void)!::ftruncate(file_, size_);  // half a line must not stand before the next; if this fails read() cuts it
    errno = why;
    fail("cannot write the ledger (is the disk full?)");
  }
  size_ += static_cast<off_t>(line.size());
}

}  // namespace orders
