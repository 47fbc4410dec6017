#include <catch2/catch.hpp>

#include "fault_oracle.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/limits.hpp"
#include "spindle/spool/little_endian.hpp"
#include "spindle/spool/log_end.hpp"
#include "spindle/spool/scan.hpp"

using namespace spindle;
using namespace spindle::spool;

// A small log, every bit, byte, length and file of which is damaged in every way. What was acknowledged is there or
// its loss is told with its offsets; nothing else is ever taken for the log.

namespace {

/// Three segments: two sealed ones of two runs, and the newest, whose last batch has two commits.
struct SmallLog {
  MemoryFiles files;
  std::vector<std::string> paths;
  std::vector<Bytes> contents;
  LogUnderTest written{files};
  std::uint64_t last_batch_offset = 0;

  SmallLog() {
    REQUIRE(written.open());
    for (int i = 0; i < 9; ++i) {
      if (i == 3) REQUIRE(written.open());
      const std::string number = std::to_string(i);
      REQUIRE(written.commit({events("a." + number, std::string(800, static_cast<char>('a' + i)), 2),
                              {Kind::settle, "", "settled " + number, 0}}));
    }
    last_batch_offset = written.log().appender.next_offset();
    written.decide({events("b", "one batch,")});
    written.decide({events("b", "two commits")});
    REQUIRE(written.write());
    written.close();
    paths = segment_paths(files);
    REQUIRE(paths.size() == 3);
    for (const std::string& path : paths) contents.push_back(files.contents(path).value());
  }

  std::size_t newest() const { return paths.size() - 1; }
  SegmentHeader header(std::size_t index) const { return parse_header(contents[index], "").value(); }
  /// Behind the last byte that means something, the seal included.
  std::size_t used(std::size_t index) const { return contents[index].find_last_not_of('\0') + 1; }

  void restore() {
    files.kill_process();
    for (const std::string& path : segment_paths(files)) REQUIRE(files.remove(path));
    for (std::size_t i = 0; i < paths.size(); ++i) REQUIRE(files.set_contents(paths[i], contents[i]));
  }

  /// Recovers and reads everything with segment `index` replaced; the others are as they were.
  void check_with(std::size_t index, const Bytes& bytes) {
    restore();
    REQUIRE(files.set_contents(paths[index], bytes));
    check();
  }

  /// Recovers what is there now and reads everything.
  void check() {
    AllocationGuard guard;
    const Bytes newest_bytes = files.contents(paths.back()).value();
    LogUnderTest log(files);
    if (auto done = log.recover_only(); !done) return check_refusal(done.error());
    (void)commits_in(written, log.digest);
    check_end(log, newest_bytes.find_first_not_of('\0', log.log().segments.back().end) == Bytes::npos);
    check_reads(log);
  }

  /// The log is refused as a whole: why, and which offsets are concerned.
  void check_refusal(const Error& error) {
    CAPTURE(error.text);
    CHECK(error.code == ErrorCode::corrupt);
    const bool names_offsets = lost_range(error.text).has_value() ||
                               error.text.find("no events are lost") != std::string::npos ||
                               error.text.find("whole state") != std::string::npos ||
                               error.text.find("does not belong") != std::string::npos ||
                               error.text.find("does not continue") != std::string::npos ||
                               error.text.find("two segments with serial") != std::string::npos;
    CHECK(names_offsets);
  }

  /// The log may end earlier than it did only in its last batch, and then it says where, unless what should follow
  /// is nothing but zeros (FORMAT.md, "Downsides": as if the batch had never been written).
  void check_end(LogUnderTest& log, bool zeros_follow) {
    if (log.log().next_offset == written.durable_end) return;
    CHECK(log.log().next_offset >= last_batch_offset);
    if (zeros_follow) return;
    const std::string said = "offset " + std::to_string(log.log().next_offset);
    bool told = false;
    for (const std::string& note : log.log().notes) told = told || note.find(said) != std::string::npos;
    CHECK(told);
  }

  void check_reads(LogUnderTest& log) {
    auto all = log.read_all(0, 1'000);
    if (all) {
      check_events(written, 0, *all);
      CHECK(all->back().first + all->back().second.count == log.log().next_offset);
      return;
    }
    CAPTURE(all.error().text);
    CHECK(all.error().code == ErrorCode::corrupt);
    const auto lost = lost_range(all.error().text);
    REQUIRE(lost);
    CHECK(lost->end - lost->begin <= 2);  // one record's events, and not more
  }
};

}  // namespace

TEST_CASE("bitflip_every_bit_small_log: an error with its offsets, or all that was acknowledged") {
  SmallLog log;
  for (std::size_t index = 0; index < log.paths.size(); ++index) {
    // Of the zeros behind the end a few are enough.
    const auto end = std::min(log.used(index) + 64, log.contents[index].size());
    for (std::size_t bit = 0; bit < end * 8; ++bit) {
      Bytes bytes = log.contents[index];
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      CAPTURE(index, bit);
      log.check_with(index, bytes);
    }
  }
}

TEST_CASE("bitflip_on_read: a bit that is wrong in one read is an error or does nothing, and harms nothing") {
  SmallLog log;
  log.restore();
  const auto before = log.files.reads();
  {
    LogUnderTest whole(log.files);
    REQUIRE(whole.recover_only());
    REQUIRE(whole.read_all(0, 1'000));
  }
  const auto reads = log.files.reads() - before;
  for (std::uint64_t read = 1; read <= reads; ++read) {
    for (std::uint64_t bit = 0; bit < 5'000 * 8; bit += bit < 2'000 * 8 ? 3 : 31) {
      CAPTURE(read, bit);
      log.restore();
      log.files.flip_bit_at_read(log.files.reads() + read, bit);
      {
        LogUnderTest next(log.files);
        if (next.recover_only()) {
          CHECK(next.digest == log.written.digest);
          auto all = next.read_all(0, 1'000);
          if (all) check_events(log.written, 0, *all);
          if (all) CHECK(all->size() == log.written.written.size());
        }
      }
      log.files.kill_process();
      LogUnderTest again(log.files);
      REQUIRE(again.recover_only());
      CHECK(again.digest == log.written.digest);
      CHECK(again.read_all(0, 1'000).value() == log.written.written);
    }
  }
}

TEST_CASE("bitflip_in_cache: what only memory has wrong is not taken for what the disk has") {
  SmallLog log;
  const std::string& newest = log.paths[log.newest()];
  for (std::size_t bit = 0; bit < log.used(log.newest()) * 8; bit += 7) {
    CAPTURE(bit);
    log.restore();
    log.files.flip_cached_bit(newest, bit);
    LogUnderTest next(log.files);
    if (!next.recover_only()) continue;  // the header, which is read before
    CHECK(next.digest == log.written.digest);
    CHECK(next.log().next_offset == log.written.durable_end);
  }
}

TEST_CASE("truncate_every_length, truncate_at_record_boundary_detected: the loss is told, with its offsets") {
  SmallLog log;
  for (std::size_t index = 0; index < log.paths.size(); ++index) {
    const std::uint64_t end = index == log.newest() ? log.contents[index].size() : log.header(index + 1).previous_end;
    for (std::size_t length = 0; length < end; ++length) {
      CAPTURE(index, length);
      log.restore();
      REQUIRE(log.files.set_contents(log.paths[index], log.contents[index].substr(0, length)));
      const std::string before = log.files.contents(log.paths[index]).value();
      LogUnderTest next(log.files);
      const auto done = next.recover_only();
      REQUIRE_FALSE(done);
      CAPTURE(done.error().text);
      CHECK(done.error().code == ErrorCode::corrupt);
      const bool only_settles = done.error().text.find("no events are lost") != std::string::npos;
      CHECK((lost_range(done.error().text) || only_settles));
      CHECK(log.files.contents(log.paths[index]).value() == before);
    }
  }
}

TEST_CASE("truncate_at_record_boundary_detected: the range begins behind the last whole commit that is left") {
  SmallLog log;
  const SegmentHeader header = log.header(log.newest());
  const Bytes& whole = log.contents[log.newest()];
  std::uint64_t next_offset = header.first_offset;
  for (std::uint64_t at = header.head_end; at < log.used(log.newest());) {
    const ParsedRecord parsed = parse_record(BytesView(whole).substr(at), whole.size() - at, {header.salt(), at});
    REQUIRE(parsed.found == ParsedRecord::Found::record);
    at += parsed.size;
    if (parsed.record.last_of_commit) next_offset = parsed.record.next_offset();
    CAPTURE(at);
    log.restore();
    REQUIRE(log.files.set_contents(log.paths.back(), whole.substr(0, at)));
    LogUnderTest next(log.files);
    const auto done = next.recover_only();
    REQUIRE_FALSE(done);
    const auto lost = lost_range(done.error().text);
    REQUIRE(lost);
    CHECK(lost->begin == next_offset);
  }
}

TEST_CASE("truncate_every_length: a loss that is accepted is told once, and the log goes on as another") {
  SmallLog log;
  const std::uint64_t head_end = log.header(log.newest()).head_end;
  for (std::uint64_t length = head_end; length < log.used(log.newest()); length += 13) {
    CAPTURE(length);
    log.restore();
    REQUIRE(log.files.set_contents(log.paths.back(), log.contents.back().substr(0, length)));
    LogUnderTest next(log.files);
    next.loss = Loss::accept;
    REQUIRE(next.open());
    (void)commits_in(log.written, next.digest);
    CHECK(next.log().restored);
    CHECK(next.log().incarnation > 1);
    REQUIRE(next.log().losses.size() == 1);
    CHECK(next.log().losses[0].from_offset == next.log().next_offset);
    auto all = next.read_all(0, 1'000);
    REQUIRE(all);
    check_events(log.written, 0, *all);
    REQUIRE(next.commit({events("after", "the loss")}));
    next.loss = Loss::refuse;
    REQUIRE(next.open());
    CHECK(next.log().losses.empty());
  }
}

TEST_CASE("zero_tail_vs_corrupt_tail: a torn tail at every byte loses the last batch and nothing else") {
  SmallLog log;
  const Bytes& whole = log.contents[log.newest()];
  const auto batch = whole.find("one batch,") - 1 - record_header_bytes;
  const auto end = whole.find("two commits") + std::string_view("two commits").size();
  for (const char filling : {'\0', '\xff', 'z'}) {
    for (std::size_t length = batch; length < end; ++length) {
      CAPTURE(length, static_cast<int>(filling));
      Bytes bytes = whole.substr(0, length);
      bytes.resize(end, filling);
      bytes.resize(whole.size(), '\0');
      log.check_with(log.newest(), bytes);
      log.files.kill_process();
      LogUnderTest again(log.files);
      REQUIRE(again.recover_only());
      const std::size_t lost = log.written.boundaries.size() - commits_in(log.written, again.digest);
      CHECK(lost >= 1);
      CHECK(lost <= 2);
    }
  }
}

TEST_CASE("corrupt_middle_quarantined: each record that is zeroed or overwritten is told, and the others read") {
  SmallLog log;
  for (std::size_t index = 0; index < log.paths.size(); ++index) {
    const SegmentHeader header = log.header(index);
    const std::uint64_t end = index == log.newest() ? log.used(index) : log.header(index + 1).previous_end;
    for (std::uint64_t at = header.head_end; at < end;) {
      const BytesView behind = BytesView(log.contents[index]).substr(at);
      const ParsedRecord parsed = parse_record(behind, behind.size(), {header.salt(), at});
      REQUIRE(parsed.found == ParsedRecord::Found::record);
      for (const char filling : {'\0', 'z'}) {
        CAPTURE(index, at, static_cast<int>(filling));
        Bytes bytes = log.contents[index];
        bytes.replace(at, parsed.size, parsed.size, filling);
        log.check_with(index, bytes);
      }
      at += parsed.size;
    }
  }
}

TEST_CASE("giant_length_field_no_alloc: no length in any record, and no size in any header, is believed") {
  SmallLog log;
  for (std::size_t index = 0; index < log.paths.size(); ++index) {
    const SegmentHeader header = log.header(index);
    const std::uint64_t end = index == log.newest() ? log.used(index) : log.header(index + 1).previous_end;
    for (std::uint64_t at = segment_header_bytes; at < end;) {
      const BytesView behind = BytesView(log.contents[index]).substr(at);
      const ParsedRecord parsed = parse_record(behind, behind.size(), {header.salt(), at});
      REQUIRE(parsed.found == ParsedRecord::Found::record);
      for (const std::uint32_t length : {0xffffffffu, 0x7fffffffu, 0x40000000u, 0xfffffff8u, 39u, 1u}) {
        CAPTURE(index, at, length);
        Bytes bytes = log.contents[index];
        store(&bytes[at + 8], length);
        log.check_with(index, bytes);
      }
      at += parsed.size;
    }
    // With a right checksum: a header that lies about where things are.
    for (const std::uint64_t lie :
         {std::uint64_t{1} << 62, std::uint64_t{1} << 40, std::uint64_t{0}, ~std::uint64_t{0}}) {
      for (const int field : {0, 1, 2}) {
        CAPTURE(index, lie, field);
        SegmentHeader lying = header;
        if (field == 0) lying.head_end = lie;
        if (field == 1) lying.previous_end = lie;
        if (field == 2) lying.file_bytes = lie;
        Bytes bytes = log.contents[index];
        bytes.replace(0, segment_header_bytes, encode_header(lying));
        log.restore();
        REQUIRE(log.files.set_contents(log.paths[index], bytes));
        AllocationGuard guard;
        LogUnderTest next(log.files);
        if (next.recover_only()) (void)next.read_all(next.log().first_offset, 1'000);
      }
    }
  }
}

TEST_CASE("deleted_or_swapped_segment: the offsets that are missing are named exactly") {
  SmallLog log;
  log.restore();
  auto refused = [&] {
    LogUnderTest next(log.files);
    const auto done = next.recover_only();
    REQUIRE_FALSE(done);
    CHECK(done.error().code == ErrorCode::corrupt);
    return done.error().text;
  };

  SECTION("one in the middle is deleted") {
    REQUIRE(log.files.remove(log.paths[1]));
    const auto lost = lost_range(refused());
    REQUIRE(lost);
    CHECK(lost->begin == log.header(1).first_offset);
    CHECK(lost->end == log.header(2).first_offset);
  }
  SECTION("the newest is deleted") {
    REQUIRE(log.files.remove(log.paths[2]));
    const auto lost = lost_range(refused());
    REQUIRE(lost);
    CHECK(lost->begin == log.header(2).first_offset);
    CHECK(lost->end == ~std::uint64_t{0});
  }
  SECTION("the two newest are deleted") {
    REQUIRE(log.files.remove(log.paths[1]));
    REQUIRE(log.files.remove(log.paths[2]));
    const auto lost = lost_range(refused());
    REQUIRE(lost);
    CHECK(lost->begin == log.header(1).first_offset);
  }
  SECTION("two are swapped") {
    REQUIRE(log.files.set_contents(log.paths[0], log.contents[1]));
    REQUIRE(log.files.set_contents(log.paths[1], log.contents[0]));
    CHECK(refused().find("swapped") != std::string::npos);
  }
  SECTION("one is there twice, under another name") {
    REQUIRE(
        log.files.set_contents(test_directory + "/" + segment_name(log.header(1).first_offset, 7), log.contents[1]));
    CHECK(refused().find("swapped or renamed") != std::string::npos);
  }
  SECTION("one of another spool stands in its place") {
    SegmentHeader foreign = log.header(1);
    foreign.spool_id = "ffffffffffffffff";
    Bytes bytes = log.contents[1];
    bytes.replace(0, segment_header_bytes, encode_header(foreign));
    REQUIRE(log.files.set_contents(log.paths[1], bytes));
    CHECK(refused().find("two spools") != std::string::npos);
  }
  SECTION("a stale one of an earlier time of this spool is added") {
    SegmentHeader stale = log.header(2);
    stale.serial = 4;
    stale.first_offset = log.header(1).first_offset;
    Bytes bytes = log.contents[2];
    bytes.replace(0, segment_header_bytes, encode_header(stale));
    REQUIRE(log.files.set_contents(test_directory + "/" + segment_name(stale.first_offset, 4), bytes));
    CHECK(refused().find("does not continue") != std::string::npos);
  }
  SECTION("the oldest is deleted: it may have been trimmed") {
    REQUIRE(log.files.remove(log.paths[0]));
    LogUnderTest next(log.files);
    REQUIRE(next.recover_only());
    CHECK(next.digest == log.written.digest);
    CHECK(next.log().first_offset == log.header(1).first_offset);
  }
  for (const std::string& path : segment_paths(log.files)) CHECK(log.files.contents(path));  // nothing was removed
}

namespace {

/// Wherever one looks into this body, a record seems to begin, with a length up to the end of the body. What a
/// publisher can know of the log is right.
std::string body_of_headers(std::size_t bytes, std::uint64_t position, std::uint64_t offset, WallNs time_ns) {
  std::string body(bytes, '\0');
  for (std::size_t at = 0; at + record_header_bytes <= bytes; at += record_header_bytes) {
    const auto length = static_cast<std::uint32_t>((bytes - at) / 2);
    store(&body[at + 8], length);
    store(&body[at + 12], static_cast<std::uint8_t>(Kind::events));
    store(&body[at + 16], std::uint32_t{1});
    store(&body[at + 20], static_cast<std::uint32_t>(position));
    store(&body[at + 24], offset);
    store(&body[at + 32], time_ns);
  }
  return body;
}

}  // namespace

TEST_CASE("an event made of record headers is not checksummed again and again when it is torn, nor believed") {
  constexpr std::size_t body_bytes = 2u << 20;
  MemoryFiles files;
  LogUnderTest log(files, 8u << 20);
  REQUIRE(log.open());
  REQUIRE(log.commit({events("a", "acknowledged")}));
  const std::string path = segment_paths(files).back();
  const SegmentHeader header = parse_header(files.contents(path).value(), path).value();
  auto file = files.open(path, OpenMode::read);
  REQUIRE(file);
  const LogEnd before = find_log_end(**file, header).value();
  const std::uint64_t body_at = before.position + record_header_bytes + 8;  // the topic has 8 bytes
  // Headers that say they came after what was durable, or before.
  const bool proving = GENERATE(true, false);
  const std::uint64_t synced = proving ? body_at : before.position;
  CAPTURE(proving);
  const std::string body = body_of_headers(body_bytes, synced, before.next_offset, before.time_ns);
  REQUIRE(log.commit({events("aaaaaaaa", body)}));
  log.close();
  Bytes bytes = files.contents(path).value();
  bytes[bytes.find("aaaaaaaa")] = '!';
  REQUIRE(files.set_contents(path, bytes));

  file = files.open(path, OpenMode::read);
  REQUIRE(file);
  SegmentScan scan(**file, header, before.position, bytes.size());
  REQUIRE_FALSE(scan.next().value());
  const std::uint64_t reads = files.reads();
  REQUIRE_FALSE(scan.find_behind(false).value());
  CHECK(scan.passed_over());
  CHECK(scan.searched_bytes() <= 2 * search_checksummed_bytes_per_byte * bytes.size());
  CHECK(files.reads() - reads <= 2 * search_checksummed_bytes_per_byte * bytes.size() / scan_bytes);

  const LogEnd end = find_log_end(**file, header).value();
  CHECK(end.torn);
  CHECK(end.position == before.position);
  CHECK(end.damage.has_value() == proving);  // whether it was durable once is open: never cut off in silence
}

TEST_CASE("a record behind an event made of record headers is found") {
  MemoryFiles files;
  LogUnderTest log(files, 8u << 20);
  REQUIRE(log.open());
  const std::string path = segment_paths(files).back();
  const SegmentHeader header = parse_header(files.contents(path).value(), path).value();
  const std::string body = body_of_headers(2u << 20, header.head_end, header.first_offset, header.created_ns);
  REQUIRE(log.commit({events("aaaaaaaa", body)}));
  REQUIRE(log.commit({events("a", std::string(5'000, 'x'))}));
  REQUIRE(log.commit({events("a", std::string(50, 'x'))}));
  log.close();
  Bytes bytes = files.contents(path).value();
  bytes[bytes.find("aaaaaaaa")] = '!';
  REQUIRE(files.set_contents(path, bytes));
  auto file = files.open(path, OpenMode::read);
  REQUIRE(file);
  SegmentScan scan(**file, header, header.head_end, bytes.size());
  const auto found = scan.find_behind(false).value();
  REQUIRE(found);
  CHECK(found->offset <= 2);  // the large one may have been passed over
  const LogEnd end = find_log_end(**file, header).value();
  REQUIRE(end.damage);
  CHECK(end.damage->to_offset == 3);
}
