#pragma once

#include <catch2/catch.hpp>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "spindle/base/checksum.hpp"
#include "spindle/base/files.hpp"
#include "spindle/spool/reader.hpp"
#include "spindle/spool/recovery.hpp"
#include "spindle/spool/writer.hpp"

namespace spindle::spool {

inline const std::string test_spool_id = "0123456789abcdef";
inline const std::string test_directory = "spool";

/// What a log's owner keeps in memory, here a digest of every record so far: the state at a segment's head and the
/// records behind it must give the same as all records.
struct Digest {
  std::uint64_t records = 0;
  std::uint64_t hash = 0;

  bool operator==(const Digest&) const = default;

  void apply(const Record& record) {
    Bytes bytes = std::to_string(hash) + "," + std::to_string(static_cast<int>(record.kind)) + "," +
                  std::to_string(record.offset) + "," + std::to_string(record.count) + ",";
    bytes.append(record.topic).append(",").append(record.body);
    hash = checksum(bytes);
    ++records;
  }

  /// Padded, so that heads of segments are of some size too.
  Bytes encode() const {
    Bytes state(200, 's');
    std::memcpy(state.data(), this, sizeof *this);
    return state;
  }

  static Digest decode(BytesView state) {
    Digest digest;
    REQUIRE(state.size() >= sizeof digest);
    std::memcpy(&digest, state.data(), sizeof digest);
    return digest;
  }
};

struct TestRecord {
  Kind kind = Kind::events;
  std::string topic;
  std::string body;
  std::uint32_t count = 0;
};
using TestCommit = std::vector<TestRecord>;

inline TestRecord events(std::string topic, std::string body, std::uint32_t count = 1) {
  return {Kind::events, std::move(topic), std::move(body), count};
}

/// A commit of one to four records, mostly events.
inline TestCommit random_commit(std::mt19937_64& random, std::size_t body_bytes_max) {
  TestCommit commit;
  const auto records = 1 + random() % 4;
  for (std::uint64_t i = 0; i < records; ++i) {
    std::string body(random() % body_bytes_max, static_cast<char>(random()));
    if (random() % 4 == 0) {
      commit.push_back({Kind::settle, "", std::move(body), 0});
    } else {
      commit.push_back(events("topic." + std::to_string(random() % 5), std::move(body),
                              static_cast<std::uint32_t>(1 + random() % 3)));
    }
  }
  return commit;
}

/// A log and what must be in it. Each commit is a batch of its own unless `decide` is used.
class LogUnderTest {
 public:
  explicit LogUnderTest(Files& files, std::uint64_t segment_bytes = segment_bytes_min)
      : files_(files), segment_bytes_(segment_bytes) {}

  /// Recovers, then rolls into a new segment as an owner must.
  Result<void> open() {
    if (auto done = recover_only(); !done) return done;
    log_->appender.roll(digest.encode(), ++time);
    return write();
  }

  Result<void> recover_only() {
    close();
    digest = {};
    auto recovered = recover(
        files_, test_directory, test_spool_id,
        [this](const Record& record) -> Result<void> {
          if (record.kind == Kind::state) {
            digest = Digest::decode(record.body);
          } else {
            digest.apply(record);
          }
          return {};
        },
        segment_bytes_, loss, wall_ns, chance);
    if (!recovered) return fail(std::move(recovered.error()));
    log_.emplace(std::move(*recovered));
    writer_.emplace(files_, test_directory);
    reader_.emplace(files_, test_directory, log_->segments, tail_cache_bytes, topic_cache_bytes);
    return {};
  }

  void close() {
    reader_.reset();
    writer_.reset();
    log_.reset();
  }

  /// Puts the commit into the batch. `boundaries` gets what the log amounts to behind it.
  void decide(const TestCommit& commit) {
    Appender& appender = log_->appender;
    std::uint64_t bytes = 0;
    for (const TestRecord& record : commit) bytes += record_bytes(record.topic.size(), record.body.size());
    if (!appender.fits(bytes)) appender.roll(digest.encode(), ++time);
    appender.begin(++time);
    for (const TestRecord& record : commit) {
      const auto offset = appender.append(record.kind, record.topic, record.body, record.count);
      digest.apply(
          {.kind = record.kind, .offset = offset, .count = record.count, .topic = record.topic, .body = record.body});
      if (record.count > 0) written.push_back({offset, record});
    }
    appender.finish();
    boundaries.push_back(digest);
  }

  Result<void> write() {
    auto batch = log_->appender.take_batch();
    if (!batch) return {};
    auto done = writer_->write(*batch);
    if (done) {
      reader_->note_durable(batch);
      durable_commits = boundaries.size();
      durable_end = batch->next_offset;
      durable_trimmed_to = trimmed_to;
    }
    return done;
  }

  /// Has the batch delete the `count` oldest of these segments (all there are, in order).
  void trim(std::vector<std::string> names, std::size_t count) {
    trimmed_to = parse_segment_name(names.at(count))->first_offset;
    names.resize(count);
    log_->appender.remove(std::move(names), trimmed_to);
  }
  void trim(std::size_t count) { trim(files_.list(test_directory).value(), count); }

  Result<void> commit(const TestCommit& commit) {
    decide(commit);
    return write();
  }

  /// All events from `from` on, read in blocks of `bytes_max`.
  Result<std::vector<std::pair<std::uint64_t, TestRecord>>> read_all(std::uint64_t from, std::size_t bytes_max) {
    std::vector<std::pair<std::uint64_t, TestRecord>> all;
    while (from < reader_->next_offset()) {
      auto block = reader_->read(from, bytes_max, ~std::uint64_t{0});
      if (!block) return fail(std::move(block.error()));
      REQUIRE_FALSE(block->records.empty());
      for (const Record& record : block->records) {
        all.push_back({record.offset, events(std::string(record.topic), std::string(record.body), record.count)});
      }
      REQUIRE(block->next_offset > from);
      from = block->next_offset;
    }
    return all;
  }

  /// The events of wanted topics from `from` on, read in blocks of `bytes_max`.
  Result<std::vector<std::pair<std::uint64_t, TestRecord>>> read_wanted(const TopicFilter& filter, std::uint64_t from,
                                                                        std::size_t bytes_max) {
    std::vector<std::pair<std::uint64_t, TestRecord>> all;
    while (from < reader_->next_offset()) {
      auto block = reader_->read(from, bytes_max, ~std::uint64_t{0}, filter);
      if (!block) return fail(std::move(block.error()));
      std::uint64_t at = from;
      bytes_read += block->bytes_read;
      REQUIRE(block->next_offset > from);
      for (const Record& record : block->records) {
        const bool in_order = record.next_offset() > at && (at == from || record.offset >= at);
        REQUIRE(in_order);
        at = record.next_offset();
        if (!filter.wants(record.topic)) continue;
        all.push_back({record.offset, events(std::string(record.topic), std::string(record.body), record.count)});
      }
      REQUIRE(block->next_offset >= at);
      from = block->next_offset;
    }
    REQUIRE(from == reader_->next_offset());
    return all;
  }

  /// Those of `written` that it should give.
  std::vector<std::pair<std::uint64_t, TestRecord>> wanted(const TopicFilter& filter, std::uint64_t from) const {
    std::vector<std::pair<std::uint64_t, TestRecord>> all;
    for (const auto& one : written) {
      if (one.first + one.second.count > from && filter.wants(one.second.topic)) all.push_back(one);
    }
    return all;
  }

  /// How many segments there are, those of this batch not counted.
  std::size_t segments() { return files_.list(test_directory).value().size(); }

  bool is_open() const { return log_.has_value(); }
  RecoveredLog& log() { return *log_; }
  Writer& writer() { return *writer_; }
  Reader& reader() { return *reader_; }

  Digest digest;
  std::vector<Digest> boundaries;
  std::size_t durable_commits = 0;
  std::vector<std::pair<std::uint64_t, TestRecord>> written;
  WallNs time = 1'000;
  std::size_t tail_cache_bytes = 0;
  std::size_t topic_cache_bytes = topic_cache_bytes_default;
  /// By read_wanted, from the disk.
  std::size_t bytes_read = 0;
  /// What was acknowledged: offsets before the one, and the trim to the other.
  std::uint64_t durable_end = 0;
  std::uint64_t trimmed_to = 0;
  std::uint64_t durable_trimmed_to = 0;
  /// For recovery.
  Loss loss = Loss::refuse;
  WallNs wall_ns = 0;
  std::uint16_t chance = 0;

 private:
  Files& files_;
  std::uint64_t segment_bytes_;
  std::optional<RecoveredLog> log_;
  std::optional<Writer> writer_;
  std::optional<Reader> reader_;
};

/// A filter for the topic, or for all that begin like it.
inline TopicFilter only(const std::string& topic, std::uint64_t id = 1) {
  return {id, [topic](BytesView one) { return one.starts_with(topic); }};
}

inline bool operator==(const TestRecord& a, const TestRecord& b) {
  return a.kind == b.kind && a.topic == b.topic && a.body == b.body && a.count == b.count;
}

/// The paths of the log's segments, oldest first.
inline std::vector<std::string> segment_paths(Files& files) {
  std::vector<std::string> paths;
  const std::vector<std::string> names = files.list(test_directory).value();
  for (const std::string& name : names) paths.push_back(test_directory + "/" + name);
  return paths;
}

}  // namespace spindle::spool
