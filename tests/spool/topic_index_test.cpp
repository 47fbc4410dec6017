#include "spindle/spool/topic_index.hpp"

#include <catch2/catch.hpp>

#include "fault_oracle.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/scan.hpp"
#include "spindle/spool/sealed_index.hpp"

using namespace spindle;
using namespace spindle::spool;

// Who wants a rare topic gets exactly its events, and reads little else; what is wrong with an index costs time only.

namespace {

constexpr const char* rare = "rare.topic";

/// Mostly other topics, with one in `one_in` commits of the rare one in between.
void fill(LogUnderTest& log, std::uint64_t seed, int commits, std::size_t body_bytes_max, int one_in = 20) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < commits; ++i) {
    TestCommit commit = random_commit(random, body_bytes_max);
    if (i % one_in == one_in / 2) commit.push_back(events(rare, "event " + std::to_string(i), i % 2 == 0 ? 1u : 2u));
    REQUIRE(log.commit(commit));
  }
}

void check_wanted(LogUnderTest& log, const TopicFilter& filter, std::uint64_t from, std::size_t bytes_max) {
  CAPTURE(filter.id, from, bytes_max);
  auto read = log.read_wanted(filter, from, bytes_max);
  if (!read) FAIL(read.error().message());
  CHECK((*read == log.wanted(filter, from)));
}

std::vector<TopicFilter> filters() {
  return {only(rare, 1),    only("topic.3", 2),
          only("topic", 3), only("", 4),
          only("none", 5),  {6, [](BytesView topic) { return topic == rare || topic == "topic.0"; }}};
}

/// A spool whose segments are all sealed but the newest, which is empty; and a reader that knows nothing of it yet.
struct Sealed {
  MemoryFiles files;
  LogUnderTest log;
  std::vector<std::string> paths;
  std::vector<Segment> segments;

  explicit Sealed(std::uint64_t seed = 1, int commits = 60, std::uint64_t segment_bytes = segment_bytes_min)
      : log(files, segment_bytes) {
    REQUIRE(log.open());
    fill(log, seed, commits, 300, 7);
    REQUIRE(log.open());
    look_anew();
    paths = segment_paths(files);
    segments = list_segments(files, test_directory).value();
    REQUIRE(segments.size() >= 2);
  }

  void look_anew() { REQUIRE(log.recover_only()); }
  std::uint64_t index_at(std::size_t i) const { return segments[i].end + seal_bytes; }
  Bytes contents(std::size_t i) { return files.contents(paths[i]).value(); }
  void set(std::size_t i, Bytes bytes) { REQUIRE(files.set_contents(paths[i], std::move(bytes))); }
  void set_index(std::size_t i, BytesView index) { set(i, contents(i).substr(0, index_at(i)).append(index)); }
  void remove_indexes() {
    for (std::size_t i = 0; i + 1 < paths.size(); ++i) set_index(i, "");
  }

  /// A reader that knows nothing of the spool yet.
  std::vector<std::pair<std::uint64_t, TestRecord>> read(const TopicFilter& filter) {
    Reader reader(files, test_directory, log.log().segments, 0);
    std::vector<std::pair<std::uint64_t, TestRecord>> all;
    for (std::uint64_t from = 0; from < reader.next_offset();) {
      auto block = reader.read(from, 1'000, ~std::uint64_t{0}, filter);
      if (!block) FAIL(block.error().message());
      for (const Record& record : block->records) {
        if (!filter.wants(record.topic)) continue;
        all.push_back({record.offset, events(std::string(record.topic), std::string(record.body), record.count)});
      }
      REQUIRE(block->next_offset > from);
      from = block->next_offset;
    }
    return all;
  }

  std::vector<std::string> damages() {
    std::vector<std::string> texts;
    auto verified = verify(files, test_directory, [&](const Damage& damage) { texts.push_back(damage.text()); });
    if (!verified) FAIL(verified.error().message());
    return texts;
  }
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a filter gives the events that reading everything gives, from any offset, for any topics") {
  const std::uint64_t seed = GENERATE(1u, 2u, 3u);
  const std::uint64_t segment_bytes = GENERATE(as<std::uint64_t>{}, segment_bytes_min, 64u << 10, 1u << 20);
  const std::size_t tail_cache_bytes = GENERATE(0u, 20'000u, 10'000'000u);
  CAPTURE(seed, segment_bytes, tail_cache_bytes);
  MemoryFiles files;
  LogUnderTest log(files, segment_bytes);
  log.tail_cache_bytes = tail_cache_bytes;
  REQUIRE(log.open());
  fill(log, seed, 200, 900);
  SECTION("while it is written") {}
  SECTION("after a restart") { REQUIRE(log.recover_only()); }
  SECTION("after a restart, and it goes on") {
    REQUIRE(log.open());
    fill(log, seed + 100, 50, 900);
  }
  for (const std::size_t bytes_max : {1u, 900u, 20'000u, 1u << 20}) {
    for (const TopicFilter& filter : filters()) {
      for (std::uint64_t from = 0; from < log.reader().next_offset(); from += bytes_max == 1 ? 211 : 67) {
        check_wanted(log, filter, from, bytes_max);
      }
    }
  }
}

TEST_CASE("without any index the records are looked through, once") {
  Sealed sealed(5, 2'000, 256u << 10);
  sealed.remove_indexes();
  CHECK(sealed.damages().empty());
  for (const TopicFilter& filter : filters()) CHECK((sealed.read(filter) == sealed.log.wanted(filter, 0)));

  LogUnderTest& log = sealed.log;
  const TopicFilter rarest{7, [](BytesView topic) { return topic == "no such topic"; }};
  check_wanted(log, rarest, 0, 64u << 10);
  CHECK(log.bytes_read > 500'000);
  log.bytes_read = 0;
  check_wanted(log, {8, rarest.wants}, 0, 64u << 10);
  CHECK(log.bytes_read == 0);
}

TEST_CASE("a reader that begins in the middle of a segment without an index misses nothing") {
  Sealed sealed(6, 1'500, 256u << 10);
  sealed.remove_indexes();
  for (std::uint64_t at = 0; at < sealed.log.reader().next_offset(); at += 487) {
    sealed.look_anew();
    const auto block = sealed.log.reader().read(at, 2'000, ~std::uint64_t{0});  // so it is known where that stands
    REQUIRE(block);
    check_wanted(sealed.log, only(rare), block->next_offset, 2'000);
    check_wanted(sealed.log, only("topic.3", 2), at / 2, 2'000);
    check_wanted(sealed.log, only(rare), 0, 2'000);
  }
}

TEST_CASE("a filter for a rare topic reads little") {
  Sealed sealed(7, 4'000, 256u << 10);
  std::uint64_t stored = 0;
  for (const Segment& segment : sealed.segments) stored += segment.end;
  REQUIRE(stored > 1'000'000);
  const TopicFilter rarest{9, [](BytesView topic) { return topic == "no such topic"; }};
  const auto reads = sealed.files.reads();
  check_wanted(sealed.log, rarest, 0, 512u << 10);
  CHECK(sealed.log.bytes_read == 0);
  CHECK(sealed.files.reads() - reads < 4 * sealed.segments.size());  // each segment's index
}

TEST_CASE("who keeps up passes over what it does not want without the disk, in one call") {
  MemoryFiles files;
  LogUnderTest log(files, 1u << 20);
  log.tail_cache_bytes = 1u << 20;
  REQUIRE(log.open());
  REQUIRE(log.commit({events(rare, "first")}));
  for (int i = 0; i < 100; ++i) REQUIRE(log.commit({events("topic.1", "x"), events("topic.2", "y")}));
  REQUIRE(log.commit({events(rare, "last")}));
  files.fail_reads(true);
  auto block = log.reader().read(1, 1'000, ~std::uint64_t{0}, only(rare));
  REQUIRE(block);
  REQUIRE(block->records.size() == 1);
  CHECK(block->records[0].body == "last");
  block = log.reader().read(1, 1'000, 150, only(rare));
  REQUIRE(block);
  CHECK(block->records.empty());
  CHECK(block->next_offset == 150);
}

TEST_CASE("every segment that ends gets an index, also the one that the last run left") {
  Sealed sealed;
  for (std::size_t i = 0; i + 1 < sealed.segments.size(); ++i) {
    CAPTURE(i);
    auto file = sealed.files.open(sealed.paths[i], OpenMode::read).value();
    auto found = read_sealed_index(*file, sealed.segments[i].header, sealed.segments[i].end);
    REQUIRE(found);
    CHECK(found->found == SealedIndex::Found::whole);
    CHECK(found->index.records() > 0);
  }
}

TEST_CASE("every bit of an index flipped: the same events, and verify tells of it") {
  Sealed sealed(1, 30);
  const auto wanted = sealed.log.wanted(only(rare), 0);
  const Bytes whole = sealed.contents(1);
  for (std::uint64_t at = sealed.index_at(1) * 8; at < whole.size() * 8; ++at) {
    CAPTURE(at);
    Bytes bytes = whole;
    bytes[at / 8] = static_cast<char>(bytes[at / 8] ^ (1 << at % 8));
    sealed.set(1, std::move(bytes));
    CHECK((sealed.read(only(rare)) == wanted));
    const auto damages = sealed.damages();
    REQUIRE(damages.size() == 1);
    const bool said = contains(damages[0], "topic index is damaged, which costs time only") &&
                      contains(damages[0], "position " + std::to_string(sealed.index_at(1))) &&
                      contains(damages[0], "no events are lost");
    CHECK(said);
  }
}

TEST_CASE("an index cut off at every byte: the same events, and verify tells of it") {
  Sealed sealed(2, 30);
  const auto wanted = sealed.log.wanted(only(rare), 0);
  const Bytes whole = sealed.contents(1);
  for (std::uint64_t size = sealed.index_at(1); size < whole.size(); ++size) {
    for (const bool zeros : {false, true}) {
      CAPTURE(size, zeros);
      Bytes bytes = whole.substr(0, size);
      if (zeros) bytes.resize(whole.size() + 100, '\0');
      if (zeros && bytes.substr(0, whole.size()) == whole) continue;  // only padding was cut
      sealed.set(1, std::move(bytes));
      CHECK((sealed.read(only(rare)) == wanted));
      CHECK(sealed.damages().size() == (size == sealed.index_at(1) ? 0 : 1));
    }
  }
}

TEST_CASE("the index of another segment is not taken for this one's") {
  Sealed sealed;
  const auto wanted = sealed.log.wanted(only(rare), 0);
  sealed.set_index(1, sealed.contents(0).substr(sealed.index_at(0)));
  CHECK((sealed.read(only(rare)) == wanted));
  CHECK(sealed.damages().size() == 1);
}

namespace {

/// What verify and a reader make of an index whose checksum is right.
void check_lie(Sealed& sealed, std::size_t i, const TopicIndex& lie, bool reader_can_tell) {
  sealed.set_index(i, encode_sealed_index(sealed.segments[i].header, sealed.segments[i + 1].header, lie));
  const auto damages = sealed.damages();
  REQUIRE(damages.size() == 1);
  CHECK(contains(damages[0], "topic index does not say what its records say"));
  if (reader_can_tell) CHECK((sealed.read(only(rare)) == sealed.log.wanted(only(rare), 0)));
}

}  // namespace

TEST_CASE("an index that lies with a right checksum: a reader believes no position, verify compares all") {
  Sealed sealed;
  const Segment& segment = sealed.segments[1];
  auto file = sealed.files.open(sealed.paths[1], OpenMode::read).value();
  SegmentScan scan(*file, segment.header, segment.header.head_end, segment.end);
  std::vector<std::pair<std::string, std::uint64_t>> records;
  std::uint64_t settle_at = 0;
  while (scan.position() < segment.end) {
    const std::uint64_t at = scan.position();
    const auto record = scan.next().value();
    if (record->kind == Kind::events) records.emplace_back(record->topic, at);
    if (record->kind != Kind::events) settle_at = at;
  }
  REQUIRE(settle_at > 0);
  std::uint64_t rare_at = 0;
  for (const auto& [topic, at] : records) {
    if (topic == rare) rare_at = at;
  }
  REQUIRE(rare_at > 0);
  TopicIndex lie;
  SECTION("other topics' records are said to be rare ones") {
    for (const auto& [topic, at] : records) lie.add(at == rare_at ? "other" : at < rare_at ? rare : topic, at);
    check_lie(sealed, 1, lie, true);
  }
  SECTION("records of settled events are said to be events") {
    std::vector<std::uint64_t> positions{settle_at};
    for (const auto& [topic, at] : records) {
      if (topic == rare) positions.push_back(at);
    }
    std::sort(positions.begin(), positions.end());
    for (const std::uint64_t at : positions) lie.add(rare, at);
    for (const auto& [topic, at] : records) {
      if (topic != rare) lie.add(topic, at);
    }
    check_lie(sealed, 1, lie, true);
  }
  SECTION("where no record begins") {
    for (const auto& [topic, at] : records) lie.add(topic, topic == rare ? at + 8 : at);
    check_lie(sealed, 1, lie, true);
  }
  SECTION("a record too few: only its checksum and verify stand against that") {
    for (const auto& [topic, at] : records) {
      if (at != rare_at) lie.add(topic, at);
    }
    check_lie(sealed, 1, lie, false);
  }
  SECTION("no record at all") { check_lie(sealed, 1, lie, false); }
}

TEST_CASE("an index is only taken when it is one of this segment, and takes no more memory than it may") {
  TopicIndex index;
  index.add("a", 176);
  index.add("b", 200);
  index.add("a", 1'000);
  const Bytes bytes = index.encode();
  REQUIRE(TopicIndex::decode(bytes, 176, 1'008));
  CHECK(TopicIndex::decode(bytes, 176, 1'008)->encode() == bytes);
  CHECK_FALSE(TopicIndex::decode(bytes, 184, 1'008));
  CHECK_FALSE(TopicIndex::decode(bytes, 176, 1'000));
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    const auto cut = TopicIndex::decode(bytes.substr(0, size), 176, 1'008);
    CHECK((!cut || cut->records() < 3));
  }
  std::mt19937_64 random(4);
  for (int i = 0; i < 100'000; ++i) {
    Bytes noise(random() % 40, '\0');
    for (char& byte : noise) byte = static_cast<char>(random() % 3 == 0 ? random() : random() % 4);
    if (auto found = TopicIndex::decode(noise, 0, 1u << 20)) CHECK(found->records() <= noise.size());
  }
}

TEST_CASE("damage to a wanted record is told as by reading everything, and other topics' damage stops nobody") {
  Sealed sealed(3, 60, 64u << 10);
  Bytes bytes = sealed.contents(0);
  const auto first = sealed.log.wanted(only(rare), 0).front();
  SECTION("a wanted one") {
    bytes[bytes.find(first.second.body)] = '!';
    sealed.set(0, bytes);
    auto read = sealed.log.read_wanted(only(rare), 0, 500);
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::corrupt);
    CHECK(contains(read.error().text, "offsets " + std::to_string(first.first) + " to "));
    const auto behind = lost_range(read.error().text)->end;
    auto rest = sealed.log.read_wanted(only(rare), behind, 500);
    REQUIRE(rest);
    CHECK((*rest == sealed.log.wanted(only(rare), behind)));
  }
  SECTION("another") {
    bytes[bytes.find("topic.") + 10] ^= 1;
    sealed.set(0, bytes);
    CHECK_FALSE(sealed.log.read_all(0, 500));
    CHECK((sealed.read(only(rare)) == sealed.log.wanted(only(rare), 0)));
  }
}

TEST_CASE("a read at an offset gives the record that holds it, whatever its topic") {
  MemoryFiles files;
  LogUnderTest log(files, 16u << 10);
  log.tail_cache_bytes = GENERATE(0u, 8'000u);
  REQUIRE(log.open());
  fill(log, 8, 150, 300);
  if (GENERATE(false, true)) REQUIRE(log.recover_only());
  for (const auto& [offset, record] : log.written) {
    for (std::uint64_t at = offset; at < offset + record.count; ++at) {
      auto block = log.reader().read_at(at, 2'000, ~std::uint64_t{0}, only(rare));
      REQUIRE(block);
      REQUIRE_FALSE(block->records.empty());
      CHECK(block->records.front().offset == offset);
      CHECK(block->records.front().body == record.body);
    }
  }
}

TEST_CASE("what is kept of indexes is bounded, and forgetting changes nothing but time") {
  MemoryFiles files;
  LogUnderTest log(files);
  log.topic_cache_bytes = 4'000;
  REQUIRE(log.open());
  fill(log, 9, 300, 700);
  const bool without = GENERATE(false, true);
  if (without) {
    const auto segments = list_segments(files, test_directory).value();
    for (const Segment& segment : segments) {
      if (segment.header.serial == segments.back().header.serial) continue;
      const std::string path = test_directory + "/" + segment.name();
      REQUIRE(files.set_contents(path, files.contents(path).value().substr(0, segment.end + seal_bytes)));
    }
    REQUIRE(log.open());
  }
  for (int round = 0; round < 3; ++round) {
    for (const TopicFilter& filter : filters()) {
      check_wanted(log, filter, 0, 1'000);
      CHECK(log.reader().topic_bytes() < 8'000);
    }
  }
}

TEST_CASE("a segment of too many topics has no index, and is read all the same") {
  MemoryFiles files;
  LogUnderTest log(files, 16u << 20);
  REQUIRE(log.open());
  const int topics = 50'000;
  for (int i = 0; i < topics; ++i) {
    log.decide({events("topic." + std::to_string(i), "x")});
    if (i % 10'000 == 0) log.decide({events(rare, std::to_string(i))});
  }
  REQUIRE(log.write());
  check_wanted(log, only(rare), 0, 512u << 10);
  REQUIRE(log.open());
  const Segment segment = list_segments(files, test_directory).value()[0];
  CHECK(files.contents(segment_paths(files)[0])->size() == segment.end + seal_bytes);
  check_wanted(log, only(rare), 0, 512u << 10);
  check_is_whole(files);
}

TEST_CASE("a seal that is damaged is noticed by the index behind it, when the next segment is missing") {
  Sealed sealed;
  sealed.log.close();
  const std::size_t last = sealed.segments.size() - 2;
  REQUIRE(sealed.files.remove(sealed.paths.back()));
  Bytes bytes = sealed.contents(last);
  bytes[sealed.segments[last].end + 20] ^= 1;
  if (GENERATE(false, true)) bytes.resize(sealed.segments[last].header.file_bytes + 8, '\0');
  sealed.set(last, bytes);
  LogUnderTest log(sealed.files);
  auto opened = log.open();
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::corrupt);
}
