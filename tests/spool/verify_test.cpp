#include "spindle/spool/verify.hpp"

#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

namespace {

struct Looked {
  Verified verified;
  std::vector<Damage> damages;
};

Looked look(Files& files) {
  Looked looked;
  auto verified = verify(files, test_directory, [&](const Damage& damage) { looked.damages.push_back(damage); });
  if (!verified) FAIL(verified.error().message());
  looked.verified = *verified;
  return looked;
}

/// Two events a commit, several segments.
struct Filled {
  MemoryFiles files;
  LogUnderTest log{files};
  std::vector<std::string> paths;
  std::vector<Segment> segments;

  Filled() {
    REQUIRE(log.open());
    for (int i = 0; i < 20; ++i) {
      REQUIRE(log.commit({events("a", "event " + std::to_string(i) + std::string(700, '.'), 2)}));
    }
    paths = segment_paths(files);
    segments = list_segments(files, test_directory).value();
    REQUIRE(segments.size() >= 4);
  }

  void flip(std::size_t index, std::uint64_t position) {
    Bytes bytes = files.contents(paths[index]).value();
    bytes.at(position) = static_cast<char>(bytes.at(position) ^ 1);
    REQUIRE(files.set_contents(paths[index], std::move(bytes)));
  }
};

}  // namespace

TEST_CASE("a whole spool has nothing to tell, also while it is written") {
  Filled filled;
  const auto before = filled.files.operations();
  const Looked looked = look(filled.files);
  CHECK(looked.damages.empty());
  CHECK(looked.verified.events == 40);
  CHECK(looked.verified.next_offset == 40);
  CHECK(looked.verified.segments == filled.segments.size());
  CHECK_FALSE(looked.verified.torn);
  CHECK(filled.files.operations() == before);
}

TEST_CASE("each damage is told with its segment, position and offsets, and none stops it") {
  Filled filled;
  const Bytes second = filled.files.contents(filled.paths[1]).value();
  const std::uint64_t record = second.find("event ") - 1 - record_header_bytes;
  filled.flip(1, record + 50);                  // the first record of the second segment
  filled.flip(2, segment_header_bytes + 60);    // the state of the third
  filled.flip(0, filled.segments[0].end + 20);  // the seal of the first
  const Looked looked = look(filled.files);
  REQUIRE(looked.damages.size() == 3);
  CHECK(looked.verified.damages == 3);
  CHECK(looked.damages[0].segment == filled.segments[0].name());
  CHECK(looked.damages[0].position == filled.segments[0].end);
  CHECK(looked.damages[0].text().find("its seal is damaged: no events are lost") != std::string::npos);
  CHECK(looked.damages[1].segment == filled.segments[1].name());
  CHECK(looked.damages[1].position == record);
  CHECK(looked.damages[1].from_offset == filled.segments[1].header.first_offset);
  CHECK(looked.damages[1].to_offset == filled.segments[1].header.first_offset + 2);
  CHECK(looked.damages[2].segment == filled.segments[2].name());
  CHECK(looked.damages[2].text().find("the state at its head is damaged") != std::string::npos);
}

TEST_CASE("every byte of a spool that is changed is noticed, but for what lies behind its end") {
  Filled filled;
  filled.log.close();
  REQUIRE(LogUnderTest(filled.files).open());  // the newest before is sealed and cut off now
  const auto paths = segment_paths(filled.files);
  std::uint64_t checked = 0;
  for (std::size_t i = 0; i < paths.size(); i += 2) {
    const Bytes whole = filled.files.contents(paths[i]).value();
    const auto end = whole.find_last_not_of('\0') + 1;
    for (std::size_t at = 0; at < end; at += 1 + at % 3) {
      Bytes bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x40);
      REQUIRE(filled.files.set_contents(paths[i], bytes));
      CAPTURE(i, at);
      std::uint64_t told = 0;
      auto verified = verify(filled.files, test_directory, [&](const Damage&) { ++told; });
      const bool noticed = !verified || told > 0;
      // In the newest segment's last record a flipped bit looks like a write that did not finish.
      const bool in_last_batch = i + 1 == paths.size() && verified && verified->torn;
      CHECK((noticed || in_last_batch));
      ++checked;
    }
    REQUIRE(filled.files.set_contents(paths[i], whole));
  }
  CHECK(checked > 3'000);
}

TEST_CASE("what is missing is told by verify as by recovery") {
  Filled filled;
  filled.log.close();
  SECTION("a segment in the middle") {
    REQUIRE(filled.files.remove(filled.paths[1]));
    const Looked looked = look(filled.files);
    REQUIRE(looked.damages.size() == 1);
    CHECK(looked.damages[0].from_offset == filled.segments[1].header.first_offset);
    CHECK(looked.damages[0].to_offset == filled.segments[1].next_offset);
    LogUnderTest log(filled.files);
    log.loss = Loss::accept;
    REQUIRE(log.open());
    const Looked accepted = look(filled.files);
    REQUIRE(accepted.damages.size() == 1);
    CHECK(accepted.damages[0].what == "it was lost, and the loss was accepted");
    CHECK(accepted.damages[0].to_offset == looked.damages[0].to_offset);
  }
  SECTION("the newest") {
    REQUIRE(filled.files.remove(filled.paths.back()));
    const Looked looked = look(filled.files);
    REQUIRE(looked.damages.size() == 1);
    CHECK(looked.damages[0].from_offset == filled.segments.back().header.first_offset);
    CHECK(looked.damages[0].to_offset == Damage::to_unknown);
  }
  SECTION("all") {
    for (const std::string& path : filled.paths) REQUIRE(filled.files.remove(path));
    CHECK(verify(filled.files, test_directory, [](const Damage&) {}).error().code == ErrorCode::invalid_argument);
  }
}
