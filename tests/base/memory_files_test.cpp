#include "spindle/base/memory_files.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

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

TEST_CASE("a directory that was renamed has one of its names, that which was synced for certain") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (const bool synced : {false, true}) {
      MemoryFiles files;
      REQUIRE(files.make_directory("a"));
      REQUIRE(files.rename("a", "b"));
      if (synced) REQUIRE(files.sync_directory("."));
      files.power_cut(seed);
      files.restart();
      CHECK(files.list("a").has_value() != files.list("b").has_value());
      seen.insert((synced ? "synced " : "unsynced ") + std::string(files.list("b") ? "b" : "a"));
    }
  }
  CHECK(seen == std::set<std::string>{"unsynced a", "unsynced b", "synced b"});
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

TEST_CASE("between the power cut and the restart every call fails, and older handles stay dead") {
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

TEST_CASE("a truncate and a rename that were not synced happened or not") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", "long");
    REQUIRE(file->truncate(2));
    REQUIRE(files.rename("./a", "./b"));
    files.power_cut(seed);
    files.restart();
    std::string left;
    const std::vector<std::string> names = files.list(".").value();
    for (const std::string& name : names) {
      left += name + "=" + files.contents("./" + name).value() + " ";
    }
    seen.insert(left);
  }
  CHECK(seen.contains("a=long "));
  CHECK(seen.contains("a=lo "));
  CHECK(seen.contains("b=long "));
  CHECK(seen.contains("b=lo "));
}

TEST_CASE("unsynced writes are lost in any order, synced ones never") {
  std::set<Bytes> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", Bytes(4, '-'));
    for (std::uint64_t i = 0; i < 4; ++i) REQUIRE(file->write(i, "x"));
    files.power_cut(seed);
    files.restart();
    const Bytes left = files.contents("./a").value();
    if (left.find_first_not_of("-x") == Bytes::npos) seen.insert(left);
  }
  CHECK(seen.size() == 16);
}

TEST_CASE("an operation that fails with a seed may have happened in part") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", "------");
    files.fail_at(files.operations() + 1, ErrorCode::disk_full, seed);
    CHECK(file->write(0, "xxxxxx").error().code == ErrorCode::disk_full);
    const Bytes left = files.contents("./a").value();
    CHECK(left.find_last_of('x') + 1 == static_cast<std::size_t>(std::count(left.begin(), left.end(), 'x')));
    seen.insert(left);

    files.fail_at(files.operations() + 1, ErrorCode::io_error, seed);
    CHECK_FALSE(files.rename("./a", "./b"));
    seen.insert(files.list(".").value().at(0));
  }
  CHECK(seen.size() == 7 + 2);
}

TEST_CASE("a sync that fails with a seed may have written some sectors") {
  std::set<Bytes> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", Bytes(1024, 'o'));
    REQUIRE(file->write(0, Bytes(1024, 'n')));
    files.fail_at(files.operations() + 1, ErrorCode::io_error, seed);
    CHECK_FALSE(file->sync());
    CHECK(files.contents("./a").value() == Bytes(1024, 'n'));
    REQUIRE(file->forget_cached());
    const Bytes left = files.contents("./a").value();
    seen.insert({left[0], left[512]});
  }
  CHECK(seen.size() == 4);
}

TEST_CASE("some operations fail: the same ones for the same seed") {
  auto failures = [](std::uint64_t seed) {
    MemoryFiles files;
    auto file = synced_file(files, "./a", "a");
    files.fail_some(seed, 4);
    std::string codes;
    for (int i = 0; i < 200; ++i) {
      const auto done = file->write(0, "b");
      codes += done ? '.' : done.error().code == ErrorCode::io_error ? 'e' : 'f';
    }
    return codes;
  };
  CHECK(failures(1) == failures(1));
  CHECK(failures(1) != failures(2));
  for (const char code : {'.', 'e', 'f'}) CHECK(failures(1).find(code) != std::string::npos);
}

TEST_CASE("an operation and all after it fail") {
  MemoryFiles files;
  auto file = synced_file(files, "./a", "a");
  files.fail_from(files.operations() + 2, ErrorCode::disk_full);
  CHECK(file->write(0, "b"));
  CHECK(file->write(0, "c").error().code == ErrorCode::disk_full);
  CHECK(file->sync().error().code == ErrorCode::disk_full);
  files.kill_process();
  CHECK(files.contents("./a").value() == "b");
  CHECK(files.open("./b", OpenMode::create_new));
}

TEST_CASE("a full disk stays full until something is removed for good") {
  MemoryFiles files;
  auto file = files.open("./a", OpenMode::create_new).value();
  files.set_free_bytes(1'000);
  REQUIRE(file->allocate(600));
  CHECK(files.free_bytes(".").value() == 400);
  auto other = files.open("./b", OpenMode::create_new).value();
  CHECK(other->allocate(401).error().code == ErrorCode::disk_full);
  CHECK(other->size().value() == 400);  // what was left is taken
  CHECK(files.free_bytes(".").value() == 0);
  REQUIRE(other->truncate(0));
  CHECK(files.free_bytes(".").value() == 400);
  CHECK(other->write(0, Bytes(500, 'x')).error().code == ErrorCode::disk_full);
  CHECK(other->size().value() == 400);  // what fitted
  CHECK(files.free_bytes(".").value() == 0);
  REQUIRE(file->write(0, Bytes(600, 'y')));  // it has that already
  CHECK(file->write(600, "z").error().code == ErrorCode::disk_full);
  files.kill_process();
  CHECK(files.free_bytes(".").value() == 0);

  auto reader = files.open("./a", OpenMode::read).value();
  REQUIRE(files.remove("./a"));
  CHECK(files.free_bytes(".").value() == 0);
  REQUIRE(files.sync_directory("."));
  CHECK(files.free_bytes(".").value() == 0);  // still open
  reader.reset();
  CHECK(files.free_bytes(".").value() == 600);
  REQUIRE(files.open("./b", OpenMode::write).value()->truncate(100));
  CHECK(files.free_bytes(".").value() == 900);
}

TEST_CASE("a read-only disk can be read and changes nothing") {
  MemoryFiles files;
  auto file = synced_file(files, "./a", "old");
  files.set_read_only(true);
  CHECK(file->write(0, "new").error().code == ErrorCode::io_error);
  CHECK(file->truncate(1).error().code == ErrorCode::io_error);
  CHECK(file->allocate(100).error().code == ErrorCode::io_error);
  CHECK(file->sync().error().code == ErrorCode::io_error);
  CHECK(files.open("./b", OpenMode::create_new).error().code == ErrorCode::io_error);
  CHECK(files.open("./a", OpenMode::write).error().code == ErrorCode::io_error);
  CHECK(files.rename("./a", "./b").error().code == ErrorCode::io_error);
  CHECK(files.remove("./a").error().code == ErrorCode::io_error);
  CHECK(files.sync_directory(".").error().code == ErrorCode::io_error);
  CHECK(files.make_directory("./c").error().code == ErrorCode::io_error);
  CHECK(files.lock_directory("."));
  CHECK(files.open("./a", OpenMode::read));
  CHECK(files.contents("./a").value() == "old");
  files.set_read_only(false);
  CHECK(file->write(0, "new"));
}

TEST_CASE("reads fail and show wrong bits where they are told to") {
  MemoryFiles files;
  auto file = synced_file(files, "./a", Bytes(8, '\0'));
  auto read = [&]() -> Result<Bytes> {
    Bytes bytes(8, '?');
    auto got = file->read(0, bytes.data(), bytes.size());
    if (!got) return fail(std::move(got.error()));
    return bytes;
  };
  const Bytes right(8, '\0');
  files.fail_read_at(files.reads() + 2);
  CHECK(read().value() == right);
  CHECK(read().error().code == ErrorCode::io_error);
  CHECK(read().value() == right);

  files.flip_bit_at_read(files.reads() + 1, 9);
  CHECK(read().value() == std::string("\0\2\0\0\0\0\0\0", 8));
  CHECK(read().value() == right);

  files.flip_cached_bit("./a", 9);
  CHECK(read().value() == std::string("\0\2\0\0\0\0\0\0", 8));
  CHECK(read().value() == std::string("\0\2\0\0\0\0\0\0", 8));
  REQUIRE(file->forget_cached());
  CHECK(read().value() == right);

  files.flip_bit("./a", 0);
  REQUIRE(file->forget_cached());
  CHECK(read().value() == std::string("\1\0\0\0\0\0\0\0", 8));
}

TEST_CASE("a held sync ends when it may, and what it writes is durable only then") {
  MemoryFiles files;
  auto file = synced_file(files, "./a", "old");
  REQUIRE(file->write(0, "new"));
  files.hold_syncs(true);
  bool synced = false;
  std::thread syncing([&] { synced = file->sync().has_value(); });
  files.wait_for_held_sync();
  files.hold_syncs(false);
  syncing.join();
  CHECK(synced);
  REQUIRE(file->forget_cached());
  CHECK(files.contents("./a").value() == "new");
}
