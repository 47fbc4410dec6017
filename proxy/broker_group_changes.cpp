// Changes of groups that somebody asked for: decided here, and the same again when the log is read.
#include "proxy/broker_state.hpp"
#include "proxy/log.hpp"

namespace spindle::proxy {

/// One record, logged and done.
void BrokerState::change_group(Group& group, GroupRecord record, Now now) {
  record.group = group.id();
  log_group(record, now);
  if (auto done = apply_change(group, record); !done)
    log::error("a change of group " + group.name() + " does not fit");
}

/// What recovery does with the record, too.
Result<void> BrokerState::apply_change(Group& group, const GroupRecord& record) {
  switch (record.what) {
    case GroupRecord::What::pause: group.set_paused(record.paused); break;
    case GroupRecord::What::seek: group.seek(record.position, record.generation); break;
    case GroupRecord::What::drop_pattern: group.drop_pattern(record.pattern); break;
    case GroupRecord::What::alter: {
      auto settings = GroupSettings::with(record.options);
      if (!settings) return fail(settings.error());
      group.alter(*settings);
      break;
    }
    default: break;
  }
  return {};
}

void BrokerState::seek_group(Group& group, std::uint64_t position, Now now) {
  GroupRecord record;
  record.what = GroupRecord::What::seek;
  record.position = position;
  record.generation = group.generation() + 1;
  change_group(group, std::move(record), now);
}

void BrokerState::alter_group(Group& group, const GroupSettings& settings, Now now) {
  GroupRecord record;
  record.what = GroupRecord::What::alter;
  record.options = settings.options();
  change_group(group, std::move(record), now);
}

/// The pattern goes first: should the power go before all that waits for it is settled, it is passed over when it is
/// read again.
void BrokerState::drop_group_pattern(Group& group, const std::string& pattern, Now now) {
  GroupRecord record;
  record.what = GroupRecord::What::drop_pattern;
  record.pattern = pattern;
  change_group(group, std::move(record), now);
  log_effects_in_parts(group, group.drop_waiting(pattern), now);
}

/// Members are told, and are in no group any more. What its deliveries were called is not said again in this run.
void BrokerState::delete_group(Group& group, const std::string& reason, Now now) {
  GroupRecord record;
  record.what = GroupRecord::What::remove;
  record.group = group.id();
  record.reason = reason;
  log_group(record, now);
  flush_answers();
  wire::ErrorMessage deleted = wire::ErrorMessage::of(
      0, {ErrorCode::group_deleted, "group " + group.name() + " was deleted (" + reason + ")"});
  for (auto& [id, session] : sessions_) {
    std::erase_if(session.groups, [&, &session = session](const auto& entry) {
      if (entry.second != group.id()) return false;
      session.to_rejoin.erase(entry.first);
      deleted.member = entry.first;
      send(session, deleted, ledger_->decided_batch());
      return true;
    });
  }
  std::erase_if(leaving_, [&](const Leaving& leaving) { return leaving.group == group.id(); });
  handouts_of_deleted_ = std::max(handouts_of_deleted_, group.last_handout());
  log::info("group " + group.name() + " is deleted: " + reason);
  groups_.erase(group.id());
}

/// The clock went on, as it did when the record of that is read again.
void BrokerState::set_clock(std::uint64_t clock_ms) {
  sources_.set_clock(clock_ms);
  for (auto& [id, group] : groups_) group->note_clock(clock_ms);
}

void BrokerState::expire_groups(Now now) {
  std::vector<std::uint64_t> expired;
  for (const auto& [id, group] : std::as_const(groups_)) {
    if (group->expired(sources_.clock_ms())) expired.push_back(id);
  }
  for (const std::uint64_t id : expired) {
    if (!ledger_->has_space(Tier::bare, small_record_bytes_max)) return;
    Group& group = *groups_.at(id);
    delete_group(group, "it had no member for expires_ms (" + std::to_string(group.settings().expires_ms) + ")", now);
  }
}

}  // namespace spindle::proxy
