#include "spindle/base/wakeup.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>

namespace spindle {

// Without descriptors nothing can run: this is thrown at start-up only, where main reports it.
Wakeup::Wakeup() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd (raise the open files limit)");
}

Wakeup::~Wakeup() { ::close(fd_); }

void Wakeup::signal() const {
  const std::uint64_t one = 1;
  [[maybe_unused]] auto written = ::write(fd_, &one, sizeof one);  // EAGAIN: it is raised already
}

void Wakeup::clear() const {
  std::uint64_t count;
  [[maybe_unused]] auto read = ::read(fd_, &count, sizeof count);  // EAGAIN: it was not raised
}

void Wakeup::wait(Duration timeout) const {
  pollfd waiting{fd_, POLLIN, 0};
  auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  ::poll(&waiting, 1, static_cast<int>(std::clamp<std::int64_t>(ms, 0, std::numeric_limits<int>::max())));
}

}  // namespace spindle
