#include "spindle/base/system_calls.hpp"

#include <stdlib.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "spindle/base/files.hpp"

using namespace spindle;

// short_write_and_eintr: what a system call may do below the File interface never shows above it, except as an error.

namespace {

/// Passes calls on, after interrupting some and cutting transfers short, or fails a chosen one.
class FlakyCalls final : public SystemCalls {
 public:
  /// One in `one_in` calls is interrupted, and as many transfers are cut short; 0: none.
  void disturb(std::uint64_t seed, std::uint64_t one_in) {
    random_.seed(seed);
    one_in_ = one_in;
  }
  /// The next `times` calls of this name fail with `error`.
  void fail_next(const std::string& name, int error, int times = 1) { failing_[name] = {error, times}; }
  void return_zero_from_pwrite(bool zero) { zero_ = zero; }

  std::map<std::string, int> calls;
  std::uint64_t interrupted = 0;
  std::uint64_t cut_short = 0;

  int open(const char* path, int flags, mode_t mode) override {
    return fails("open") ? -1 : SystemCalls::open(path, flags, mode);
  }
  ssize_t pread(int fd, char* into, std::size_t size, off_t position) override {
    return fails("pread") ? -1 : SystemCalls::pread(fd, into, shortened(size), position);
  }
  ssize_t pwrite(int fd, const char* from, std::size_t size, off_t position) override {
    if (fails("pwrite")) return -1;
    return zero_ ? 0 : SystemCalls::pwrite(fd, from, shortened(size), position);
  }
  int fallocate(int fd, off_t size) override { return fails("fallocate") ? -1 : SystemCalls::fallocate(fd, size); }
  int punch_hole(int fd, off_t position, off_t size) override {
    return fails("punch_hole") ? -1 : SystemCalls::punch_hole(fd, position, size);
  }
  int ftruncate(int fd, off_t size) override { return fails("ftruncate") ? -1 : SystemCalls::ftruncate(fd, size); }
  int fdatasync(int fd) override { return fails("fdatasync", false) ? -1 : SystemCalls::fdatasync(fd); }
  int fsync(int fd) override { return fails("fsync", false) ? -1 : SystemCalls::fsync(fd); }
  int forget_cached(int fd) override {
    return fails("forget_cached", false) ? errno : SystemCalls::forget_cached(fd);
  }
  int rename(const char* from, const char* to) override {
    return fails("rename", false) ? -1 : SystemCalls::rename(from, to);
  }
  int unlink(const char* path) override { return fails("unlink", false) ? -1 : SystemCalls::unlink(path); }

 private:
  bool fails(const std::string& name, bool may_be_interrupted = true) {
    ++calls[name];
    if (auto failing = failing_.find(name); failing != failing_.end() && failing->second.second-- > 0) {
      errno = failing->second.first;
      return true;
    }
    if (!may_be_interrupted || one_in_ == 0 || random_() % one_in_ != 0) return false;
    ++interrupted;
    errno = EINTR;
    return true;
  }

  std::size_t shortened(std::size_t size) {
    if (one_in_ == 0 || size < 2 || random_() % one_in_ != 0) return size;
    ++cut_short;
    return 1 + random_() % (size - 1);
  }

  std::mt19937_64 random_;
  std::uint64_t one_in_ = 0;
  bool zero_ = false;
  std::map<std::string, std::pair<int, int>> failing_;
};

struct Fixture {
  std::string directory;
  FlakyCalls calls;
  std::unique_ptr<Files> files = posix_files_over(calls);

  Fixture() {
    directory = (std::filesystem::temp_directory_path() / "spindle-calls-XXXXXX").string();
    REQUIRE(::mkdtemp(directory.data()));
  }
  ~Fixture() { std::filesystem::remove_all(directory); }

  std::string path() const { return directory + "/a"; }
  std::unique_ptr<File> create() { return files->open(path(), OpenMode::create_new).value(); }
};

Bytes read_all(File& file, std::size_t size) {
  Bytes bytes(size, '?');
  REQUIRE(file.read(0, bytes.data(), size).value() == size);
  return bytes;
}

}  // namespace

TEST_CASE("short_write_and_eintr: whatever is interrupted or cut short, every byte arrives once and in its place") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const std::uint64_t one_in : {2u, 3u, 10u}) {
      CAPTURE(seed, one_in);
      Fixture f;
      f.calls.disturb(seed, one_in);
      auto file = f.create();
      REQUIRE(file->allocate(1'000));
      Bytes expected(1'000, '\0');
      std::mt19937_64 random(seed);
      for (int i = 0; i < 50; ++i) {
        Bytes piece(random() % 2'000, '\0');
        for (char& byte : piece) byte = static_cast<char>(random());
        const auto position = random() % 5'000;
        if (expected.size() < position + piece.size()) expected.resize(position + piece.size(), '\0');
        std::copy(piece.begin(), piece.end(), expected.begin() + static_cast<std::ptrdiff_t>(position));
        REQUIRE(file->write(position, piece));
      }
      CHECK(file->size().value() == expected.size());
      CHECK((read_all(*file, expected.size()) == expected));
      REQUIRE(file->truncate(3));
      CHECK(file->size().value() == 3);
      auto again = f.files->open(f.path(), OpenMode::read).value();
      CHECK((read_all(*again, 3) == expected.substr(0, 3)));
      REQUIRE(f.files->sync_directory(f.directory));
      REQUIRE(f.files->lock_directory(f.directory));
      CHECK(f.calls.interrupted > 0);
      CHECK(f.calls.cut_short > 0);
    }
  }
}

TEST_CASE("short_write_and_eintr: each call is begun anew until it is not interrupted") {
  Fixture f;
  const int times = 5;
  f.calls.fail_next("open", EINTR, times);
  auto file = f.create();
  CHECK(f.calls.calls["open"] == times + 1);
  f.calls.fail_next("pwrite", EINTR, times);
  REQUIRE(file->write(0, "abc"));
  CHECK(f.calls.calls["pwrite"] == times + 1);
  f.calls.fail_next("pread", EINTR, times);
  CHECK(read_all(*file, 3) == "abc");
  CHECK(f.calls.calls["pread"] == times + 1);
  f.calls.fail_next("fallocate", EINTR, times);
  REQUIRE(file->allocate(10));
  CHECK(f.calls.calls["fallocate"] == times + 1);
  f.calls.fail_next("punch_hole", EINTR, times);
  REQUIRE(file->release(1));
  CHECK(f.calls.calls["punch_hole"] == times + 1);
  f.calls.fail_next("ftruncate", EINTR, times);
  REQUIRE(file->truncate(2));
  CHECK(f.calls.calls["ftruncate"] == times + 1);
}

TEST_CASE("a sync that fails is never tried again, not even when it was interrupted") {
  for (const int error : {EINTR, EIO, ENOSPC, EDQUOT}) {
    CAPTURE(error);
    Fixture f;
    auto file = f.create();
    REQUIRE(file->write(0, "abc"));
    f.calls.fail_next("fdatasync", error);
    const auto synced = file->sync();
    REQUIRE_FALSE(synced);
    const bool full = error == ENOSPC || error == EDQUOT;
    CHECK(synced.error().code == (full ? ErrorCode::disk_full : ErrorCode::io_error));
    CHECK(synced.error().text.find(f.path()) != std::string::npos);
    CHECK(f.calls.calls["fdatasync"] == 1);
    f.calls.fail_next("fsync", error);
    CHECK_FALSE(f.files->sync_directory(f.directory));
    CHECK(f.calls.calls["fsync"] == 1);
  }
}

TEST_CASE("an error in the middle of a transfer is that of the whole") {
  Fixture f;
  auto file = f.create();
  REQUIRE(file->write(0, Bytes(10'000, 'x')));
  for (const int error : {EIO, ENOSPC}) {
    const auto code = error == EIO ? ErrorCode::io_error : ErrorCode::disk_full;
    for (const char* name : {"pwrite", "fallocate", "ftruncate"}) {
      CAPTURE(error, name);
      const int before = f.calls.calls[name];
      f.calls.fail_next(name, error);
      const std::string call = name;
      const Result<void> done = call == "pwrite"      ? file->write(5, "y")
                                : call == "fallocate" ? file->allocate(20'000)
                                                      : file->truncate(5);
      REQUIRE_FALSE(done);
      CHECK(done.error().code == code);
      CHECK(f.calls.calls[name] == before + 1);
    }
  }
  f.calls.fail_next("pread", EIO);
  Bytes bytes(10, '?');
  CHECK(file->read(0, bytes.data(), bytes.size()).error().code == ErrorCode::io_error);
  f.calls.fail_next("rename", EIO);
  CHECK_FALSE(f.files->rename(f.path(), f.path() + "2"));
  f.calls.fail_next("unlink", EIO);
  CHECK_FALSE(f.files->remove(f.path()));
  CHECK(file->size().value() == 10'000);
}

TEST_CASE("a write that transfers nothing is an error instead of a loop") {
  Fixture f;
  auto file = f.create();
  f.calls.return_zero_from_pwrite(true);
  CHECK(file->write(0, "abc").error().code == ErrorCode::io_error);
}

TEST_CASE("a file system that cannot make holes leaves the bytes") {
  Fixture f;
  auto file = f.create();
  REQUIRE(file->write(0, "abc"));
  f.calls.fail_next("punch_hole", EOPNOTSUPP);
  REQUIRE(file->release(1));
  CHECK(read_all(*file, 3) == "abc");
  f.calls.fail_next("punch_hole", EIO);
  CHECK(file->release(1).error().code == ErrorCode::io_error);
}

TEST_CASE("a file system that cannot reserve space gives zeros all the same") {
  for (const int error : {EOPNOTSUPP, ENOSYS}) {
    Fixture f;
    auto file = f.create();
    f.calls.fail_next("fallocate", error, 2);
    REQUIRE(file->allocate(100));
    CHECK(file->size().value() == 100);
    REQUIRE(file->allocate(50));
    CHECK(file->size().value() == 100);
    CHECK(read_all(*file, 100) == Bytes(100, '\0'));
  }
}

TEST_CASE("a directory that exists gets a durable name, for whoever made it may have died before") {
  Fixture f;
  const std::string made = f.directory + "/made";
  REQUIRE(f.files->make_directory(made));
  CHECK(f.calls.calls["fsync"] == 1);
  REQUIRE(f.files->make_directory(made));
  CHECK(f.calls.calls["fsync"] == 2);
  f.calls.fail_next("fsync", EIO);
  CHECK(f.files->make_directory(made).error().code == ErrorCode::io_error);
}

TEST_CASE("the system is told to forget what it has in memory of a file, and its error is one") {
  Fixture f;
  auto file = f.create();
  REQUIRE(file->forget_cached());
  CHECK(f.calls.calls["forget_cached"] == 1);
  f.calls.fail_next("forget_cached", EIO);
  CHECK(file->forget_cached().error().code == ErrorCode::io_error);
}
