// Which segments go, who is in the way, and what is said of events that go all the same.
#include <algorithm>

#include "proxy/broker_state.hpp"
#include "proxy/log.hpp"
#include "proxy/text.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::proxy {
namespace {

std::string_view name(Retention::Why why) {
  switch (why) {
    case Retention::Why::age: return "it is older than --keep-for";
    case Retention::Why::bytes: return "it is beyond --keep-bytes";
    case Retention::Why::full_disk: break;
  }
  return "the disk is full";
}

/// "offsets 3 to 7", or that there are none.
std::string offsets(const Retention::Kept& segment) {
  if (segment.first_offset == segment.end_offset) return "no events";
  return "offsets " + std::to_string(segment.first_offset) + " to " + std::to_string(segment.end_offset - 1);
}

}  // namespace

/// Bytes that must be freed so that publishing goes on at ease: the reserve and two segments.
std::uint64_t BrokerState::missing_bytes() {
  const std::uint64_t wanted = config_.disk_reserve_bytes + 2 * ledger_->log().commit_bytes_max();
  const std::uint64_t space = ledger_->space_bytes();
  return space < wanted ? wanted - space : 0;
}

/// Ages are by the wall clock, as the log's times are; but when that jumps ahead while the proxy runs nothing is
/// older by it.
WallNs BrokerState::retention_time(Now now) const {
  return std::min(now.wall_ns, started_.wall_ns + (now.instant - started_.instant).count());
}

void BrokerState::retain(Now now) {
  if (!ledger_->has_log() || now.instant < retain_at_) return;
  retain_at_ = now.instant + retention_interval;
  note_publishing(now);
  end_old_segment(now);
  if (!trimming_) plan_trim(now);
  remove_trimmed();
}

/// So that its events can grow old: also the one before the newest, which always stays.
void BrokerState::end_old_segment(Now now) {
  const auto ends_at = retention_.ends_at(ledger_->log().first_event_ns());
  if (!ends_at || retention_time(now) < *ends_at) return;
  if (ledger_->has_space(Tier::publish, ledger_->log().commit_bytes_max())) ledger_->roll(now);
}

/// In the records of a new segment as well as in its head: should that be damaged, the state before it and the
/// records since say the same.
void BrokerState::note_all_passed(Now now) {
  if (!rolled_) return;
  for (auto& [id, group] : groups_) {
    if (!group->passed_unlogged()) continue;
    if (!ledger_->has_space(Tier::bare, effect_bytes_max)) break;
    if (auto passed = group->note_passed()) log_effects(*group, {std::move(*passed)}, now);
  }
  rolled_ = false;
}

/// Decides what goes. Everything that groups keep of it is settled in the log first; only when that is durable are
/// the files deleted (remove_trimmed), so a crash in between forgets nothing.
void BrokerState::plan_trim(Now now) {
  // Before the first group everything is awaited by a future one.
  const std::uint64_t missing = groups_.empty() || removing_batch_ != 0 ? 0 : missing_bytes();
  std::size_t count = 0;
  for (; count < segments_per_trim_max; ++count) {
    const auto why = retention_.due(count, retention_time(now), missing);
    if (!why || !free_from_groups(count, *why, now)) break;
  }
  if (count == 0) return;
  const std::uint64_t cut = retention_[count].first_offset;
  for (auto& [id, group] : groups_) {
    if (!group->passed_unlogged()) continue;
    if (!ledger_->has_space(Tier::bare, effect_bytes_max)) return;
    if (auto passed = group->note_passed()) log_effects(*group, {std::move(*passed)}, now);
  }
  first_offset_ = std::max(first_offset_, cut);
  trimming_ = Trimming{ledger_->decided_batch(), count};
}

/// Whether no group needs the segment any more; those that may lose it do.
bool BrokerState::free_from_groups(std::size_t segment, Retention::Why why, Now now) {
  const Retention::Kept& kept = retention_[segment];
  std::vector<Group*> pinning;
  for (auto& [id, group] : groups_) {
    if (group->needs_from() < kept.end_offset) pinning.push_back(group.get());
  }
  const bool drops = why == Retention::Why::full_disk && retention_.rules().drop_oldest;
  for (Group* group : pinning) {
    if (drops || beyond_keep_at_most(*group, segment, now)) continue;
    note_pinned(*group, kept, why, now);
    return false;
  }
  for (Group* group : pinning) {
    const std::string reason = beyond_keep_at_most(*group, segment, now)
                                   ? "no longer kept: beyond the group's keep_at_most"
                                   : "no longer kept: the disk is full and --when-full is drop-oldest";
    if (!lose(*group, {0, kept.end_offset}, reason, now)) return false;
  }
  return true;
}

/// A group that pins the segment, which is due: whether it has bounds and the segment is beyond one.
bool BrokerState::beyond_keep_at_most(const Group& group, std::size_t segment, Now now) const {
  const GroupSettings& settings = group.settings();
  const Duration age(retention_time(now) - retention_[segment].newest_ns);
  if (settings.keep_at_most_ms > 0 && age >= std::chrono::milliseconds(settings.keep_at_most_ms)) return true;
  return settings.keep_at_most_bytes > 0 && retention_.bytes_from(segment + 1) >= settings.keep_at_most_bytes;
}

void BrokerState::note_pinned(const Group& group, const Retention::Kept& segment, Retention::Why why, Now now) {
  if (now.instant < say_pinned_at_) return;
  say_pinned_at_ = now.instant + say_pinned_interval;
  log::warn("segment " + segment.name + " (" + offsets(segment) + ") should go (" + std::string(name(why)) +
            "), but " + pins(group));
}

/// Of the segments that the group keeps: whole ones, for no part of one is ever deleted, the newest as far as it is
/// written.
std::uint64_t BrokerState::kept_bytes(const Group& group) const {
  if (!ledger_->has_log() || group.needs_from() >= ledger_->next_offset()) return 0;
  return retention_.bytes_from_offset(group.needs_from()) + ledger_->appended_bytes();
}

/// For people: which group, from where on, why, and how much that is.
std::string BrokerState::pins(const Group& group) const {
  return "group " + group.name() + " keeps " + std::to_string(kept_bytes(group) >> 10) + " KiB from offset " +
         std::to_string(group.needs_from()) + " on: " + group.needs_why();
}

/// The group that keeps the oldest segment of those that groups keep; null when none keeps a finished one.
const Group* BrokerState::oldest_pin() const {
  const Group* oldest = nullptr;
  for (const auto& [id, group] : groups_) {
    if (oldest == nullptr || group->needs_from() < oldest->needs_from()) oldest = group.get();
  }
  if (oldest == nullptr || retention_.size() < 2) return nullptr;
  return oldest->needs_from() < retention_[retention_.size() - 2].end_offset ? oldest : nullptr;
}

/// The deletion is ordered once everything that makes the segments superfluous is durable.
void BrokerState::remove_trimmed() {
  if (!trimming_ || ledger_->durable_batch() < trimming_->after_batch) return;
  const std::size_t count = std::exchange(trimming_, std::nullopt)->count;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(retention_[i].name);
  log::info("deleting " + std::to_string(count) + " segments, " + names.front() + " and on, " +
            std::to_string((retention_.bytes_from(0) - retention_.bytes_from(count)) >> 10) +
            " KiB; the oldest offset is now " + std::to_string(retention_[count].first_offset));
  ledger_->log().remove(std::move(names), retention_[count].first_offset);
  retention_.removed(count);
  removing_batch_ = ledger_->filling_batch();
}

/// Settles what of the range is unsettled as lost, logged and said: nothing is dropped silently. False when there is
/// no space to log it; then nothing has changed.
bool BrokerState::lose(Group& group, Interval range, std::string_view reason, Now now) {
  const std::string clean = clean_text(reason, reason_bytes_max);
  std::vector<GroupEffect> effects = group.lose(range, clean);
  if (effects.empty()) return true;
  if (!ledger_->has_space(Tier::bare, (effects.size() + 2) * (effect_bytes_max + clean.size()))) return false;
  std::uint64_t events = 0;
  for (const GroupEffect& effect : effects) events += effect.range.size();
  log::error("group " + group.name() + " lost " + std::to_string(events) + " events, offsets " +
             std::to_string(effects.front().range.begin) + " to " + std::to_string(effects.back().range.end - 1) +
             (effects.size() > 1 ? " in " + std::to_string(effects.size()) + " ranges" : "") + ": " + clean);
  std::vector<Interval> ranges;
  for (const GroupEffect& effect : effects) ranges.push_back(effect.range);
  if (auto passed = group.note_passed()) effects.push_back(std::move(*passed));
  const bool told = present_member(group);
  if (told) effects.push_back({GroupEffect::What::told, group.id(), {}, 0, 0, {}});
  log_effects_in_parts(group, effects, now);
  if (told) tell_lost(group, ranges, clean);
  return true;
}

bool BrokerState::present_member(const Group& group) {
  const auto members = group.member_keys();
  return std::any_of(members.begin(), members.end(), [&](const MemberKey& member) {
    Session* session = session_of_source(member.source);
    return session != nullptr && !session->peer.empty();
  });
}

/// Tells every member that is here.
void BrokerState::tell_lost(const Group& group, const std::vector<Interval>& ranges, const std::string& reason) {
  flush_answers();
  for (const MemberKey& member : group.member_keys()) {
    if (Session* session = session_of_source(member.source)) {
      send_lost(*session, member.number, ranges, reason);
    }
  }
}

void BrokerState::send_lost(Session& session, std::uint64_t member, const std::vector<Interval>& ranges,
                            const std::string& reason) {
  for (std::size_t begin = 0; begin < ranges.size(); begin += limits::lost_ranges_max) {
    wire::Lost lost;
    lost.member = member;
    lost.reason = reason;
    for (std::size_t i = begin; i < std::min(ranges.size(), begin + limits::lost_ranges_max); ++i) {
      lost.ranges.push_back({ranges[i].begin, ranges[i].size()});
    }
    send(session, lost, ledger_->decided_batch());
  }
}

/// What was lost while no member was here is told to the first that comes.
void BrokerState::tell_earlier_losses(Group& group, Session& session, std::uint64_t member, Now now) {
  if (group.untold_losses().empty() || !ledger_->has_space(Tier::bare, effect_bytes_max)) return;
  const std::vector<Loss> losses = group.untold_losses();
  log_effects(group, {{GroupEffect::What::told, group.id(), {}, 0, 0, {}}}, now);
  for (const Loss& loss : losses) send_lost(session, member, {loss.range}, loss.reason);
}

/// Dead letters beyond the bound: the oldest no longer keep their segment.
void BrokerState::bound_letters(Group& group, Now now) {
  if (group.letters() <= group_letters_max) return;
  lose(group, group.oldest_letter(),
       "more than group_letters_max (100,000) dead letters wait; replay or discard them", now);
}

/// Why a commit of this tier is halted, and what to do.
Error BrokerState::full_error(Tier tier) {
  std::string text = "the spool's disk is full: " + std::to_string(ledger_->space_bytes() >> 10) +
                     " KiB are left, and " + std::to_string(ledger_->reserve_bytes(tier) >> 10) +
                     " KiB of --disk-reserve are kept free of this";
  const Group* pin = oldest_pin();
  text += pin != nullptr ? "; " + pins(*pin) + ": let it catch up, or free space" : "; free space";
  return {ErrorCode::spool_full, std::move(text)};
}

void BrokerState::note_halt(const Error& why, Now now) {
  if (!publishing_halted_) log::warn("publishing is halted: " + why.text);
  publishing_halted_ = true;
  halted_last_ = now.instant;
}

/// Clients try again and again while the disk is full; a while without a halt is what counts.
void BrokerState::note_publishing(Now now) {
  if (!publishing_halted_ || now.instant < halted_last_ + publishing_calm) return;
  publishing_halted_ = false;
  log::info("publishing goes on: " + std::to_string(ledger_->space_bytes() >> 10) + " KiB are left");
}

}  // namespace spindle::proxy
