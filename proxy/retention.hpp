#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::proxy {

/// How long events are kept that no group needs (what a group needs stays), and what goes when the disk is full.
struct RetentionRules {
  /// Zero: no longer than groups need them.
  Duration keep_for = std::chrono::hours(7 * 24);
  /// Of the whole log on disk; 0: no limit.
  std::uint64_t keep_bytes = 0;
  /// On a full disk the oldest segment goes even if groups need it; otherwise publishers are halted.
  bool drop_oldest = false;
};

/// The log's segments as they stand on the disk, and which of them may go. Pure: it knows neither groups nor files,
/// so the broker asks of each segment, oldest first, whether it is due, and then whether anybody needs it. One
/// thread.
class Retention {
 public:
  struct Kept {
    std::string name;
    /// Its events: [first_offset, end_offset). The newest segment has no end yet.
    std::uint64_t first_offset = 0;
    std::uint64_t end_offset = ~std::uint64_t{0};
    std::uint64_t bytes = 0;
    /// When the newest of its records was written; a segment that this process has not written counts as written to
    /// until the next one was made.
    WallNs newest_ns = 0;
  };
  enum class Why : std::uint8_t { age, bytes, full_disk };

  explicit Retention(RetentionRules rules) : rules_(rules) {}

  /// What recovery found, oldest first; the newest record in it is of `last_time_ns`. roll() follows.
  void recovered(const std::vector<spool::Segment>& segments, WallNs last_time_ns);
  /// A segment begins; the one before it ends with a record of `last_time_ns`.
  void roll(const spool::SegmentHeader& next, WallNs last_time_ns);
  /// The `count` oldest are gone.
  void removed(std::size_t count);

  std::size_t size() const { return kept_.size(); }
  const Kept& operator[](std::size_t i) const { return kept_[i]; }
  const RetentionRules& rules() const { return rules_; }

  /// Why segment `i` should go when all before it go: too old, too much, or the disk lacks `missing_bytes`. Nothing
  /// when it should stay; the two newest always do, for should the newest state be damaged the one before serves.
  std::optional<Why> due(std::size_t i, WallNs now_ns, std::uint64_t missing_bytes) const;
  /// Bytes from segment `i` on; the newest counts as it was when it began.
  std::uint64_t bytes_from(std::size_t i) const;
  /// The same of all segments from the one that holds `offset` on.
  std::uint64_t bytes_from_offset(std::uint64_t offset) const;
  /// Segments end so that their events can grow old. When the newest, whose first event is of `first_event_ns` (0: it
  /// has none), is to be ended for that.
  std::optional<WallNs> ends_at(WallNs first_event_ns) const;

 private:
  RetentionRules rules_;
  std::deque<Kept> kept_;
};

/// The newest segments that always stay.
inline constexpr std::size_t segments_kept_min = 2;
/// A segment holds events of at most this part of keep_for, so that they are kept that much longer at most.
inline constexpr int segments_per_keep_for = 4;
inline constexpr Duration segment_age_min = std::chrono::seconds(10);

}  // namespace spindle::proxy
