#include "spindle/base/files.hpp"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "spindle/base/memory_files.hpp"

using namespace spindle;

namespace {

struct TemporaryDirectory {
  std::string path;
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "spindle-files-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    path = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
};

/// What both kinds of files must do alike.
void check_contract(Files& files, const std::string& directory) {
  REQUIRE(files.make_directory(directory));
  REQUIRE(files.make_directory(directory));
  const std::string path = directory + "/a";
  CHECK(files.open(path, OpenMode::read).error().code == ErrorCode::not_found);
  CHECK(files.open(path, OpenMode::write).error().code == ErrorCode::not_found);

  auto file = files.open(path, OpenMode::create_new).value();
  CHECK(files.open(path, OpenMode::create_new).error().code == ErrorCode::io_error);
  REQUIRE(file->allocate(100));
  CHECK(file->size().value() == 100);
  REQUIRE(file->allocate(50));
  CHECK(file->size().value() == 100);
  REQUIRE(file->write(98, "xyz"));
  REQUIRE(file->sync());
  REQUIRE(file->forget_cached());
  Bytes bytes(10, '?');
  CHECK(file->read(95, bytes.data(), bytes.size()).value() == 6);
  CHECK(bytes == std::string("\0\0\0xyz????", 10));
  CHECK(file->read(1000, bytes.data(), bytes.size()).value() == 0);
  REQUIRE(file->release(99));
  CHECK(file->size().value() == 101);
  CHECK(file->read(98, bytes.data(), 3).value() == 3);
  CHECK(bytes.substr(0, 3) == std::string("x\0\0", 3));
  REQUIRE(file->release(200));
  REQUIRE(file->truncate(99));
  CHECK(file->size().value() == 99);

  REQUIRE(files.rename(path, directory + "/b"));
  REQUIRE(files.sync_directory(directory));
  CHECK(files.list(directory).value() == std::vector<std::string>{"b"});
  CHECK(files.free_bytes(directory).value() > 0);
  auto reader = files.open(directory + "/b", OpenMode::read).value();
  CHECK(reader->write(0, "no").error().code == ErrorCode::io_error);
  REQUIRE(files.link(directory + "/b", directory + "/c"));
  CHECK(files.link(directory + "/b", directory + "/c").error().code == ErrorCode::io_error);
  CHECK(files.link(directory + "/none", directory + "/d").error().code == ErrorCode::not_found);
  REQUIRE(files.open(directory + "/c", OpenMode::write).value()->write(0, "two names"));
  CHECK(reader->read(0, bytes.data(), 9).value() == 9);
  CHECK(bytes.substr(0, 9) == "two names");
  REQUIRE(files.remove(directory + "/c"));
  REQUIRE(files.remove(directory + "/b"));
  CHECK(files.remove(directory + "/b").error().code == ErrorCode::not_found);
  CHECK(reader->read(98, bytes.data(), 1).value() == 1);

  REQUIRE(files.make_directory(directory + "/inner"));
  REQUIRE(files.open(directory + "/inner/a", OpenMode::create_new));
  REQUIRE(files.rename(directory + "/inner", directory + "/moved"));
  CHECK(files.list(directory + "/moved").value() == std::vector<std::string>{"a"});
  CHECK(files.list(directory + "/inner").error().code == ErrorCode::not_found);

  auto lock = files.lock_directory(directory);
  REQUIRE(lock);
  auto second = files.lock_directory(directory);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::locked);
  CHECK(second.error().text.find(directory) != std::string::npos);
  lock->reset();
  CHECK(files.lock_directory(directory));
}

}  // namespace

TEST_CASE("the system's files keep the contract") {
  TemporaryDirectory temporary;
  check_contract(posix_files(), temporary.path + "/some/where");
}

TEST_CASE("files in memory keep the contract") {
  MemoryFiles files;
  check_contract(files, "some/where");
}

TEST_CASE("an error names the file and the reason") {
  auto missing = posix_files().open("/nowhere/at/all", OpenMode::read);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().text.find("/nowhere/at/all") != std::string::npos);
  CHECK(missing.error().text.find("No such file") != std::string::npos);
}

TEST_CASE("a killed process leaves no lock behind") {
  TemporaryDirectory temporary;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    auto lock = posix_files().lock_directory(temporary.path);
    const char held = lock ? 'y' : 'n';
    if (::write(ready[1], &held, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char held = '?';
  REQUIRE(::read(ready[0], &held, 1) == 1);
  CHECK(held == 'y');
  CHECK(posix_files().lock_directory(temporary.path).error().code == ErrorCode::locked);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(posix_files().lock_directory(temporary.path));
  ::close(ready[0]);
  ::close(ready[1]);
}
