#include "spindle/base/memory_files.hpp"

#include <catch2/catch.hpp>
#include <set>

using namespace spindle;

namespace {

std::unique_ptr<File> synced_file(MemoryFiles& files, const std::string& path, BytesView bytes) {
  auto file = files.open(path, OpenMode::create_new).value();
  REQUIRE(file->write(0, bytes));
  REQUIRE(file->sync());
  REQUIRE(files.sync_directory("."));
  return file;
}

}  // namespace

TEST_CASE("what was synced survives every power cut") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", "kept");
    REQUIRE(file->write(4, "lost?"));
    files.power_cut(seed);
    files.restart();
    CHECK(files.contents("./a").value().substr(0, 4) == "kept");
  }
}

TEST_CASE("a power cut keeps, drops, tears and trashes unsynced writes") {
  const Bytes written(2048, 'w');
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", Bytes(2048, 's'));
    REQUIRE(file->write(0, written));
    files.power_cut(seed);
    files.restart();
    const Bytes left = files.contents("./a").value();
    const bool torn = left.find_first_not_of("ws") == Bytes::npos;
    seen.insert(left == written ? "kept" : left == Bytes(2048, 's') ? "dropped" : torn ? "torn" : "trashed");
    if (torn) {
      for (std::size_t sector = 0; sector < left.size(); sector += 512) {
        CHECK(left.substr(sector, 512) == Bytes(512, left[sector]));
      }
    }
  }
  CHECK(seen == std::set<std::string>{"dropped", "kept", "torn", "trashed"});
}

TEST_CASE("unsynced directory entries may go in a power cut") {
  std::set<std::size_t> names_left;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    MemoryFiles files;
    synced_file(files, "./a", "a");
    auto file = files.open("./b", OpenMode::create_new).value();
    REQUIRE(file->sync());
    files.power_cut(seed);
    files.restart();
    names_left.insert(files.list(".").value().size());
  }
  CHECK(names_left == std::set<std::size_t>{1, 2});
}

TEST_CASE("the same seed loses the same") {
  auto left_after = [](std::uint64_t seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", Bytes(4096, 's'));
    REQUIRE(file->write(100, Bytes(3000, 'w')));
    files.power_cut(seed);
    files.restart();
    return files.contents("./a").value();
  };
  for (std::uint64_t seed = 0; seed < 20; ++seed) CHECK(left_after(seed) == left_after(seed));
}

TEST_CASE("between the power cut and the restart every call fails; older handles stay dead") {
  MemoryFiles files;
  auto file = synced_file(files, "./a", "a");
  auto lock = files.lock_directory(".").value();
  files.cut_power_at(files.operations() + 1, 1);
  CHECK(file->write(0, "b").error().code == ErrorCode::io_error);
  CHECK_FALSE(files.open("./a", OpenMode::read));
  CHECK_FALSE(files.list("."));
  files.restart();
  CHECK_FALSE(file->size());
  CHECK(files.lock_directory("."));
  CHECK(files.open("./a", OpenMode::read));
}

TEST_CASE("a failed sync loses the data although reads still show it") {
  MemoryFiles files;
  auto file = synced_file(files, "./a", "old");
  REQUIRE(file->write(0, "new"));
  files.fail_at(files.operations() + 1, ErrorCode::io_error);
  CHECK(file->sync().error().code == ErrorCode::io_error);
  CHECK(file->sync());
  CHECK(files.contents("./a").value() == "new");
  REQUIRE(file->forget_cached());
  CHECK(files.contents("./a").value() == "old");
}

TEST_CASE("a chosen operation fails once with the chosen error") {
  MemoryFiles files;
  auto file = synced_file(files, "./a", "old");
  files.fail_at(files.operations() + 1, ErrorCode::disk_full);
  CHECK(file->write(0, "new").error().code == ErrorCode::disk_full);
  CHECK(files.contents("./a").value() == "old");
  CHECK(file->write(0, "new"));
}
