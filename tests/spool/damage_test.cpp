#include <catch2/catch.hpp>

#include "log_under_test.hpp"
#include "spindle/base/memory_files.hpp"

using namespace spindle;
using namespace spindle::spool;

// A small log, every byte of which is damaged in every way: an error or an intact beginning, never anything else.

namespace {

struct SmallLog {
  MemoryFiles files;
  std::vector<std::string> paths;
  std::vector<Bytes> contents;
  std::vector<Digest> boundaries;
  std::vector<std::pair<std::uint64_t, TestRecord>> written;

  SmallLog() {
    LogUnderTest log(files);
    REQUIRE(log.open());
    for (int i = 0; i < 8; ++i) {
      const std::string number = std::to_string(i);
      REQUIRE(log.commit({events("a." + number, std::string(500, static_cast<char>('a' + i)), 2),
                          {Kind::settle, "", "settled " + number, 0}}));
    }
    log.decide({events("b", "one batch,")});
    log.decide({events("b", "two commits")});
    REQUIRE(log.write());
    boundaries = log.boundaries;
    written = log.written;
    paths = segment_paths(files);
    REQUIRE(paths.size() >= 2);
    for (const std::string& path : paths) contents.push_back(files.contents(path).value());
  }

  /// Recovers and reads everything with segment `index` replaced; the others are as they were.
  void check_with(std::size_t index, const Bytes& bytes) {
    files.kill_process();
    for (const std::string& path : segment_paths(files)) REQUIRE(files.remove(path));
    for (std::size_t i = 0; i < paths.size(); ++i) {
      REQUIRE(files.set_contents(paths[i], i == index ? bytes : contents[i]));
    }
    LogUnderTest log(files);
    if (auto done = log.recover_only(); !done) {
      CHECK((done.error().code == ErrorCode::corrupt || done.error().code == ErrorCode::newer_format));
      return;
    }
    const bool is_boundary =
        log.digest == Digest{} || std::find(boundaries.begin(), boundaries.end(), log.digest) != boundaries.end();
    CHECK(is_boundary);
    check_reads(log);
  }

  void check_reads(LogUnderTest& log) {
    auto all = log.read_all(0, 1'000);
    if (!all) {
      CHECK(all.error().code == ErrorCode::corrupt);
      return;
    }
    REQUIRE(all->size() <= written.size());
    CHECK(std::equal(all->begin(), all->end(), written.begin()));
  }
};

}  // namespace

TEST_CASE("every flipped bit gives an error or an intact beginning") {
  SmallLog log;
  for (std::size_t index = 0; index < log.paths.size(); ++index) {
    // Of the zeros behind the end a few are enough.
    const auto end = std::min(log.contents[index].find_last_not_of('\0') + 64, log.contents[index].size());
    for (std::size_t bit = 0; bit < end * 8; ++bit) {
      Bytes bytes = log.contents[index];
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      CAPTURE(index, bit);
      log.check_with(index, bytes);
    }
  }
}

TEST_CASE("a segment cut off at every length gives an error or an intact beginning") {
  SmallLog log;
  for (std::size_t index = 0; index < log.paths.size(); ++index) {
    for (std::size_t length = 0; length < log.contents[index].size(); ++length) {
      CAPTURE(index, length);
      log.check_with(index, log.contents[index].substr(0, length));
    }
  }
}

TEST_CASE("a torn tail at every byte loses the last batch and nothing else") {
  SmallLog log;
  const std::size_t last = log.paths.size() - 1;
  const Bytes& whole = log.contents[last];
  const auto batch = whole.find("one batch,") - 1 - record_header_bytes;
  const auto end = whole.find("two commits") + std::string_view("two commits").size();
  for (std::size_t length = batch; length < end; ++length) {
    CAPTURE(length);
    Bytes bytes = whole.substr(0, length);
    bytes.resize(whole.size(), '\0');
    log.check_with(last, bytes);
    LogUnderTest again(log.files);
    log.files.kill_process();
    REQUIRE(again.recover_only());
    const auto lost = static_cast<std::size_t>(log.boundaries.end() -
                                               std::find(log.boundaries.begin(), log.boundaries.end(), again.digest));
    CHECK(lost >= 1);
    CHECK(lost <= 3);
  }
}
