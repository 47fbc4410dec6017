#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/spool/topic_filter.hpp"

namespace spindle::spool {

/// Where the events of each topic stand in a part of one segment: the positions of their records. One that would take
/// more than topic_index_bytes_max of memory gives up: it is empty from then on, and says so.
class TopicIndex {
 public:
  /// A record of events; positions ascend from call to call.
  void add(BytesView topic, std::uint64_t position);
  /// What stands behind all that is here.
  void add(const TopicIndex& behind);

  /// Records of events that it knows of.
  std::uint64_t records() const { return records_; }
  bool gave_up() const { return gave_up_; }
  /// What it takes in memory, roughly.
  std::size_t memory_bytes() const { return memory_bytes_; }

  /// As FORMAT.md has it, "Topic index"; not when it gave up.
  Bytes encode() const;
  /// Nothing when these are no index of a segment whose records stand in [from, to).
  static std::optional<TopicIndex> decode(BytesView bytes, std::uint64_t from, std::uint64_t to);

 private:
  struct Topic {
    Bytes name;
    std::uint64_t records = 0;
    std::uint64_t last = 0;  // position
    Bytes steps;             // encoded, from position to position
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Topic& topic(BytesView name);
  void count(std::size_t bytes);
  friend struct Selection;

  std::vector<Topic> topics_;  // by their first record
  /// Only when there are many.
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> places_;
  std::size_t newest_ = 0;
  std::uint64_t records_ = 0;
  std::size_t memory_bytes_ = 0;
  bool gave_up_ = false;
};

/// The records that a filter wants of those in an index.
struct Selection {
  /// So many that all are read, instead of passing over the rest; then there are no positions.
  bool most = false;
  /// Ascending. A position has 32 bits (limits.hpp).
  std::vector<std::uint32_t> positions;

  static Selection of(const TopicIndex& index, const TopicFilter& filter);
};

}  // namespace spindle::spool
