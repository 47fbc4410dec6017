#include <stdlib.h>

#include <catch2/catch.hpp>

#include <sstream>

#include "golden.hpp"
#include "spindle/spool/little_endian.hpp"
#include "spindle/spool/sealed_index.hpp"
#include "spindle/spool/verify.hpp"

using namespace spindle;
using namespace spindle::spool;

// Spools that earlier versions wrote (tests/spool/golden, never written again): this one reads them as they did.

namespace {

namespace fs = std::filesystem;

/// A golden spool to work on.
class Golden {
 public:
  explicit Golden(const fs::path& at) {
    std::string name = (fs::temp_directory_path() / "spindle-golden-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    path_ = name;
    fs::copy(at / "spool", path_ / "spool");
  }
  ~Golden() { fs::remove_all(path_); }
  Golden(const Golden&) = delete;
  Golden& operator=(const Golden&) = delete;

  std::string spool() const { return (path_ / "spool").string(); }
  fs::path newest() const {
    fs::path newest;
    for (const auto& entry : fs::directory_iterator(spool())) {
      if (parse_segment_name(entry.path().filename().string())) newest = std::max(newest, entry.path());
    }
    return newest;
  }

 private:
  fs::path path_;
};

std::vector<fs::path> cases() {
  std::vector<fs::path> found;
  for (const auto& version : fs::directory_iterator(SPINDLE_GOLDEN_SPOOLS)) {
    if (!version.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(version)) {
      if (fs::exists(entry.path() / "expected.txt")) found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

void overwrite(const fs::path& path, std::size_t at, BytesView bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void check_refused(const std::string& spool, const std::string& part) {
  for (const Loss loss : {Loss::refuse, Loss::accept}) {
    auto log = recover(
        posix_files(), spool, "ffffffffffffffff", [](const Record&) { return Result<void>(); }, segment_bytes_min,
        loss);
    REQUIRE_FALSE(log);
    CHECK(log.error().code == ErrorCode::newer_format);
    CHECK(log.error().text.find(part) != std::string::npos);
    CHECK(log.error().text.find("newer Spindle: use that version") != std::string::npos);
  }
  auto verified = verify(posix_files(), spool, [](const Damage&) {});
  REQUIRE_FALSE(verified);
  CHECK(verified.error().code == ErrorCode::newer_format);
}

}  // namespace

TEST_CASE("every golden spool is read as the version that wrote it did") {
  REQUIRE(cases().size() >= 6);
  for (const fs::path& one : cases()) {
    const Golden golden(one);
    CAPTURE(one.string());
    CHECK(describe_spool(golden.spool()) == read_text(one / "expected.txt"));
  }
}

TEST_CASE("the topic indexes of a golden spool are read as they were written") {
  const Golden golden(fs::path(SPINDLE_GOLDEN_SPOOLS) / "v1" / "indexed");
  const auto segments = list_segments(posix_files(), golden.spool()).value();
  REQUIRE(segments.size() >= 8);
  std::uint64_t indexed = 0;
  std::uint64_t stored = 0;
  for (std::size_t i = 0; i + 1 < segments.size(); ++i) {
    auto file = posix_files().open(golden.spool() + "/" + segments[i].name(), OpenMode::read).value();
    const auto found = read_sealed_index(*file, segments[i].header, segments[i].end).value();
    REQUIRE(found.found == SealedIndex::Found::whole);
    indexed += found.index.records();
  }
  std::istringstream lines(read_text(fs::path(SPINDLE_GOLDEN_SPOOLS) / "v1" / "indexed" / "expected.txt"));
  const std::string in_newest = std::to_string(segments.back().header.first_offset);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("event offset=" + in_newest + " ")) break;
    stored += line.starts_with("event ") ? 1 : 0;
  }
  CHECK(indexed == stored);
  std::uint64_t damages = 0;
  REQUIRE(verify(posix_files(), golden.spool(), [&](const Damage&) { ++damages; }));
  CHECK(damages == 0);
}

TEST_CASE("a golden spool of a newer format version is refused and left as it is") {
  const Golden golden(fs::path(SPINDLE_GOLDEN_SPOOLS) / "v1" / "plain");
  const fs::path newest = golden.newest();
  std::string header = read_text(newest).substr(0, segment_header_bytes);
  SECTION("a larger version") { header[8] = 2; }
  SECTION("a header flag that this version does not know") { header[12] = 4; }
  store(&header[120], checksum(BytesView(header).substr(0, 120), std::uint64_t{0}));
  overwrite(newest, 0, header);
  const std::string before = read_text(newest);
  check_refused(golden.spool(), newest.filename().string());
  CHECK((read_text(newest) == before));
}

TEST_CASE("a golden spool with a record that must be understood and is not known is refused") {
  const Golden golden(fs::path(SPINDLE_GOLDEN_SPOOLS) / "v1" / "plain");
  const fs::path newest = golden.newest();
  std::string bytes = read_text(newest);
  const auto header = parse_header(bytes, "").value();
  const std::size_t at = bytes.find("settled") - record_header_bytes;
  const Bytes kind("\x63", 1);
  bytes.replace(at + 12, 1, kind);
  set_record_checksum(&bytes[at], 48, {header.salt(), at});
  overwrite(newest, 0, bytes);
  check_refused(golden.spool(), "kind 99");
}
