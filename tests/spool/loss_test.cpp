#include <algorithm>
#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/backup.hpp"

using namespace spindle;
using namespace spindle::spool;

// Something durable is missing: recovery says exactly what, changes nothing, and goes on without it when told to.

namespace {

/// One event a commit, each a batch of its own, over several segments.
struct ManySegments {
  MemoryFiles files;
  LogUnderTest log{files};
  std::vector<Segment> segments;
  std::vector<std::string> paths;

  ManySegments() {
    REQUIRE(log.open());
    for (int i = 0; i < 40; ++i) {
      REQUIRE(log.commit({events("a", "event " + std::to_string(i) + std::string(500, '.'))}));
    }
    log.close();
    paths = segment_paths(files);
    segments = list_segments(files, test_directory).value();
    REQUIRE(segments.size() >= 5);
  }

  void damage(const std::string& path, std::uint64_t position) {
    Bytes bytes = files.contents(path).value();
    REQUIRE(position < bytes.size());
    bytes[position] = static_cast<char>(bytes[position] ^ 0x10);
    REQUIRE(files.set_contents(path, std::move(bytes)));
  }

  std::vector<Bytes> everything() {
    std::vector<Bytes> all;
    for (const std::string& path : segment_paths(files)) all.push_back(path + files.contents(path).value());
    return all;
  }

  /// Refuses with a text that has `part`, changing nothing.
  void check_refused(const std::string& part) {
    const auto before = everything();
    auto done = log.recover_only();
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ErrorCode::corrupt);
    CAPTURE(done.error().text, part);
    CHECK(done.error().text.find(part) != std::string::npos);
    CHECK(done.error().text.find("--accept-loss") != std::string::npos);
    CHECK((everything() == before));
  }

  void accept() {
    log.loss = Loss::accept;
    log.wall_ns = WallNs{5'000} * 1'000'000;
    auto done = log.recover_only();
    if (!done) FAIL(done.error().message());
    log.loss = Loss::refuse;
  }
};

std::string lost(std::uint64_t from, std::uint64_t to) {
  return "offsets " + std::to_string(from) + " to " + std::to_string(to - 1) + " are lost";
}

bool has_name(MemoryFiles& files, const std::string& part) {
  for (const std::string& path : segment_paths(files)) {
    if (path.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a missing older segment is named with its offsets, and the log goes on without it when told to") {
  const std::size_t missing = GENERATE(std::size_t{1}, std::size_t{2});
  ManySegments many;
  const Segment gone = many.segments[1];
  for (std::size_t i = 0; i < missing; ++i) REQUIRE(many.files.remove(many.paths[1 + i]));
  const std::uint64_t from = gone.header.first_offset;
  const std::uint64_t to = many.segments[1 + missing].header.first_offset;
  many.check_refused(gone.name() + ": it is missing");
  many.check_refused(lost(from, to));

  many.accept();
  REQUIRE(many.log.log().losses.size() == 1);
  CHECK(many.log.log().losses[0].segment == gone.name());
  CHECK(many.log.log().losses[0].from_offset == from);
  CHECK(many.log.log().losses[0].to_offset == to);
  CHECK_FALSE(many.log.log().restored);
  CHECK(many.log.log().incarnation == 1);
  CHECK(many.log.digest == many.log.boundaries.back());

  // Once and for good; what is behind the gap can be read.
  REQUIRE(many.log.open());
  CHECK(many.log.log().losses.empty());
  REQUIRE(many.log.commit({events("a", "goes on")}));
  REQUIRE(many.log.recover_only());
  CHECK(many.log.log().next_offset == 41);
  CHECK(many.log.log().segments.size() == many.segments.size() + 1);
  CHECK(many.log.read_all(to, 2'000).value().size() == 41 - to);
}

TEST_CASE("an older segment with a damaged header is put aside when told to") {
  ManySegments many;
  many.damage(many.paths[2], 50);
  const Segment& gone = many.segments[2];
  many.check_refused(gone.name() + ": its header is damaged: " + lost(gone.header.first_offset, gone.next_offset));
  many.accept();
  CHECK(has_name(many.files, gone.name() + ".damaged"));
  REQUIRE(many.log.open());
  CHECK(many.log.log().losses.empty());
  CHECK(many.log.digest == many.log.boundaries.back());
}

TEST_CASE("an older segment that is cut off is filled up with zeros when told to") {
  ManySegments many;
  const Segment& cut = many.segments[2];
  Bytes bytes = many.files.contents(many.paths[2]).value();
  const std::size_t third = bytes.find("event " + std::to_string(cut.header.first_offset + 2));
  REQUIRE(third != Bytes::npos);
  bytes.resize(third);
  REQUIRE(many.files.set_contents(many.paths[2], bytes));
  many.check_refused(cut.name() + ", position " + std::to_string(third) + ": it is cut off");
  many.check_refused(lost(cut.header.first_offset + 2, cut.next_offset));
  many.accept();
  REQUIRE(many.log.open());
  CHECK(many.log.log().losses.empty());
  CHECK(many.log.read_all(cut.next_offset, 2'000).value().size() == 40 - cut.next_offset);
}

TEST_CASE("damage in the newest segment cuts the log there under a new incarnation when told to") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 16);
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) REQUIRE(log.commit({events("a", "event " + std::to_string(i))}));
  const std::string path = segment_paths(files).back();
  log.close();
  Bytes bytes = files.contents(path).value();
  bytes[bytes.find("event 4")] = 'E';
  REQUIRE(files.set_contents(path, bytes));
  auto refused = log.recover_only();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find("offsets 4 to 9 are lost") != std::string::npos);

  log.loss = Loss::accept;
  log.wall_ns = WallNs{5'000} * 1'000'000;
  REQUIRE(log.recover_only());
  log.loss = Loss::refuse;
  CHECK(log.log().restored);
  CHECK(log.log().incarnation == std::uint64_t{5'000} << 16);
  CHECK(log.log().next_offset == 4);
  CHECK(log.digest == log.boundaries[3]);
  CHECK((files.contents(path + ".damaged").value() == bytes));

  // A crash before anything was written: the loss stays accepted, and is not forgotten.
  REQUIRE(log.recover_only());
  CHECK(log.log().losses.empty());
  CHECK(log.log().restored);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "another fourth")}));
  REQUIRE(log.recover_only());
  CHECK_FALSE(log.log().restored);
  CHECK(log.log().incarnation == std::uint64_t{5'000} << 16);
  CHECK(log.log().next_offset == 5);
}

TEST_CASE("damage in a newest segment that is cut off too: nothing tells how far the log went") {
  const bool behind_the_damage = GENERATE(true, false);
  MemoryFiles files;
  LogUnderTest log(files, 1u << 16);
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) REQUIRE(log.commit({events("a", "event " + std::to_string(i))}));
  const std::string path = segment_paths(files).back();
  log.close();
  Bytes bytes = files.contents(path).value();
  bytes.resize(bytes.find(behind_the_damage ? "event 7" : "event 5") - 41);
  bytes[bytes.find("event 4")] = 'E';
  REQUIRE(files.set_contents(path, bytes));
  auto refused = log.recover_only();
  REQUIRE_FALSE(refused);
  CAPTURE(refused.error().text);
  CHECK(refused.error().text.find("offset 4 and all after it are lost") != std::string::npos);
  CHECK(refused.error().text.find("it is cut off, it had") != std::string::npos);
}

TEST_CASE("a version or flag with a flipped bit is a damaged header, whose loss can be accepted") {
  const std::uint64_t position = GENERATE(8u, 11u, 12u, 15u);
  ManySegments many;
  many.damage(many.paths[2], position);
  many.check_refused(many.segments[2].name() + ": its header is damaged");
  many.accept();
  REQUIRE(many.log.open());
  CHECK(many.log.log().losses.empty());
}

TEST_CASE("several batches that are damaged up to the end are cut off, and the note says what that may mean") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 16);
  REQUIRE(log.open());
  for (int i = 0; i < 10; ++i) REQUIRE(log.commit({events("a", "event " + std::to_string(i))}));
  const std::string path = segment_paths(files).back();
  log.close();
  Bytes bytes = files.contents(path).value();
  const auto at = bytes.find("event 3") - 41;
  bytes.replace(at, 700, Bytes(700, 'z'));
  REQUIRE(files.set_contents(path, bytes));
  REQUIRE(log.recover_only());
  CHECK(log.log().next_offset == 3);
  REQUIRE(log.log().notes.size() == 1);
  CHECK(log.log().notes[0].find("position " + std::to_string(at) + " cannot be read") != std::string::npos);
  CHECK(log.log().notes[0].find("goes on at offset 3") != std::string::npos);
  CHECK(log.log().notes[0].find("if more was acknowledged, it is lost from that offset on") != std::string::npos);
}

TEST_CASE("a newest segment that is missing is noticed, also when the one before was left by a crash") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 16);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "first")}));
  REQUIRE(log.open());  // goes on in a new segment: the one before gets its seal now
  REQUIRE(log.commit({events("a", "second")}));
  log.close();
  REQUIRE(segment_paths(files).size() == 2);
  REQUIRE(files.remove(segment_paths(files)[1]));
  auto refused = log.recover_only();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().text.find(segment_name(1, 2) + ": it is missing") != std::string::npos);
  CHECK(refused.error().text.find("offset 1 and all after it are lost") != std::string::npos);

  log.loss = Loss::accept;
  REQUIRE(log.recover_only());
  CHECK(log.log().restored);
  CHECK(log.log().incarnation == 2);
  CHECK(log.log().next_offset == 1);
  log.loss = Loss::refuse;
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "another second")}));
}

TEST_CASE("a seal that a crash left out is written by the next recovery") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 16);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "first")}));
  REQUIRE(log.open());
  log.close();
  const std::string first = segment_paths(files)[0];
  const Bytes sealed = files.contents(first).value();
  const std::uint64_t end = list_segments(files, test_directory).value()[0].end;
  REQUIRE(sealed.size() >= end + record_header_bytes);
  REQUIRE(files.set_contents(first, sealed.substr(0, end)));
  REQUIRE(log.recover_only());
  const Bytes again = files.contents(first).value();
  CHECK((again == sealed.substr(0, end + record_header_bytes)));
}

TEST_CASE("a newest segment with a damaged header is put aside when told to, its records say what is lost") {
  ManySegments many;
  many.damage(many.paths.back(), 50);
  const Segment& gone = many.segments.back();
  many.check_refused(gone.name() + ": its header is damaged: " + lost(gone.header.first_offset, 40));
  many.accept();
  CHECK(many.log.log().restored);
  CHECK(many.log.log().incarnation == std::uint64_t{5'000} << 16);
  CHECK(many.log.log().next_offset == gone.header.first_offset);
  CHECK(has_name(many.files, gone.name() + ".damaged"));
  REQUIRE(many.log.open());
  CHECK(many.log.log().losses.empty());
}

TEST_CASE("files under a wrong name and files of another spool are told apart from a loss") {
  ManySegments many;
  SECTION("a second name") {
    REQUIRE(many.files.set_contents("spool/" + segment_name(90, 90), many.files.contents(many.paths[1]).value()));
    many.check_refused("another file has its place: no events are lost");
    many.accept();
    CHECK_FALSE(many.log.log().restored);
    CHECK(many.log.digest == many.log.boundaries.back());
  }
  SECTION("another spool") {
    SegmentHeader header = many.segments[1].header;
    header.spool_id = "ffffffffffffffff";
    header.serial = 77;
    Bytes bytes = many.files.contents(many.paths[1]).value();
    bytes.replace(0, segment_header_bytes, encode_header(header));
    REQUIRE(many.files.set_contents("spool/" + segment_name(header.first_offset, 77), bytes));
    many.log.loss = Loss::accept;
    auto refused = many.log.recover_only();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find("segments of two spools") != std::string::npos);
  }
}

TEST_CASE("a power cut at every operation of accepting a loss leaves a log that refuses or goes on as accepted") {
  for (const bool header : {false, true}) {
    for (std::uint64_t cut = 1;; ++cut) {
      CAPTURE(header, cut);
      ManySegments many;
      REQUIRE(many.files.remove(many.paths[1]));
      const std::string newest = many.paths.back();
      const Segment last = many.segments.back();
      const auto first_event = many.files.contents(newest).value().find("event ");
      many.damage(newest, header ? 50 : first_event);
      many.log.loss = Loss::accept;
      many.files.cut_power_at(many.files.operations() + cut, cut);
      const bool finished = many.log.open().has_value();
      many.log.close();
      many.files.power_cut(cut);
      many.files.restart();
      many.log.loss = Loss::refuse;
      auto opened = many.log.recover_only();
      if (!opened) {
        CHECK(opened.error().code == ErrorCode::corrupt);
        many.log.loss = Loss::accept;
        opened = many.log.recover_only();
      }
      if (!opened) FAIL(opened.error().message());
      CHECK(many.log.log().next_offset == last.header.first_offset);
      CHECK(many.log.log().incarnation > 1);
      CHECK(many.log.digest == many.log.boundaries.at(last.header.first_offset - 1));
      if (finished) break;
    }
  }
}

TEST_CASE("a damaged segment and a damaged end: no file that is damaged is destroyed, whenever the power goes") {
  enum class Newest { header, header_unsealed, record };
  for (const Newest newest : {Newest::header, Newest::header_unsealed, Newest::record}) {
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      for (std::uint64_t cut = 1;; ++cut) {
        CAPTURE(static_cast<int>(newest), seed, cut);
        ManySegments many;
        const Segment last = many.segments.back();
        const std::string& last_path = many.paths.back();
        many.damage(many.paths[2], 50);
        many.damage(last_path, newest == Newest::record ? many.files.contents(last_path).value().find("event ") : 50);
        if (newest == Newest::header_unsealed) {  // as a crash between the last name and the seal leaves it
          const std::string& before = many.paths[many.paths.size() - 2];
          REQUIRE(many.files.set_contents(
              before, many.files.contents(before).value().substr(0, many.segments[many.segments.size() - 2].end)));
        }
        const std::vector<Bytes> damaged = {many.files.contents(many.paths[2]).value(),
                                            many.files.contents(last_path).value()};
        many.log.loss = Loss::accept;
        many.files.cut_power_at(many.files.operations() + cut, seed * 1'000 + cut);
        const bool finished = many.log.recover_only().has_value();
        many.log.close();
        many.files.power_cut(seed);
        many.files.restart();

        const auto is_kept = [&](const Bytes& bytes) {
          const std::vector<std::string> paths = segment_paths(many.files);
          return std::any_of(paths.begin(), paths.end(),
                             [&](const std::string& path) { return many.files.contents(path).value() == bytes; });
        };
        for (const Bytes& bytes : damaged) CHECK(is_kept(bytes));
        many.log.loss = Loss::refuse;
        auto opened = many.log.recover_only();
        if (finished) CHECK(opened);
        if (!opened) {
          many.log.loss = Loss::accept;
          opened = many.log.recover_only();
        }
        if (!opened) FAIL(opened.error().message());
        for (const Bytes& bytes : damaged) CHECK(is_kept(bytes));
        CHECK(many.log.log().restored);
        CHECK(many.log.log().next_offset == last.header.first_offset);
        CHECK(many.log.digest == many.log.boundaries.at(last.header.first_offset - 1));
        many.log.loss = Loss::refuse;
        REQUIRE(many.log.open());  // accepted once, for good
        CHECK(many.log.log().losses.empty());
        if (finished) break;
      }
    }
  }
}

TEST_CASE("accepting the loss of a segment that is cut off changes no file of a backup that shares it") {
  ManySegments many;
  REQUIRE(backup(many.files, test_directory, "copy"));
  {
    auto file = many.files.open(many.paths[1], OpenMode::write).value();
    REQUIRE(file->truncate(900));
    REQUIRE(file->sync());
  }
  const std::string shared = "copy/" + many.segments[1].name();
  REQUIRE(many.files.contents(shared).value().size() == 900);
  many.accept();
  CHECK(many.files.contents(many.paths[1]).value().size() > 900);
  CHECK(many.files.contents(shared).value().size() == 900);
  REQUIRE(many.log.open());
  CHECK(many.log.log().losses.empty());
}
