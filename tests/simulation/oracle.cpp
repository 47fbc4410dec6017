#include "oracle.hpp"

#include <algorithm>
#include <functional>

#include "broken.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::simulation {
namespace {

std::size_t checksum(const spool::Record& record) {
  const std::hash<std::string_view> hash;
  return hash(record.body) * 31 + hash(record.topic) * 7 + record.offset * 1'000'003 +
         static_cast<std::size_t>(record.time_ns) + static_cast<std::size_t>(record.kind);
}

}  // namespace

std::uint64_t Oracle::new_event(Event event) {
  events_.push_back(std::move(event));
  return events_.size() - 1;
}

void Oracle::asked(Commit commit) {
  const auto name = std::pair(commit.life, commit.number);
  commits_.insert_or_assign(name, std::move(commit));
}

void Oracle::see_batch(std::shared_ptr<const spool::Batch> batch) {
  pending_.emplace();
  for (const spool::Step& step : batch->steps) {
    if (const auto* append = std::get_if<spool::AppendStep>(&step)) {
      for (BytesView bytes = append->bytes; !bytes.empty();) {
        const spool::ParsedRecord parsed = spool::view_record(bytes);
        pending_->items.push_back({parsed.record, 0, nowhere});
        bytes.remove_prefix(parsed.size);
      }
    } else if (const auto* segment = std::get_if<spool::NewSegmentStep>(&step)) {
      pending_->items.push_back({std::nullopt, segment->header.serial, nowhere});
    } else {
      pending_->items.push_back({std::nullopt, 0, std::get<spool::RemoveStep>(step).first_offset});
    }
  }
  pending_->batch = std::move(batch);
}

void Oracle::see_durable(Now now) {
  for (const Pending::Item& item : pending_->items) {
    if (item.record) truth_.records.push_back(checksum(*item.record));
    apply(item, now);
  }
  pending_.reset();
}

void Oracle::begin_recovery() {
  recovered_.clear();
  restored_ = false;
}

void Oracle::see_recovered(const spool::Record& record) {
  if (record.kind == spool::Kind::state) {
    recovered_.clear();
  } else if (record.kind != spool::Kind::seal) {
    recovered_.push_back(checksum(record));
  }
}

/// What was durable is there, in its order; of the batch that was under way when the proxy died, whole commits may be
/// there, without gaps.
void Oracle::end_recovery(const spool::RecoveredLog& log) {
  const std::uint64_t serial = log.segments.empty() ? 0 : log.segments.back().header.serial;
  if (serial < truth_.serial) broken("the newest segment is gone");
  if (serial != 0 && serial == damaged_) {
    const auto& before = truth_.records_before;
    if (recovered_.size() < before.size() || !std::equal(before.begin(), before.end(), recovered_.begin())) {
      broken("the records of the segment before are others when the newest state is damaged");
    }
    recovered_.erase(recovered_.begin(), recovered_.begin() + static_cast<std::ptrdiff_t>(before.size()));
  }
  apply_survivors(serial, recovered_.size());
  pending_.reset();
  for (std::size_t i = 0; i < truth_.records.size(); ++i) {
    if (truth_.records[i] != recovered_[i]) broken("a record of the log is another one after the restart");
  }
  if (!commit_.empty()) broken("half of a commit is visible after the restart");
  if (log.next_offset != truth_.next_offset()) {
    broken("the log ends at " + std::to_string(log.next_offset) + " after the restart, not at " +
           std::to_string(truth_.next_offset()));
  }
  if (log.first_offset != truth_.first_offset) trim(log.first_offset);
  restored_ = log.restored;
  ever_restored_ = ever_restored_ || restored_;
}

void Oracle::apply_survivors(std::uint64_t serial, std::size_t records) {
  static const std::vector<Pending::Item> none;
  for (const Pending::Item& item : pending_ ? pending_->items : none) {
    const bool reached = truth_.serial == serial;
    if (item.first_offset != nowhere) continue;  // recovery says what is kept
    if (reached && (item.serial != 0 || truth_.records.size() == records)) break;
    if (item.record) truth_.records.push_back(checksum(*item.record));
    apply(item, {});
  }
  if (truth_.serial != serial) broken("the newest segment is one that nobody made");
  if (truth_.records.size() != records) {
    broken(std::to_string(records) + " records are in the newest segment after the restart, and " +
           std::to_string(truth_.records.size()) + " were durable");
  }
}

void Oracle::begin_run(Now now) {
  sessions_.clear();
  end_round();
  if (restored_) return forget_holders();
  for (auto& [id, group] : truth_.groups) {
    for (std::uint64_t offset : group.held) {
      Share& share = truth_.share(group, offset);
      share.held_until = std::min(share.held_until, now.instant + scenario_.config.lease);
    }
  }
}

void Oracle::forget_holders() {
  for (auto& [id, group] : truth_.groups) {
    for (std::uint64_t offset : std::exchange(group.held, {})) truth_.share(group, offset).holder.clear();
  }
}

void Oracle::see_death() {
  for (auto& [peer, session] : sessions_) session.live = false;
}

void Oracle::go_back_to_copy() {
  truth_ = std::move(*copy_);
  truth_.offset_of.resize(events_.size(), nowhere);
  pending_.reset();
  commit_.clear();
  damaged_ = 0;
}

void Oracle::compare_log(spool::Reader& reader) const {
  std::uint64_t at = truth_.first_offset;
  if (reader.first_offset() != at) broken("the log begins at another offset after the restart");
  while (at < truth_.next_offset()) {
    auto block = reader.read(at, 1 << 20, truth_.next_offset());
    if (!block) broken("the log cannot be read after the restart: " + block.error().message());
    for (const spool::Record& record : block->records) {
      const auto packet = wire::Packet::parse(record.body, packet_values_);
      if (!packet) broken("a stored packet cannot be read after the restart");
      std::uint64_t offset = record.offset;
      for (const wire::PacketEvent& event : packet->events()) {
        const bool same =
            offset >= at && offset < truth_.next_offset() && truth_.at(offset).event == event_number(event.data);
        if (!same) broken("offset " + std::to_string(offset) + " holds another event after the restart");
        ++offset;
      }
    }
    if (block->next_offset <= at) broken("the log ends early after the restart");
    at = block->next_offset;
  }
}

std::string Oracle::unsettled() const {
  for (const auto& [id, group] : truth_.groups) {
    for (std::uint64_t offset = truth_.first_offset; offset < truth_.next_offset(); ++offset) {
      const Share& share = group.shares[offset - truth_.first_offset];
      if (!truth_.wants(group, offset) || share.fate != Share::Fate::open) continue;
      return "group " + group.name + " has not settled offset " + std::to_string(offset) + " on " +
             truth_.topics[truth_.at(offset).topic] + ", attempt " + std::to_string(share.newest_attempt) +
             " delivered, " + std::to_string(share.failed) + " failed, " + (share.to_bury ? "to be buried, " : "") +
             "held by " + (share.holder.empty() ? "nobody" : share.holder);
    }
  }
  return {};
}

void Oracle::check_rest() const {
  if (const std::string what = unsettled(); !what.empty()) broken("at rest, " + what);
}

}  // namespace spindle::simulation
