// Preloaded into a real proxy: as long as the file named by SPINDLE_FAIL_SYNC exists, fdatasync fails with EIO. Each
// call leaves a byte in the file named by SPINDLE_COUNT_SYNCS, failed ones as well.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

extern "C" int fdatasync(int fd) {
  if (const char* path = std::getenv("SPINDLE_COUNT_SYNCS")) {
    const int count = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (count >= 0) {
      const bool counted = ::write(count, "s", 1) == 1;
      ::close(count);
      if (!counted) std::abort();
    }
  }
  if (const char* path = std::getenv("SPINDLE_FAIL_SYNC"); path != nullptr && ::access(path, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}
