#include "proxy/retention.hpp"

#include <algorithm>

namespace spindle::proxy {

void Retention::recovered(const std::vector<spool::Segment>& segments, WallNs last_time_ns) {
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool newest = i + 1 == segments.size();
    Kept& kept = kept_.emplace_back();
    kept.name = segments[i].name();
    kept.first_offset = segments[i].header.first_offset;
    kept.end_offset = newest ? segments[i].next_offset : segments[i + 1].header.first_offset;
    kept.bytes = segments[i].end;
    kept.newest_ns = newest ? last_time_ns : segments[i + 1].header.created_ns;
  }
}

void Retention::roll(const spool::SegmentHeader& next, WallNs last_time_ns) {
  if (!kept_.empty()) {
    kept_.back().end_offset = next.first_offset;
    kept_.back().bytes = next.previous_end;
    kept_.back().newest_ns = last_time_ns;
  }
  Kept& kept = kept_.emplace_back();
  kept.name = spool::segment_name(next.first_offset, next.serial);
  kept.first_offset = next.first_offset;
  kept.bytes = next.head_end;
}

void Retention::removed(std::size_t count) {
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(count));
}

std::optional<Retention::Why> Retention::due(std::size_t i, WallNs now_ns, std::uint64_t missing_bytes) const {
  if (i + segments_kept_min >= kept_.size()) return std::nullopt;
  if (now_ns - kept_[i].newest_ns >= rules_.keep_for.count()) return Why::age;
  if (rules_.keep_bytes > 0 && bytes_from(i) > rules_.keep_bytes) return Why::bytes;
  if (bytes_from(0) - bytes_from(i) < missing_bytes) return Why::full_disk;
  return std::nullopt;
}

std::uint64_t Retention::bytes_from(std::size_t i) const {
  std::uint64_t bytes = 0;
  for (; i < kept_.size(); ++i) bytes += kept_[i].bytes;
  return bytes;
}

std::uint64_t Retention::bytes_from_offset(std::uint64_t offset) const {
  auto behind = [offset](const Kept& kept) { return kept.end_offset <= offset; };
  auto first = std::partition_point(kept_.begin(), kept_.end(), behind);
  return bytes_from(static_cast<std::size_t>(first - kept_.begin()));
}

std::optional<WallNs> Retention::ends_at(WallNs first_event_ns) const {
  if (rules_.keep_for <= Duration::zero()) return std::nullopt;
  if (first_event_ns > 0) {
    return first_event_ns + std::max<Duration>(rules_.keep_for / segments_per_keep_for, segment_age_min).count();
  }
  // An empty one ends so that the one before it, which has events, is no longer one of the two newest.
  if (kept_.size() < segments_kept_min) return std::nullopt;
  const Kept& before = kept_[kept_.size() - 2];
  if (before.first_offset == before.end_offset) return std::nullopt;
  return before.newest_ns + std::max<Duration>(rules_.keep_for, segment_age_min).count();
}

}  // namespace spindle::proxy
