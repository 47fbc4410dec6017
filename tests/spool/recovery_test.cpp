#include "spindle/spool/recovery.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "log_under_test.hpp"
#include "spindle/base/checksum.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/little_endian.hpp"
#include "spindle/spool/verify.hpp"

using namespace spindle;
using namespace spindle::spool;

namespace {

/// Commits enough for several segments.
void fill(LogUnderTest& log) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 60; ++i) REQUIRE(log.commit(random_commit(random, 500)));
}

void damage(MemoryFiles& files, const std::string& path, std::uint64_t position) {
  Bytes bytes = files.contents(path).value();
  REQUIRE(position < bytes.size());
  bytes[position] = static_cast<char>(bytes[position] ^ 0x10);
  REQUIRE(files.set_contents(path, std::move(bytes)));
}

std::string recovery_error(Files& files, ErrorCode code) {
  LogUnderTest log(files);
  auto done = log.recover_only();
  REQUIRE_FALSE(done);
  CHECK(done.error().code == code);
  return done.error().text;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("an empty directory becomes a new log") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.recover_only());
  CHECK(log.log().created);
  CHECK(log.log().spool_id == test_spool_id);
  CHECK(log.log().incarnation == 1);
  CHECK(log.log().next_offset == 0);
  CHECK(segment_paths(files).empty());
  REQUIRE(log.open());
  CHECK(segment_paths(files) == std::vector<std::string>{"spool/00000000000000000000-0000000001.log"});
  REQUIRE(log.open());
  CHECK_FALSE(log.log().created);
}

TEST_CASE("what was written is replayed in order, over restarts") {
  MemoryFiles files;
  LogUnderTest log(files);
  std::mt19937_64 random(3);
  for (int run = 0; run < 5; ++run) {
    REQUIRE(log.open());
    if (!log.boundaries.empty()) CHECK(log.digest == log.boundaries.back());
    for (int i = 0; i < 20; ++i) REQUIRE(log.commit(random_commit(random, 300)));
    CHECK(log.log().notes.empty());
  }
  REQUIRE(log.recover_only());
  CHECK(log.log().segments.size() > 5);
  CHECK(log.read_all(0, 1'000).value() == log.written);
}

TEST_CASE("a clock that was set back over a restart makes no time of the log run backwards") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  log.time = 1'000'000;
  REQUIRE(log.commit({events("a", "by a clock that is ahead")}));
  log.time = 10;
  REQUIRE(log.open());
  CHECK(log.log().appender.segment().created_ns >= 1'000'000);
  REQUIRE(log.commit({events("a", "by one that is right")}));
  CHECK(log.log().appender.last_time_ns() >= 1'000'000);
  log.close();
  const auto verified = verify(files, test_directory, [](const Damage& damage) { FAIL(damage.text()); });
  REQUIRE(verified);
  CHECK(verified->events == 2);
}

TEST_CASE("a record that is whole but not the next one is damage, not the log's end or a part of it") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  REQUIRE(log.open());
  for (int i = 0; i < 3; ++i) REQUIRE(log.commit({events("a", "event " + std::to_string(i))}));
  log.close();
  const std::string path = segment_paths(files).back();
  Bytes bytes = files.contents(path).value();
  const SegmentHeader header = parse_header(BytesView(bytes).substr(0, segment_header_bytes), path).value();
  const std::uint64_t size = record_bytes(1, 7);
  const std::uint64_t at = header.head_end + size;  // of offset 1
  Bytes record;
  encode_record({.kind = Kind::events,
                 .last_of_commit = true,
                 .must_understand = false,
                 .offset = 2,
                 .count = 1,
                 .time_ns = header.created_ns + 1'000,
                 .topic = "a",
                 .body = "event 2"},
                static_cast<std::uint32_t>(at), record);
  REQUIRE(record.size() == size);
  set_record_checksum(record.data(), record.size(), {header.salt(), at});
  std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(), '\0');
  bytes.replace(static_cast<std::size_t>(at), record.size(), record);
  REQUIRE(files.set_contents(path, bytes));
  const std::string error = recovery_error(files, ErrorCode::corrupt);
  CAPTURE(error);
  CHECK(contains(error, "position " + std::to_string(at)));
  CHECK(contains(error, "offsets 1 to 2 are lost"));
  CHECK((files.contents(path).value() == bytes));
}

TEST_CASE("every segment begins with the whole state") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log);
  const Digest whole = log.digest;
  auto paths = segment_paths(files);
  REQUIRE(paths.size() > 3);
  for (std::size_t i = 0; i + 1 < paths.size(); ++i) REQUIRE(files.remove(paths[i]));
  REQUIRE(log.recover_only());
  CHECK(log.digest == whole);
  CHECK(log.log().first_offset == log.log().segments[0].header.first_offset);
}

TEST_CASE("a state of many megabytes comes back as one record") {
  MemoryFiles files;
  RecoveredLog log =
      recover(files, test_directory, test_spool_id, [](const Record&) { return Result<void>(); }).value();
  Bytes state(5 * state_chunk_bytes / 2, '\0');
  std::mt19937_64 random(1);
  for (char& byte : state) byte = static_cast<char>(random());
  log.appender.roll(state, 1);
  REQUIRE(Writer(files, test_directory).write(*log.appender.take_batch()));
  log.lock.reset();
  int states = 0;
  REQUIRE(recover(files, test_directory, test_spool_id, [&](const Record& record) -> Result<void> {
    ++states;
    CHECK(record.kind == Kind::state);
    CHECK((record.body == state));
    return {};
  }));
  CHECK(states == 1);
}

TEST_CASE("a commit whose last record is missing is dropped whole") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "first")}));
  const auto end = log.reader().next_offset();
  REQUIRE(log.commit({events("a", "second"), events("b", "third"), events("c", "fourth")}));
  const std::string path = segment_paths(files).back();
  Bytes bytes = files.contents(path).value();
  const auto last = bytes.find("fourth");
  bytes.resize(last - record_header_bytes - 1);
  bytes.resize(64 << 10, '\0');
  REQUIRE(files.set_contents(path, bytes));
  REQUIRE(log.recover_only());
  CHECK(log.digest == log.boundaries[0]);
  CHECK(log.log().next_offset == end);
  REQUIRE(log.log().notes.size() == 1);
  CHECK(contains(log.log().notes[0], "cut off"));
  // Blank behind the end, as long as before; when the next segment is there, what was reserved is given back.
  const std::uint64_t log_end = log.log().segments.back().end;
  CHECK(files.contents(path).value().find_last_not_of('\0') < log_end);
  CHECK(files.contents(path).value().size() == 64 << 10);
  REQUIRE(log.open());
  const std::uint64_t index_bytes = record_bytes(0, 4);                                       // one topic, one record
  CHECK(files.contents(path).value().size() == log_end + record_header_bytes + index_bytes);  // and its seal
}

TEST_CASE("what a killed process wrote but did not sync is durable once it was recovered") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    MemoryFiles files;
    LogUnderTest log(files);
    REQUIRE(log.open());
    log.decide({events("a", "written, not synced")});
    const auto batch = log.log().appender.take_batch();
    const auto& step = std::get<AppendStep>(batch->steps.at(0));
    REQUIRE(files.open(segment_paths(files)[0], OpenMode::write).value()->write(step.position, step.bytes));
    files.kill_process();
    REQUIRE(log.open());
    CHECK(log.digest == log.boundaries[0]);
    files.power_cut(seed);
    files.restart();
    REQUIRE(log.recover_only());
    CHECK(log.digest == log.boundaries[0]);
  }
}

TEST_CASE("damage before something valid is corruption and nothing is cut") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 16);
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) REQUIRE(log.commit({events("a", "event " + std::to_string(i))}));
  const std::string path = segment_paths(files).back();
  log.close();
  const auto position = files.contents(path).value().find("event 4");
  damage(files, path, position);
  const Bytes before = files.contents(path).value();
  const std::string text = recovery_error(files, ErrorCode::corrupt);
  CHECK(contains(text, path.substr(6)));
  CHECK(contains(text, "offsets 4 to 9 are lost"));
  CHECK(contains(text, "position " + std::to_string(position - record_header_bytes - 1)));
  CHECK((files.contents(path).value() == before));
}

TEST_CASE("a torn batch is cut even when its later records reached the disk") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 16);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "first")}));
  for (int i = 0; i < 10; ++i) log.decide({events("a", "torn " + std::to_string(i))});
  REQUIRE(log.write());
  const std::string path = segment_paths(files).back();
  log.close();
  damage(files, path, files.contents(path).value().find("torn 4"));
  REQUIRE(log.recover_only());
  CHECK(log.digest == log.boundaries[4]);  // "first" and torn 0 to 3
}

TEST_CASE("a damaged state costs time: the segment before it serves") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log);
  const Digest whole = log.digest;
  const auto paths = segment_paths(files);
  REQUIRE(paths.size() >= 4);
  log.close();
  for (std::size_t damaged = 1; damaged <= 3; ++damaged) {
    damage(files, paths[paths.size() - damaged], segment_header_bytes + record_header_bytes + 5);
    REQUIRE(log.recover_only());
    CHECK(log.digest == whole);
    CHECK(log.log().notes.size() == damaged);
  }
}

TEST_CASE("a state that does not reach to the head's end is no whole state") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "behind the head")}));
  log.close();
  const std::string path = segment_paths(files)[0];
  Bytes bytes = files.contents(path).value();
  SegmentHeader header = parse_header(bytes, path).value();
  header.head_end += record_bytes(1, std::string_view("behind the head").size());
  bytes.replace(0, segment_header_bytes, encode_header(header));
  REQUIRE(files.set_contents(path, bytes));
  CHECK(contains(recovery_error(files, ErrorCode::corrupt), "whole state"));
}

TEST_CASE("fewer zeros than a record needs at a segment's end are its end, anything else is damage") {
  const RecordPlace place{1, 4'096};
  for (std::uint64_t left = 0; left < record_header_bytes; ++left) {
    CAPTURE(left);
    Bytes bytes(static_cast<std::size_t>(left), '\0');
    CHECK(parse_record(bytes, left, place).found == ParsedRecord::Found::end);
    if (left == 0) continue;
    bytes.back() = 'x';
    CHECK(parse_record(bytes, left, place).found == ParsedRecord::Found::damaged);
    CHECK(parse_record({}, left, place).found == ParsedRecord::Found::part);
  }
}

TEST_CASE("a log whose only state is damaged is refused") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  log.close();
  damage(files, segment_paths(files)[0], segment_header_bytes + record_header_bytes + 5);
  CHECK(contains(recovery_error(files, ErrorCode::corrupt), "whole state"));
}

TEST_CASE("a segment whose making was interrupted is as if it had never been") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "x")}));
  log.close();
  REQUIRE(files.set_contents("spool/" + segment_name(1, 2) + ".new", "SPINDLE\n and no more"));
  REQUIRE(log.recover_only());
  CHECK(log.digest == log.boundaries[0]);
  CHECK(segment_paths(files).size() == 1);
}

TEST_CASE("a missing, swapped, foreign or shortened segment is named") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  fill(log);
  log.close();
  const auto paths = segment_paths(files);
  REQUIRE(paths.size() >= 4);

  SECTION("one in the middle") {
    REQUIRE(files.remove(paths[1]));
    CHECK(contains(recovery_error(files, ErrorCode::corrupt), paths[1].substr(6) + ": it is missing"));
  }
  SECTION("the newest") {
    REQUIRE(files.remove(paths.back()));
    const std::string text = recovery_error(files, ErrorCode::corrupt);
    CHECK(contains(text, paths.back().substr(6) + ": it is missing"));
  }
  SECTION("two swapped") {
    const Bytes one = files.contents(paths[1]).value();
    REQUIRE(files.set_contents(paths[1], files.contents(paths[2]).value()));
    REQUIRE(files.set_contents(paths[2], one));
    CHECK(contains(recovery_error(files, ErrorCode::corrupt), "swapped"));
  }
  SECTION("one of another spool") {
    Bytes bytes = files.contents(paths[1]).value();
    SegmentHeader header = parse_header(bytes, "").value();
    header.spool_id = "ffffffffffffffff";
    bytes.replace(0, segment_header_bytes, encode_header(header));
    REQUIRE(files.set_contents(paths[1], bytes));
    CHECK(contains(recovery_error(files, ErrorCode::corrupt), "does not belong"));
  }
  SECTION("one cut off, on a record's boundary too") {
    Bytes bytes = files.contents(paths[1]).value();
    bytes.resize(parse_header(bytes, "").value().head_end);
    REQUIRE(files.set_contents(paths[1], bytes));
    CHECK(contains(recovery_error(files, ErrorCode::corrupt), paths[1].substr(6) + ", position "));
  }
}

TEST_CASE("a newer format and an unknown record that must be understood are refused") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  SECTION("format") {
    Bytes bytes = files.contents(segment_paths(files)[0]).value();
    store(&bytes[8], format_version + 1);
    log.close();
    REQUIRE(files.set_contents(segment_paths(files)[0], bytes));
    CHECK(contains(recovery_error(files, ErrorCode::corrupt), "header is damaged"));  // who means it says so in full
    store(&bytes[120], checksum(BytesView(bytes).substr(0, 120), std::uint64_t{0}));
    REQUIRE(files.set_contents(segment_paths(files)[0], bytes));
    log.close();
    CHECK(contains(recovery_error(files, ErrorCode::newer_format), "newer Spindle"));
  }
  SECTION("record") {
    Appender& appender = log.log().appender;
    appender.begin(1);
    appender.append(static_cast<Kind>(99), "", "?", 0, false);
    appender.finish();
    REQUIRE(log.write());
    REQUIRE(log.recover_only());
    CHECK(log.digest.records == 0);
    REQUIRE(log.open());
    log.log().appender.begin(1);
    log.log().appender.append(static_cast<Kind>(99), "", "!", 0, true);
    log.log().appender.finish();
    REQUIRE(log.write());
    log.close();
    CHECK(contains(recovery_error(files, ErrorCode::newer_format), "kind 99"));
  }
}

TEST_CASE("a giant length allocates nothing") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "x")}));
  const std::string path = segment_paths(files)[0];
  Bytes bytes = files.contents(path).value();
  const auto head_end = parse_header(bytes, "").value().head_end;
  for (std::uint32_t length : {0xffffffffu, 0x7fffffffu, 0xfffffff8u, 39u, 1u}) {
    store(&bytes[head_end + 8], length);
    REQUIRE(files.set_contents(path, bytes));
    LogUnderTest next(files);
    log.close();
    REQUIRE(next.recover_only());
    CHECK(next.digest.records == 0);
    REQUIRE(files.set_contents(path, bytes));
  }
}

TEST_CASE("an error of the owner stops the recovery and changes nothing") {
  MemoryFiles files;
  LogUnderTest log(files);
  REQUIRE(log.open());
  log.close();
  const auto before = files.operations();
  auto refused = recover(files, test_directory, test_spool_id, [](const Record&) -> Result<void> {
    return fail(ErrorCode::malformed, "not a state of mine");
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text == "not a state of mine");
  CHECK(files.operations() == before + 1);  // the sync before looking
}

TEST_CASE("a second process is locked out and told so") {
  std::string directory = (std::filesystem::temp_directory_path() / "spindle-lock-XXXXXX").string();
  REQUIRE(::mkdtemp(directory.data()));
  {
    auto none = [](const Record&) { return Result<void>(); };
    auto held = recover(posix_files(), directory, test_spool_id, none);
    REQUIRE(held);
    const pid_t child = ::fork();
    if (child == 0) {
      auto second = recover(posix_files(), directory, test_spool_id, none);
      const bool told =
          !second && second.error().code == ErrorCode::locked && contains(second.error().text, directory);
      ::_exit(told ? 0 : 1);
    }
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  std::filesystem::remove_all(directory);
}
