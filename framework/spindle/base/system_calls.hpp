#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <memory>

namespace spindle {

class Files;

/// The system calls below PosixFiles that may be interrupted, transfer less than was asked for, or say that the disk
/// failed: -1 and errno, as the system does it. The seam is for tests of how PosixFiles takes that; everything else
/// it calls directly. Any thread.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;

  virtual int open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }
  virtual ssize_t pread(int fd, char* into, std::size_t size, off_t position) {
    return ::pread(fd, into, size, position);
  }
  virtual ssize_t pwrite(int fd, const char* from, std::size_t size, off_t position) {
    return ::pwrite(fd, from, size, position);
  }
  virtual int fallocate(int fd, off_t size) { return ::fallocate(fd, 0, 0, size); }
  virtual int punch_hole(int fd, off_t position, off_t size) {
    return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, position, size);
  }
  virtual int ftruncate(int fd, off_t size) { return ::ftruncate(fd, size); }
  virtual int fdatasync(int fd) { return ::fdatasync(fd); }
  virtual int fsync(int fd) { return ::fsync(fd); }
  /// Returns the error's number, as posix_fadvise does.
  virtual int forget_cached(int fd) { return ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }
  virtual int rename(const char* from, const char* to) { return ::rename(from, to); }
  virtual int unlink(const char* path) { return ::unlink(path); }
};

/// posix_files() over other system calls, which must outlive it and the files that it opens.
std::unique_ptr<Files> posix_files_over(SystemCalls& calls);

}  // namespace spindle
