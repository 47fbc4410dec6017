#include "spindle/spool/backup.hpp"

#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/verify.hpp"

using namespace spindle;
using namespace spindle::spool;

namespace {

const std::string copy_directory = "monday";

void fill(LogUnderTest& log, int commits, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < commits; ++i) REQUIRE(log.commit(random_commit(random, 400)));
}

/// What recovery finds in the copy; it goes on there as an owner does.
struct Restored {
  Digest digest;
  RecoveredLog log;
};

Restored restore(Files& files, const std::string& directory, WallNs wall_ns = 0) {
  Digest digest;
  auto log = recover(
      files, directory, test_spool_id,
      [&](const Record& record) -> Result<void> {
        if (record.kind == Kind::state) {
          digest = Digest::decode(record.body);
        } else {
          digest.apply(record);
        }
        return {};
      },
      segment_bytes_min, Loss::refuse, wall_ns);
  if (!log) FAIL(log.error().message());
  return {digest, std::move(*log)};
}

std::uint64_t damages_in(Files& files, const std::string& directory) {
  auto verified = verify(files, directory, [](const Damage& damage) { UNSCOPED_INFO(damage.text()); });
  if (!verified) FAIL(verified.error().message());
  return verified->damages;
}

/// A file that another process writes to: that gets a turn after every read.
class FileBesideWriter final : public File {
 public:
  FileBesideWriter(std::unique_ptr<File> file, const std::function<void()>& turn)
      : file_(std::move(file)), turn_(turn) {}

  Result<std::size_t> read(std::uint64_t position, char* into, std::size_t size) override {
    auto got = file_->read(position, into, size);
    turn_();
    return got;
  }
  Result<void> write(std::uint64_t position, BytesView bytes) override { return file_->write(position, bytes); }
  Result<void> sync() override { return file_->sync(); }
  Result<void> sync_all() override { return file_->sync_all(); }
  Result<void> allocate(std::uint64_t size) override { return file_->allocate(size); }
  Result<void> truncate(std::uint64_t size) override { return file_->truncate(size); }
  Result<void> release(std::uint64_t position) override { return file_->release(position); }
  Result<std::uint64_t> size() override { return file_->size(); }
  Result<void> forget_cached() override { return file_->forget_cached(); }

 private:
  std::unique_ptr<File> file_;
  const std::function<void()>& turn_;
};

/// The system's view of a directory where another process writes: that gets a turn between all that this one does.
class BesideWriter final : public Files {
 public:
  BesideWriter(Files& files, std::function<void()> turn) : files_(files), turn_(std::move(turn)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    turn_();
    auto file = files_.open(path, mode);
    if (!file || mode != OpenMode::read) return file;
    return std::make_unique<FileBesideWriter>(std::move(*file), turn_);
  }
  Result<void> make_directory(const std::string& path) override { return files_.make_directory(path); }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    auto names = files_.list(directory);
    turn_();
    return names;
  }
  Result<void> rename(const std::string& from, const std::string& to) override { return files_.rename(from, to); }
  Result<void> link(const std::string& from, const std::string& to) override {
    turn_();
    return files_.link(from, to);
  }
  Result<void> remove(const std::string& path) override { return files_.remove(path); }
  Result<void> sync_directory(const std::string& directory) override { return files_.sync_directory(directory); }
  Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) override {
    return files_.lock_directory(directory);
  }
  Result<std::uint64_t> free_bytes(const std::string& directory) override { return files_.free_bytes(directory); }

 private:
  Files& files_;
  std::function<void()> turn_;
};

}  // namespace

TEST_CASE("a backup of a log that is open holds all that was durable, and goes on under a new incarnation") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log, 60, 1);
  auto made = backup(files, test_directory, copy_directory + "/");
  if (!made) FAIL(made.error().message());
  CHECK(made->next_offset == log.reader().next_offset());
  CHECK(made->segments == segment_paths(files).size());
  CHECK(made->linked == made->segments - 1);
  CHECK(damages_in(files, copy_directory) == 0);

  const Digest then = log.digest;
  const auto written = log.written;
  fill(log, 30, 2);  // the original goes on
  files.power_cut(1);
  files.restart();
  Restored copy = restore(files, copy_directory, WallNs{7'000} * 1'000'000);
  CHECK(copy.digest == then);
  CHECK(copy.log.restored);
  CHECK(copy.log.incarnation == std::uint64_t{7'000} << 16);
  CHECK(copy.log.next_offset == made->next_offset);
  REQUIRE(copy.log.notes.size() == 1);
  CHECK(copy.log.notes[0].find("this spool is a copy") != std::string::npos);

  copy.log.appender.roll(copy.digest.encode(), 1);
  copy.log.appender.begin(1);
  copy.log.appender.append(Kind::events, "a", "another future", 1);
  copy.log.appender.finish();
  REQUIRE(Writer(files, copy_directory).write(*copy.log.appender.take_batch()));
  copy.log.lock.reset();
  Restored again = restore(files, copy_directory);
  CHECK_FALSE(again.log.restored);
  CHECK(again.log.incarnation == std::uint64_t{7'000} << 16);
  CHECK(again.log.next_offset == made->next_offset + 1);
  CHECK(damages_in(files, copy_directory) == 0);

  // Each went on without touching what the other shares.
  LogUnderTest original(files);
  REQUIRE(original.recover_only());
  CHECK(original.digest == log.digest);
  CHECK(original.log().incarnation == 1);
  CHECK(damages_in(files, test_directory) == 0);
}

TEST_CASE("a backup of what a crash left ends at the last whole commit and has no seal") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log, 20, 3);
  const std::string newest = segment_paths(files).back();
  log.close();
  Bytes bytes = files.contents(newest).value();
  const std::uint64_t end = bytes.find_last_not_of('\0');
  bytes.replace(end - 2, 3, 3, '\0');
  REQUIRE(files.set_contents(newest, bytes));
  auto made = backup(files, test_directory, copy_directory);
  if (!made) FAIL(made.error().message());
  const Restored copy = restore(files, copy_directory);
  CHECK(copy.digest == log.boundaries[log.boundaries.size() - 2]);
  CHECK(copy.log.notes.size() == 1);  // nothing to cut off
}

TEST_CASE("a backup beside a writer that rolls and trims all the time is a whole log that has all that it needs") {
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    CAPTURE(seed);
    MemoryFiles files;
    if (seed % 2 == 0) files.support_links(false);
    LogUnderTest log(files);
    REQUIRE(log.open());
    fill(log, 40, seed);
    std::mt19937_64 random(seed);
    const auto before = log.boundaries.size();
    // At each boundary, the events before this offset are settled, and those from it on are needed.
    std::uint64_t settled = 0;
    std::vector<std::uint64_t> settled_at(before, settled);
    BesideWriter beside(files, [&] {
      if (random() % 8 != 0) return;
      for (auto commits = random() % 3; commits > 0; --commits) REQUIRE(log.commit(random_commit(random, 900)));
      settled_at.resize(log.boundaries.size(), settled);
      const auto names = files.list(test_directory).value();
      if (names.size() < 4 || random() % 2 == 0) return;
      const auto count = 1 + random() % (names.size() - 3);
      settled = parse_segment_name(names[count])->first_offset;
      REQUIRE(log.commit({{Kind::settle, "", "all in the oldest", 0}}));
      settled_at.push_back(settled);
      log.trim(names, count);
      REQUIRE(log.write());
    });
    auto made = backup(beside, test_directory, copy_directory);
    if (!made) FAIL(made.error().message());
    CHECK(damages_in(files, copy_directory) == 0);
    CHECK((made->linked == 0 || seed % 2 == 1));
    const Restored copy = restore(files, copy_directory);
    const auto boundary = std::find(log.boundaries.begin(), log.boundaries.end(), copy.digest);
    REQUIRE(boundary != log.boundaries.end());
    CHECK(copy.digest.records >= log.boundaries[before - 1].records);
    CHECK(copy.log.first_offset == made->first_offset);
    CHECK(copy.log.first_offset <= settled_at[static_cast<std::size_t>(boundary - log.boundaries.begin())]);
  }
}

TEST_CASE("a backup and a verification beside a proxy that starts do not take its cutting for damage") {
  for (int turn = 1; turn <= 20; ++turn) {
    CAPTURE(turn);
    MemoryFiles files;
    LogUnderTest log(files);
    REQUIRE(log.open());
    fill(log, 20, 6);
    log.close();
    int turns = 0;
    BesideWriter beside(files, [&] {
      if (++turns != turn) return;
      const std::string newest = segment_paths(files).back();
      REQUIRE(log.open());  // cuts off what was the newest segment, and seals it a moment later
      const auto segments = list_segments(files, test_directory).value();
      REQUIRE(files.set_contents(newest, files.contents(newest).value().substr(0, segments.rbegin()[1].end)));
    });
    CHECK(damages_in(beside, test_directory) == 0);
    log.close();
    turns = 0;
    auto made = backup(beside, test_directory, copy_directory);
    if (!made) FAIL(made.error().message());
    CHECK(damages_in(files, copy_directory) == 0);
  }
}

TEST_CASE("a power cut at every operation of a backup leaves the whole of it or nothing") {
  for (std::uint64_t cut = 1;; ++cut) {
    CAPTURE(cut);
    MemoryFiles files;
    LogUnderTest log(files);
    REQUIRE(log.open());
    fill(log, 30, 4);
    files.cut_power_at(files.operations() + cut, cut);
    const bool finished = backup(files, test_directory, copy_directory).has_value();
    files.power_cut(cut);
    files.restart();
    if (!files.list(copy_directory)) {
      CHECK_FALSE(finished);
      REQUIRE(backup(files, test_directory, copy_directory));  // what is left of the first does not hinder
    }
    CHECK(restore(files, copy_directory).digest == log.digest);
    if (finished) break;
  }
}

TEST_CASE("a backup is refused where it would overwrite, hide damage or copy nothing") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log, 30, 5);
  SECTION("the place is taken") {
    REQUIRE(files.make_directory(copy_directory));
    CHECK(backup(files, test_directory, copy_directory).error().code == ErrorCode::invalid_argument);
  }
  SECTION("somebody's files are there") {
    REQUIRE(files.make_directory(copy_directory + ".partial"));
    REQUIRE(files.set_contents(copy_directory + ".partial/letter.txt", "dear"));
    CHECK(backup(files, test_directory, copy_directory).error().code == ErrorCode::invalid_argument);
    CHECK(files.contents(copy_directory + ".partial/letter.txt"));
  }
  SECTION("no directory") { CHECK(backup(files, "elsewhere", copy_directory).error().code == ErrorCode::not_found); }
  SECTION("no spool") {
    REQUIRE(files.make_directory("empty"));
    CHECK(backup(files, "empty", copy_directory).error().code == ErrorCode::invalid_argument);
  }
  SECTION("a segment is missing") {
    REQUIRE(files.remove(segment_paths(files)[1]));
    CHECK(backup(files, test_directory, copy_directory).error().code == ErrorCode::corrupt);
  }
  SECTION("the newest segment is missing") {
    REQUIRE(log.open());
    const std::vector<std::string> paths = segment_paths(files);
    log.close();
    REQUIRE(files.remove(paths.back()));
    const auto refused = backup(files, test_directory, copy_directory);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::corrupt);
    CHECK(refused.error().text.find("sealed") != std::string::npos);
  }
  CHECK((copy_directory.empty() || !files.list(copy_directory) || files.list(copy_directory)->empty()));
}

TEST_CASE("two copies restored in the same millisecond go on under different incarnations") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "x")}));
  REQUIRE(backup(files, test_directory, "one"));
  REQUIRE(backup(files, test_directory, "two"));
  const auto none = [](const Record&) { return Result<void>(); };
  const WallNs now = WallNs{5'000} * 1'000'000;
  auto one = recover(files, "one", test_spool_id, none, segment_bytes_min, Loss::refuse, now, 17);
  auto two = recover(files, "two", test_spool_id, none, segment_bytes_min, Loss::refuse, now, 0xfff0);
  REQUIRE(one);
  REQUIRE(two);
  CHECK(one->incarnation == (std::uint64_t{5'000} << 16) + 17);
  CHECK(two->incarnation == (std::uint64_t{5'000} << 16) + 0xfff0);
}
