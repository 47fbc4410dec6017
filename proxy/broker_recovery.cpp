// The log is the truth: what the broker is after a restart comes from it alone.
#include <algorithm>

#include "proxy/broker_state.hpp"
#include "proxy/value_stream.hpp"
#include "spindle/spool/record.hpp"

namespace spindle::proxy {
namespace {

constexpr std::string_view state_name = "spindle-state";
constexpr std::uint64_t state_version = 1;

}  // namespace

/// A msgpack stream: a head, then the values of each source and each group.
Bytes BrokerState::state() const {
  Bytes out;
  wire::Writer to(out);
  to.array(8).str(state_name).uint(state_version).uint(run_).uint(last_epoch_).uint(last_group_);
  to.uint(sources_.size()).uint(groups_.size()).uint(sources_.clock_ms());
  sources_.write(to);
  for (const auto& [id, group] : groups_) group->write(to);
  return out;
}

Result<void> BrokerState::restore(BytesView state, Now now) {
  auto corrupt = [](const std::string& why) { return fail(ErrorCode::corrupt, "the state in the log: " + why); };
  ValueStream from(state, values_);
  bool named = false;
  std::uint64_t version = 0;
  std::uint64_t sources = 0;
  std::uint64_t groups = 0;
  auto head = from.next([&](wire::Cursor& at) {
    at.array("state");
    named = at.str("name") == state_name;
    version = at.uint("version");
    run_ = at.uint("run");
    last_epoch_ = at.uint("last_epoch");
    last_group_ = at.uint("last_group");
    sources = at.uint("sources");
    groups = at.uint("groups");
    sources_.set_clock(at.uint("sources' clock"));
  });
  if (named && version > state_version)
    return fail(ErrorCode::newer_format, "the state was written by a newer version");
  if (!head || !named) return corrupt(head ? "it is something else" : head.error().text);
  sources_.clear();
  groups_.clear();
  for (std::uint64_t i = 0; i < sources; ++i) {
    auto read = from.next([&](wire::Cursor& at) { sources_.read_one(at); });
    if (!read) return corrupt(read.error().text);
  }
  for (std::uint64_t i = 0; i < groups; ++i) {
    auto group = Group::read(from, run_, now);
    if (!group) return corrupt(group.error().text);
    groups_.add(std::make_unique<Group>(std::move(*group)));
  }
  return {};
}

Result<void> BrokerState::replay(const spool::Record& record, Now now) {
  const bool begins = std::exchange(replay_begins_commit_, record.last_of_commit);
  if (begins) replay_is_publish_ = record.kind == spool::Kind::events;
  if (begins) replay_is_letter_ = record.kind == spool::Kind::group;
  switch (record.kind) {
    case spool::Kind::state: return restore(record.body, now);
    case spool::Kind::events: return replay_is_publish_ || replay_is_letter_ ? replay_events(record) : Result<void>();
    case spool::Kind::settle: return replay_settle(record, now);
    case spool::Kind::group: return replay_group(record, now);
    case spool::Kind::outcome: {
      auto outcome = OutcomeRecord::decode(record.body, values_);
      if (!outcome) return fail(outcome.error());
      sources_.remember(sources_.get(outcome->source), outcome->outcome);
      return {};
    }
    case spool::Kind::source: {
      auto source = SourceRecord::decode(record.body, values_);
      if (!source) return fail(source.error());
      if (source->source.empty()) {
        set_clock(source->epoch);
      } else if (source->forget) {
        sources_.forget(source->source);
      } else {
        Source& known = sources_.get(source->source);
        known.epoch = source->epoch;
        sources_.touch(known);
        last_epoch_ = std::max(last_epoch_, source->epoch);
      }
      return {};
    }
    default: break;
  }
  if (record.must_understand)
    return fail(ErrorCode::newer_format, "the log has a kind of record that this version does not know");
  return {};
}

/// A publish: its number stands in the packets. More packets of the same commit add to its outcome.
Result<void> BrokerState::replay_events(const spool::Record& record) {
  auto packet = wire::Packet::parse(record.body, packet_values_);
  if (!packet)
    return fail(ErrorCode::corrupt,
                "a stored packet at offset " + std::to_string(record.offset) + ": " + packet.error().text);
  const wire::PacketHeader& header = packet->header();
  if (header.source.starts_with('_')) {  // the proxy's own: no numbers to keep, but an epoch that was used
    last_epoch_ = std::max(last_epoch_, header.epoch);
    return {};
  }
  if (!replay_is_publish_) return {};  // a dead letter that was replayed: it has the numbers of the original
  Source& source = sources_.get(header.source);
  if (replay_commit_ == record.offset && !source.recent.empty()) {
    sources_.add_events(source, record.count);
  } else {
    wire::Outcome outcome;
    outcome.number = source.last_number + 1;
    outcome.events = record.count;
    outcome.first_offset = record.offset;
    sources_.remember(source, outcome);
  }
  replay_commit_ = record.last_of_commit ? no_commit : record.next_offset();
  return {};
}

Result<void> BrokerState::replay_settle(const spool::Record& record, Now now) {
  auto settle = SettleRecord::decode(record.body, values_);
  if (!settle) return fail(settle.error());
  Source& source = sources_.get(settle->source);
  for (const wire::Outcome& outcome : settle->outcomes) sources_.remember(source, outcome);
  for (const GroupEffect& effect : settle->effects) {
    auto group = groups_.find(effect.group);
    if (group != groups_.end()) group->second->apply(effect, now);
  }
  return {};
}

Result<void> BrokerState::replay_group(const spool::Record& record, Now now) {
  auto change = GroupRecord::decode(record.body, values_);
  if (!change) return fail(change.error());
  if (change->what == GroupRecord::What::create) {
    ValueStream value(change->value, values_);
    auto group = Group::read(value, run_, now);
    if (!group) return fail(group.error());
    last_group_ = std::max(last_group_, group->id());
    groups_.add(std::make_unique<Group>(std::move(*group)));
    return {};
  }
  auto found = groups_.find(change->group);
  if (found == groups_.end()) return fail(ErrorCode::corrupt, "a record changes a group that the log does not have");
  Group& group = *found->second;
  switch (change->what) {
    case GroupRecord::What::pattern: {
      auto pattern = wire::Pattern::parse(change->pattern);
      if (!pattern) return fail(pattern.error());
      group.add_pattern(*pattern);
      break;
    }
    case GroupRecord::What::joined: group.note_member(change->member, change->own_from); break;
    case GroupRecord::What::left: group.forget_member(change->member); break;
    case GroupRecord::What::effects:
      for (const GroupEffect& effect : change->effects) group.apply(effect, now);
      break;
    case GroupRecord::What::remove: groups_.erase(change->group); break;
    default: return apply_change(group, *change);
  }
  return {};
}

/// The log is an older copy of itself. Nobody knows which epochs and delivery ids were given since: new ones are
/// above all that could have been. The wall clock says so for epochs, which only ever went up by one for each
/// process.
void BrokerState::leave_lost_time(Now now) {
  last_epoch_ = std::max(last_epoch_, static_cast<std::uint64_t>(now.wall_ns / 1'000'000));
  for (auto& [id, group] : groups_) group->raise_generation(incarnation_);
}

/// Should the newest state be damaged, the one before may not know that the log is a copy by now: what
/// leave_lost_time() did is done again. The upper bits of an incarnation are when it began.
void BrokerState::note_incarnation() {
  last_epoch_ = std::max(last_epoch_, incarnation_ >> 16);
  for (auto& [id, group] : groups_) {
    if (group->generation() < incarnation_) group->raise_generation(incarnation_);
  }
}

void BrokerState::start(std::optional<Broker::Log> log, Now now) {
  ++run_;
  started_ = now;
  if (log) {
    spool_ = std::move(log->spool);
    incarnation_ = log->incarnation;
    // Each run begins a segment. Should the newest state be damaged, the one before does not know of the last run.
    if (!log->segments.empty()) run_ = std::max(run_, log->segments.back().header.serial + 1);
    first_offset_ = log->first_offset;
    if (log->restored) leave_lost_time(now);
    note_incarnation();
  }
  own_epoch_ = ++last_epoch_;
  Ledger::Disk disk{config_.disk_reserve_bytes};
  std::unique_ptr<spool::Appender> appender;
  if (log) {
    disk.free_bytes = log->free_bytes;
    retention_.recovered(log->segments, log->appender->last_time_ns());
    appender = std::move(log->appender);
  }
  ledger_ = std::make_unique<Ledger>(std::move(appender), disk,
                                     Ledger::Owner{[this] {
                                                     groups_.catch_up();
                                                     return state();
                                                   },
                                                   [this](const spool::SegmentHeader& next, WallNs last) {
                                                     retention_.roll(next, last);
                                                     rolled_ = true;
                                                   }});
  if (!ledger_->has_log()) return;
  ledger_->set_durable_end(ledger_->next_offset());
  for (auto& [id, group] : groups_) {
    group->begin_run(run_, ledger_->next_offset(), now.instant + config_.lease);
  }
  start_sources(now);
  ledger_->roll(now);
  for (auto& [id, group] : groups_) {
    lose(*group, {0, first_offset_}, "the segments that held them are gone, though not by retention", now);
  }
}

}  // namespace spindle::proxy
