#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "spindle/base/files.hpp"
#include "spindle/base/system_calls.hpp"

namespace spindle {
namespace {

constexpr mode_t file_mode = 0640;
constexpr mode_t directory_mode = 0750;

ErrorCode code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return ErrorCode::disk_full;
    case ENOENT: return ErrorCode::not_found;
    default: return ErrorCode::io_error;
  }
}

tl::unexpected<Error> failed(const std::string& doing, const std::string& path, int error) {
  return fail(code_of(error), "cannot " + doing + " " + path + ": " + std::generic_category().message(error));
}

/// Owns a descriptor.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

Descriptor open_retrying(SystemCalls& calls, const std::string& path, int flags) {
  int fd;
  do {
    fd = calls.open(path.c_str(), flags | O_CLOEXEC, file_mode);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

class PosixFile final : public File {
 public:
  PosixFile(SystemCalls& calls, Descriptor descriptor, std::string path)
      : calls_(calls), descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t position, char* into, std::size_t size) override {
    std::size_t done = 0;
    while (done < size) {
      auto got = calls_.pread(descriptor_.get(), into + done, size - done, static_cast<off_t>(position + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("read", path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> write(std::uint64_t position, BytesView bytes) override {
    while (!bytes.empty()) {
      auto put = calls_.pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed("write", path_, errno);
      if (put == 0) return failed("write", path_, EIO);
      bytes.remove_prefix(static_cast<std::size_t>(put));
      position += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  // No second try on any error, EINTR included: the first failure may have dropped the pages.
  Result<void> sync() override {
    if (calls_.fdatasync(descriptor_.get()) != 0) return failed("sync", path_, errno);
    return {};
  }

  Result<void> sync_all() override {
    if (calls_.fsync(descriptor_.get()) != 0) return failed("sync", path_, errno);
    return {};
  }

  Result<void> allocate(std::uint64_t size) override {
    int error;
    do {
      error = calls_.fallocate(descriptor_.get(), static_cast<off_t>(size)) == 0 ? 0 : errno;
    } while (error == EINTR);
    // A file system that cannot reserve still gives zeros; later writes may then meet a full disk, as they may
    // anyway.
    if (error == EOPNOTSUPP || error == ENOSYS) return grow(size);
    if (error != 0) return failed("reserve space for", path_, error);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    int done;
    do {
      done = calls_.ftruncate(descriptor_.get(), static_cast<off_t>(size));
    } while (done != 0 && errno == EINTR);
    if (done != 0) return failed("truncate", path_, errno);
    return {};
  }

  Result<void> release(std::uint64_t position) override {
    auto end = size();
    if (!end) return fail(std::move(end.error()));
    if (*end <= position) return {};
    int error;
    do {
      const auto bytes = static_cast<off_t>(*end - position);
      const int done = calls_.punch_hole(descriptor_.get(), static_cast<off_t>(position), bytes);
      error = done == 0 ? 0 : errno;
    } while (error == EINTR);
    if (error == 0 || error == EOPNOTSUPP || error == ENOSYS) return {};
    return failed("give back space of", path_, error);
  }

  Result<std::uint64_t> size() override {
    struct stat status;
    if (::fstat(descriptor_.get(), &status) != 0) return failed("look at", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<void> forget_cached() override {
    if (int error = calls_.forget_cached(descriptor_.get()); error != 0) {
      return failed("drop the cache of", path_, error);
    }
    return {};
  }

 private:
  Result<void> grow(std::uint64_t new_size) {
    auto now = size();
    if (!now) return fail(std::move(now.error()));
    if (*now >= new_size) return {};
    return truncate(new_size);
  }

  SystemCalls& calls_;
  Descriptor descriptor_;
  std::string path_;
};

class PosixLock final : public DirectoryLock {
 public:
  explicit PosixLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it releases the lock, also when the process is killed
};

class PosixFiles final : public Files {
 public:
  explicit PosixFiles(SystemCalls& calls) : calls_(calls) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = mode == OpenMode::read ? O_RDONLY : O_RDWR;
    if (mode == OpenMode::create_new) flags |= O_CREAT | O_EXCL;
    Descriptor descriptor = open_retrying(calls_, path, flags);
    if (!descriptor.valid()) return failed(mode == OpenMode::create_new ? "create" : "open", path, errno);
    return std::make_unique<PosixFile>(calls_, std::move(descriptor), path);
  }

  Result<void> make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), directory_mode) == 0) return sync_parent(path);
    const int error = errno;
    std::error_code ignored;
    if (error == EEXIST && std::filesystem::is_directory(path, ignored)) return sync_made_before(path);
    if (error != ENOENT) return failed("make the directory", path, error);
    std::string parent = parent_of(path);
    if (parent == path) return failed("make the directory", path, error);
    if (auto made = make_directory(parent); !made) return made;
    if (::mkdir(path.c_str(), directory_mode) != 0) return failed("make the directory", path, errno);
    return sync_parent(path);
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    std::error_code error;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entry(directory, error);
    while (!error && entry != std::filesystem::directory_iterator()) {
      names.push_back(entry->path().filename().string());
      entry.increment(error);
    }
    if (error) return failed("list", directory, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (calls_.rename(from.c_str(), to.c_str()) != 0) return failed("rename", from + " to " + to, errno);
    return {};
  }

  Result<void> link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    const int error = errno;
    const bool cannot = error == EXDEV || error == EPERM || error == EMLINK || error == EOPNOTSUPP;
    if (!cannot) return failed("link", from + " as " + to, error);
    return fail(ErrorCode::unsupported,
                "cannot link " + from + " as " + to + ": " + std::generic_category().message(error));
  }

  Result<void> remove(const std::string& path) override {
    if (calls_.unlink(path.c_str()) != 0) return failed("remove", path, errno);
    return {};
  }

  Result<void> sync_directory(const std::string& directory) override {
    Descriptor descriptor = open_retrying(calls_, directory, O_RDONLY | O_DIRECTORY);
    if (!descriptor.valid()) return failed("open", directory, errno);
    if (calls_.fsync(descriptor.get()) != 0) return failed("sync", directory, errno);
    return {};
  }

  Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) override {
    Descriptor descriptor = open_retrying(calls_, directory, O_RDONLY | O_DIRECTORY);
    if (!descriptor.valid()) return failed("open", directory, errno);
    if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return failed("lock", directory, errno);
      return fail(ErrorCode::locked, directory +
                                         " is in use by another process: stop that one, or give this one "
                                         "a directory of its own");
    }
    return std::make_unique<PosixLock>(std::move(descriptor));
  }

  Result<std::uint64_t> free_bytes(const std::string& directory) override {
    struct statvfs status;
    if (::statvfs(directory.c_str(), &status) != 0) return failed("look at the free space of", directory, errno);
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  }

 private:
  static std::string parent_of(const std::string& path) {
    auto trimmed = path.find_last_not_of('/');
    if (trimmed == std::string::npos) return path;
    auto slash = path.find_last_of('/', trimmed);
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
  }

  /// Whoever made the directory may have died before its name was durable. Where the one above may not be read, it
  /// was made by somebody else, for good.
  Result<void> sync_made_before(const std::string& path) {
    auto done = sync_parent(path);
    if (!done && ::access(parent_of(path).c_str(), R_OK) != 0 && errno == EACCES) return {};
    return done;
  }

  Result<void> sync_parent(const std::string& path) { return sync_directory(parent_of(path)); }

  SystemCalls& calls_;
};

}  // namespace

Files& posix_files() {
  static SystemCalls calls;
  static PosixFiles files(calls);
  return files;
}

std::unique_ptr<Files> posix_files_over(SystemCalls& calls) { return std::make_unique<PosixFiles>(calls); }

}  // namespace spindle
