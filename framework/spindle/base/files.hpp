#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle {

/// An open file. All calls are positional, so one File may be read by one thread while another writes it.
/// Interruptions and short transfers are handled inside; errors are io_error, disk_full (ENOSPC, EDQUOT) or
/// not_found, with the path and the system's words in the text.
class File {
 public:
  virtual ~File() = default;

  /// Reads up to `size` bytes at `position`; fewer only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t position, char* into, std::size_t size) = 0;
  /// Writes all of `bytes` at `position`. Nothing is durable before sync().
  virtual Result<void> write(std::uint64_t position, BytesView bytes) = 0;
  /// fdatasync: when it returns success, all that was written before is on disk. After an error the file must not be
  /// trusted again: Linux marks failed pages clean, so a second call may succeed without having written them.
  virtual Result<void> sync() = 0;
  /// fsync: as sync(), and the file's size is durable, too. sync() promises that only for what was written: not that
  /// a file which allocate() or truncate() made longer stays so.
  virtual Result<void> sync_all() = 0;
  /// Reserves disk space up to `size` bytes and extends the file with zeros. After disk_full a part may be reserved
  /// and the file longer than it was: truncate() gives that back.
  virtual Result<void> allocate(std::uint64_t size) = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  /// Gives back the disk space from `position` on: the file keeps its size and reads as zeros there. Where the file
  /// system cannot do that, everything stays as it was.
  virtual Result<void> release(std::uint64_t position) = 0;
  virtual Result<std::uint64_t> size() = 0;
  /// Makes the next reads come from the disk instead of memory: after a failed sync() memory still shows what the
  /// disk never got. Call sync() first; the system may ignore this where it has no disk (tmpfs).
  virtual Result<void> forget_cached() = 0;
};

/// Releases a directory's lock when destroyed.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

/// `read` and `write` (which reads too) need the file to exist, `create_new` needs it not to.
enum class OpenMode : std::uint8_t { read, write, create_new };

/// All that Spindle asks of a file system. The real one is PosixFiles; MemoryFiles is its twin for tests, which
/// remembers what was synced and can lose the rest. Entries of a directory are durable after sync_directory only.
/// Thread-safe.
class Files {
 public:
  virtual ~Files() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  /// Makes the directory and those above it, durably. Success when it exists; its name is durable then, too.
  virtual Result<void> make_directory(const std::string& path) = 0;
  /// Names (not paths) of the entries, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  /// Of a file or a directory, within one file system; what `to` was before is gone. Durable after sync_directory.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Gives the file a second name (a hard link): both are the same bytes from then on, whichever is written to.
  /// `unsupported` where the file system cannot, or `to` is on another one; io_error when `to` exists.
  virtual Result<void> link(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> sync_directory(const std::string& directory) = 0;
  /// `locked` when another process (or another holder) has it; the text names the directory.
  virtual Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) = 0;
  /// What an ordinary user may still allocate on the directory's file system.
  virtual Result<std::uint64_t> free_bytes(const std::string& directory) = 0;
};

/// The operating system's files. Lives as long as the program.
Files& posix_files();

}  // namespace spindle
