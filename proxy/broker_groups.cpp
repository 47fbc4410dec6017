// Groups and their members: attach, hand out, dead letters.
#include <algorithm>
#include <utility>

#include "proxy/attribute_map.hpp"
#include "proxy/broker_state.hpp"
#include "proxy/group_topics.hpp"
#include "spindle/spool/reader.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::proxy {
namespace {

/// What an attach comes to in the log at most: nothing for a member that the log knows and that asks for nothing new.
/// The group is null when it is not there.
std::uint64_t attach_bytes(const wire::Attach& attach, const Group::Joining& joining, const Group* group) {
  if (group == nullptr) return attach.create ? (joining.patterns.size() + 2) * small_record_bytes_max : 0;
  const auto added = static_cast<std::uint64_t>(
      std::count_if(joining.patterns.begin(), joining.patterns.end(),
                    [&](const wire::Pattern& pattern) { return !group->has_pattern(pattern); }));
  std::uint64_t bytes = added * small_record_bytes_max;
  if (added > 0) bytes += (group->all_done_size() + 1) * effect_bytes_max;
  if (!group->knows_member(joining.key)) bytes += small_record_bytes_max;
  if (attach.alter && group->settings().difference(attach.options)) bytes += small_record_bytes_max;
  return bytes;
}

}  // namespace

void BrokerState::attach(Session& session, const wire::Head& head, Now now) {
  const std::uint64_t answers = head.envelope().number;
  auto attach = wire::decode<wire::Attach>(head);
  if (!attach) return send_error(session, answers, attach.error());
  if (session.source.empty()) return send_error(session, answers, {ErrorCode::denied, "this session has no source"});
  if (session.knows_other_log) attach->claims.clear();
  Group::Joining joining{
      key_of(session, attach->member), {}, attach->credit_events, attach->credit_bytes, std::move(attach->claims)};
  for (const std::string& text : attach->patterns) {
    auto pattern = wire::Pattern::parse(text);
    if (!pattern) return send_error(session, answers, pattern.error());
    joining.patterns.push_back(std::move(*pattern));
  }
  if (auto may = may_join(session, *attach, joining); !may) return send_error(session, answers, may.error());
  auto found = group_for(*attach, joining, now);
  if (!found) return send_error(session, answers, found.error());
  Group& group = **found;
  session.groups[attach->member] = group.id();
  session.to_rejoin.erase(attach->member);
  std::erase_if(leaving_,
                [&](const Leaving& leaving) { return leaving.group == group.id() && leaving.member == joining.key; });
  wire::Attached attached;
  attached.answers = answers;
  attached.member = attach->member;
  attached.generation = group.generation();
  attached.claimed = group.join(joining, now);
  if (!group.knows_member(joining.key)) {
    GroupRecord joined;
    joined.what = GroupRecord::What::joined;
    joined.group = group.id();
    joined.member = joining.key;
    joined.own_from = group.own_from(attached.claimed);
    log_group(joined, now);
    group.note_member(joining.key, joined.own_from);
  }
  attached.position = group.position();
  send(session, attached, ledger_->decided_batch());
  tell_earlier_losses(group, session, attach->member, now);
}

/// Asked before anything of the group is changed.
Result<void> BrokerState::may_join(const Session& session, const wire::Attach& attach,
                                   const Group::Joining& joining) {
  const Group* group = group_named(attach.group);
  const std::uint64_t bytes = attach_bytes(attach, joining, group);
  if (bytes > 0 && !ledger_->has_space(Tier::bare, bytes)) return fail(full_error(Tier::bare));
  const auto before = session.groups.find(attach.member);
  if (before != session.groups.end() && (group == nullptr || before->second != group->id())) {
    return fail(ErrorCode::invalid_argument, "this member number is in another group");
  }
  if (group != nullptr && !group->knows_member(joining.key) && group->logged_member_count() >= group_members_max) {
    return fail(ErrorCode::too_many, "the group has group_members_max (10,000) members");
  }
  return {};
}

/// The group that the message names, made if it may be, with the member's patterns logged.
Result<Group*> BrokerState::group_for(const wire::Attach& attach, const Group::Joining& joining, Now now) {
  if (!ledger_->has_log()) {
    return fail(ErrorCode::no_spool, "this proxy has no spool: start it with --spool DIR for groups");
  }
  if (auto checked = wire::check_group_name(attach.group); !checked) return fail(checked.error());
  if (joining.patterns.empty()) return fail(ErrorCode::malformed, "a member has no patterns");
  Group* group = group_named(attach.group);
  const bool is_new = group == nullptr;
  if (!is_new) {
    if (auto difference = group->settings().difference(attach.options)) {
      if (!attach.alter) {
        return fail(ErrorCode::group_mismatch, "group " + attach.group + ": " + *difference +
                                                   "; to change it: spindle group alter " + attach.group +
                                                   ", or GroupOptions::alter");
      }
      auto settings = group->settings().altered(attach.options);
      if (!settings) return fail(settings.error());
      group_log_.changed(*group, group->settings().changes(*settings), joining.key);
      alter_group(*group, *settings, now);
    }
  } else {
    auto made = make_group(attach, now);
    if (!made) return fail(made.error());
    group = *made;
  }
  bool noted = false;
  for (const wire::Pattern& pattern : joining.patterns) {
    if (group->has_pattern(pattern)) continue;
    if (group->patterns().size() >= group_patterns_max)
      return fail(ErrorCode::too_many, "the group has group_patterns_max (4,096) patterns already");
    // What it has passed over stays so, also after a restart: the pattern counts from the group's position on.
    if (!std::exchange(noted, true)) log_effects_in_parts(*group, group->all_done(), now);
    GroupRecord added;
    added.what = GroupRecord::What::pattern;
    added.group = group->id();
    added.pattern = pattern.text();
    log_group(added, now);
    group->add_pattern(pattern);
  }
  if (is_new) group_log_.made(*group, group->position(), joining.key);
  return group;
}

/// A group of this name, which is not there, if it may be made; it has no patterns yet.
Result<Group*> BrokerState::make_group(const wire::Attach& attach, Now now) {
  if (!attach.create) {
    return fail(ErrorCode::unknown_group, "there is no group " + attach.group + " (any more); see: spindle groups");
  }
  if (groups_.size() >= groups_max)
    return fail(ErrorCode::too_many, "the proxy has groups_max (10,000) groups already");
  auto settings = GroupSettings::with(attach.create_options);
  if (settings) settings = settings->altered(attach.options);
  if (!settings) return fail(settings.error());
  std::uint64_t start = first_offset_;
  if (attach.start.at == wire::Start::At::now) start = ledger_->next_offset();
  if (attach.start.at == wire::Start::At::offset) {
    start = std::clamp(attach.start.offset, first_offset_, ledger_->next_offset());
  }
  auto made =
      std::make_unique<Group>(Group::Identity{last_group_ + 1, attach.group, incarnation_}, *settings, start, run_);
  made->hand_out_above(handouts_of_deleted_);
  GroupRecord create;
  create.group = made->id();
  wire::Writer to(create.value);
  made->write(to);
  log_group(create, now);
  last_group_ = made->id();
  return &groups_.add(std::move(made));
}

void BrokerState::detach(Session& session, const wire::Head& head, Now now) {
  auto detach = wire::decode<wire::Detach>(head);
  if (!detach) return send_error(session, head.envelope().number, detach.error());
  if (session.groups.contains(detach->member)) leave_group(session, detach->member, false, now);
  flush_answers();
  send(session, wire::Detached{head.envelope().number, detach->member}, ledger_->decided_batch());
}

void BrokerState::credit(Session& session, const wire::Head& head) {
  auto credit = wire::decode<wire::Credit>(head);
  if (!credit) return send_error(session, head.envelope().number, credit.error());
  if (Group* group = group_of(session, credit->member)) {
    group->set_credit(key_of(session, credit->member), credit->events, credit->bytes);
  }
}

void BrokerState::extend(Session& session, const wire::Head& head, Now now) {
  auto extend = wire::decode<wire::Extend>(head);
  if (!extend) return send_error(session, head.envelope().number, extend.error());
  Group* group = group_of(session, extend->member);
  if (group == nullptr || !group->extend(key_of(session, extend->member), extend->delivery, now)) {
    send_error(session, head.envelope().number, {ErrorCode::stale, "the delivery is no longer held by this member"});
  }
}

Group* BrokerState::group_of(const Session& session, std::uint64_t member) {
  auto found = session.groups.find(member);
  return found == session.groups.end() ? nullptr : groups_.at(found->second).get();
}

Group* BrokerState::group_named(std::string_view name) {
  for (const auto& [id, group] : std::as_const(groups_)) {
    if (group->name() == name) return groups_.at(id).get();
  }
  return nullptr;
}

void BrokerState::log_group(const GroupRecord& record, Now now) {
  const Bytes body = record.encode();
  (void)ledger_->make_room(spool::record_bytes(0, body.size()), now);
  ledger_->log().begin(now.wall_ns);
  ledger_->log().append(spool::Kind::group, {}, body, 0, true);
  ledger_->log().finish();
  auto group = groups_.find(record.group);
  if (group != groups_.end()) group->second->decided_in_batch = ledger_->decided_batch();
}

void BrokerState::log_left(Group& group, const MemberKey& member, Now now) {
  GroupRecord left;
  left.what = GroupRecord::What::left;
  left.group = group.id();
  left.member = member;
  log_group(left, now);
  group.forget_member(member);
}

void BrokerState::log_effects(Group& group, std::vector<GroupEffect> effects, Now now) {
  if (effects.empty()) return;
  GroupRecord record;
  record.what = GroupRecord::What::effects;
  record.group = group.id();
  record.effects = std::move(effects);
  log_group(record, now);
  for (const GroupEffect& effect : record.effects) group.apply(effect, now);
}

/// As several commits, each of which fits into a segment.
void BrokerState::log_effects_in_parts(Group& group, const std::vector<GroupEffect>& effects, Now now) {
  for (std::size_t begin = 0; begin < effects.size(); begin += effects_per_record_max) {
    const auto end = std::min(effects.size(), begin + effects_per_record_max);
    log_effects(
        group,
        {effects.begin() + static_cast<std::ptrdiff_t>(begin), effects.begin() + static_cast<std::ptrdiff_t>(end)},
        now);
  }
}

void BrokerState::tick_groups(Now now) {
  // Without space to log them, deadlines, retries that are due and burials wait.
  finish_searches(now);
  group_log_.say_rest(now);
  const bool was_full = std::exchange(full_, !ledger_->has_space(Tier::bare, small_record_bytes_max));
  if (full_ || was_full) {
    for (auto& [id, group] : groups_) group->wait_for_space(full_);
  }
  if (full_) return;
  for (const Leaving& leaving : std::exchange(leaving_, {})) {
    if (auto group = groups_.find(leaving.group); group != groups_.end()) {
      leave(*group->second, leaving.member, leaving.lost, now);
    }
  }
  for (const std::uint64_t id : groups_.due(now)) {
    Group& group = *groups_.at(id);
    for (const MemberKey& missing : group.take_missing(now)) {
      group_log_.member_missing(group, missing);
      log_left(group, missing, now);
    }
    auto effects = group.tick(now);
    group_log_.deadlines(group, effects, now);
    log_effects(group, std::move(effects), now);
  }
}

std::vector<ReadRequest> BrokerState::take_reads(Now now) {
  flush_answers();  // a member learns that its retry is stored before it gets what comes behind it
  std::vector<ReadRequest> reads;
  search_times(reads);
  if (ledger_->held_bytes() > held_bytes_max) return reads;  // deliveries wait for the disk already
  groups_.set_durable_end(ledger_->durable_end());
  for (Group* group : groups_.readers(ledger_->next_offset(), now)) {
    if (auto wanted = group->wants(ledger_->durable_end(), now)) {
      reads.push_back({group->id(), wanted->offset, read_bytes_max, group->topics(), wanted->at_offset});
    }
  }
  take_dead_reads(reads);
  return reads;
}

Result<spool::Block> read_for(const ReadRequest& request, spool::Reader& reader, std::uint64_t durable_end) {
  if (request.topics == nullptr) return reader.read(request.from_offset, request.bytes_max, durable_end);
  return request.at_offset ? reader.read_at(request.from_offset, request.bytes_max, durable_end, *request.topics)
                           : reader.read(request.from_offset, request.bytes_max, durable_end, *request.topics);
}

void BrokerState::on_block(const ReadRequest& request, const spool::Block& block, Now now) {
  if (request.dead_request != 0) return on_dead_block(request, block, now);
  if (request.time_seek != 0) return on_searched(request.time_seek, block, now);
  auto found = groups_.find(request.group);
  if (found == groups_.end()) return;
  Group& group = *found->second;
  const Group::Offered offered = group.offer(request.from_offset, block.records, block.next_offset, now);
  group.note_handed(offered.handed);
  deliver(group, offered.handed, block);
  bury(group, offered.burials, now);
  std::vector<GroupEffect> passed;
  for (const Interval& range : offered.unwanted) {
    add_effect(passed, {GroupEffect::What::done, group.id(), range, 0, 0, {}});
  }
  log_effects_in_parts(group, passed, now);
}

void BrokerState::on_read_error(const ReadRequest& request, const Error& error, Now now) {
  if (request.dead_request != 0) return on_dead_read_error(request, error);
  if (request.time_seek != 0) return finish_search(request.time_seek, fail(error), now);
  auto found = groups_.find(request.group);
  if (found != groups_.end()) found->second->stall(request.from_offset, error.message());
}

void BrokerState::on_read_lost(const ReadRequest& request, const Error& error, Interval range, Now now) {
  if (request.dead_request != 0) return on_dead_read_error(request, error);
  if (request.time_seek != 0) return search_on(request.time_seek, range.end, now);
  auto found = groups_.find(request.group);
  if (found == groups_.end()) return;
  // Without space to log the loss it waits; with nothing to lose something is wrong, and a read would find it again.
  const bool wanted = !found->second->lose(range, {}).empty();
  if (!wanted || !lose(*found->second, range, "lost on the disk: " + error.text, now)) {
    found->second->stall(request.from_offset, error.message());
  }
}

/// A packet that is handed out only in part is cut to that part.
void BrokerState::deliver(Group& group, const std::vector<HandedOut>& handed, const spool::Block& block) {
  struct ForMember {
    wire::Deliver deliver;
    std::vector<wire::TopicPacket> packets;
  };
  std::map<MemberKey, ForMember> messages;
  auto finish = [&](const MemberKey& key, ForMember& message) {
    Session* session = session_of_source(key.source);
    if (session == nullptr) return;
    message.deliver.member = key.number;
    message.deliver.run = run_;
    message.deliver.generation = group.generation();
    // A delivery may rest on a decision about its group that is not durable yet; never on anything else.
    send(*session, message.deliver, group.decided_in_batch, std::move(message.packets));
    message = {};
  };
  const spool::Record* parsed = nullptr;
  Result<wire::Packet> whole = fail(ErrorCode::malformed, "nothing is parsed yet");
  for (const HandedOut& part : handed) {
    const spool::Record& record = *part.record;
    SharedBytes packet{block.owner, record.body};
    if (part.range.size() < record.count) {
      // Once for all parts of it: keys can make them many.
      if (std::exchange(parsed, &record) != &record) whole = wire::Packet::parse(record.body, packet_values_);
      if (!whole) continue;  // it was checked before it was stored; the reader checks what it reads
      packet = SharedBytes::own(whole->slice(part.range.begin - record.offset, part.range.size()));
    }
    ForMember& message = messages[part.member];
    message.deliver.entries.push_back({part.handout, part.range.begin, part.range.size(), part.attempt});
    message.packets.push_back({{block.owner, group.topic_for_members(record.topic)}, std::move(packet)});
    if (message.packets.size() == packets_per_deliver_max) finish(part.member, message);
  }
  for (auto& [key, message] : messages) {
    if (!message.packets.empty()) finish(key, message);
  }
}

/// Copies events to the dead letters and settles them, in one commit each.
void BrokerState::bury(Group& group, const std::vector<Burial>& burials, Now now) {
  const std::string topic = dead_topic(group.name());
  // Those of one packet come together: it is read once, or a large one would take time by the square of its events.
  const spool::Record* read = nullptr;
  std::optional<wire::Packet> packet;
  std::vector<wire::PacketEvent> events;
  for (const Burial& burial : burials) {
    if (!ledger_->has_space(Tier::bare, burial.record->body.size() + small_record_bytes_max)) {
      group.bury_later(burial.offset);
      group.wait_for_space(true);
      letters_wait_ = true;
      continue;
    }
    if (std::exchange(read, burial.record) != burial.record) {
      auto parsed = wire::Packet::parse(burial.record->body, packet_values_);
      packet = parsed ? std::optional(std::move(*parsed)) : std::nullopt;
      events = packet ? packet->events() : std::vector<wire::PacketEvent>();
    }
    if (!packet) continue;
    const wire::PacketEvent& event = events[burial.offset - burial.record->offset];
    const Bytes letter = dead_letter(group, burial, *packet, event, now);
    GroupRecord record;
    record.what = GroupRecord::What::effects;
    record.group = group.id();
    record.effects.push_back(
        {GroupEffect::What::done, group.id(), {burial.offset, burial.offset + 1}, burial.attempts, 0, burial.reason});
    const std::uint64_t copy = ledger_->next_offset();
    record.effects.push_back({GroupEffect::What::letter, group.id(), {copy, copy + 1}, 0, 0, {}});
    const Bytes body = record.encode();
    (void)ledger_->make_room(spool::record_bytes(0, body.size()) + spool::record_bytes(topic.size(), letter.size()),
                             now);
    ledger_->log().begin(now.wall_ns);
    ledger_->log().append(spool::Kind::group, {}, body, 0, true);
    append_events(topic, letter, 1);
    ledger_->log().finish();
    for (const GroupEffect& effect : record.effects) group.apply(effect, now);
    group.decided_in_batch = ledger_->decided_batch();
    group_log_.dead(group, burial, group.topic_for_members(burial.record->topic), now);
    bound_letters(group, now);
  }
}

/// The event as it was, with what became of it. One that was replayed before says where it was at first.
Bytes BrokerState::dead_letter(const Group& group, const Burial& burial, const wire::Packet& packet,
                               const wire::PacketEvent& event, Now now) {
  const wire::PacketHeader& origin = packet.header();
  const BytesView topic = group.topic_for_members(burial.record->topic);
  const std::size_t index = burial.offset - burial.record->offset;
  const bool again = is_replay_topic(burial.record->topic);
  const auto said = [&](std::string_view name) {
    return again ? number_in(event.attributes, name) : std::optional<std::uint64_t>();
  };
  const Attribute what[] = {
      Attribute::text("deadreason", burial.reason),
      Attribute::number("deadattempts", burial.attempts),
      Attribute::text("deadgroup", group.name()),
      Attribute::text("deadtopic", topic),
      Attribute::number("deadoffset", said("deadoffset").value_or(burial.offset)),
      Attribute::text("deadid", wire::event_id(origin.source, origin.epoch, topic, origin.event_class,
                                               origin.topic_count + index)),
      Attribute::time("deadtime", origin.time_ns),
      Attribute::number("deadreplays", said("deadreplays").value_or(0)),
  };
  wire::PacketBuilder builder;
  builder.add(event.data, with_attributes(event.attributes, what), packet.key(index));
  return own_packet(dead_topic(group.name()), builder, origin.attributes, now);
}

}  // namespace spindle::proxy
