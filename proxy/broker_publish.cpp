// Storing what sources publish.
#include <algorithm>

#include "proxy/attribute_map.hpp"
#include "proxy/broker_state.hpp"
#include "proxy/text.hpp"
#include "spindle/wire/cloud_event.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::proxy {
namespace {

const Error no_spool{ErrorCode::no_spool, "this proxy has no spool: start it with --spool DIR for durable events"};

}  // namespace

void BrokerState::publish(Session& session, const wire::Head& head, std::span<const SharedBytes> frames, Now now) {
  const std::uint64_t message = head.envelope().number;
  auto publish = wire::decode<wire::Publish>(head);
  if (!publish) return send_error(session, message, publish.error());
  if (session.halted) return;  // nothing from the halted number on is stored until the client resumes
  Source* source = sources_.find(session.source);
  if (source == nullptr) return send_error(session, message, {ErrorCode::denied, "this session has no source"});
  std::uint64_t bytes = 0;
  std::uint64_t commit_bytes = 0;
  for (std::size_t i = 0; i < frames.size(); i += 2) {
    bytes += frames[i].view.size() + frames[i + 1].view.size();
    commit_bytes += spool::record_bytes(frames[i].view.size(), frames[i + 1].view.size());
  }
  if (publish->commit == 0) return send_error(session, message, {ErrorCode::malformed, "commit numbers begin at 1"});
  if (publish->commit > source->last_number + 1) return gap(session, *source, publish->commit, message, now);
  if (publish->commit <= source->last_number) {
    session.published_answers = message;
    return answer(session, session.published, source->repeat(publish->commit, publish->commit));
  }
  if (!has_window(session, bytes, message, now)) return;
  if (halt_if_forgetful(session, publish->commit, message)) return;
  session.published_answers = message;
  auto refused = [&](const Error& error) {
    answer(session, session.published, {refuse(session, *source, publish->commit, error, now)});
  };
  if (!ledger_->has_log()) return refused(no_spool);
  // A consumer frees what it publishes over. A refusal is logged too, and so is what follows from one.
  if (halt_if_full(session, publish->commit, message, commit_bytes,
                   session.groups.empty() ? Tier::publish : Tier::turn, now))
    return;
  auto packets = check_packets(session, frames);
  if (!packets) return refused(packets.error());
  if (packets->empty()) return refused({ErrorCode::malformed, "a commit has no packets"});
  if (auto room = ledger_->make_room(commit_bytes, now); !room) return refused(room.error());
  wire::Outcome outcome;
  outcome.number = publish->commit;
  outcome.first_offset = ledger_->next_offset();
  ledger_->log().begin(now.wall_ns);
  for (std::size_t i = 0; i < packets->size(); ++i) {
    const std::uint32_t count = (*packets)[i].header().count;
    append_events(frames[2 * i].view, frames[2 * i + 1].view, count);
    outcome.events += count;
  }
  ledger_->log().finish();
  count_unanswered(session, bytes);
  sources_.remember(*source, outcome);
  answer(session, session.published, {std::move(outcome)});
}

/// Commits were lost between the client and here: it must say hello and send them again. Or it took itself for known
/// although its hello did not say so, and its commits before were forgotten.
void BrokerState::gap(Session& session, const Source& source, std::uint64_t number, std::uint64_t message, Now now) {
  flush_answers();
  if (source.last_number == 0 && ledger_->has_log()) {
    send_error(session, message,
               {ErrorCode::source_forgotten, "commit " + std::to_string(number) + " of source " + session.source +
                                                 " came, and this spool knows none before it; number from 1"});
  } else {
    send_error(session, message,
               {ErrorCode::number_gap, "commit " + std::to_string(number) + " came when " +
                                           std::to_string(source.last_number + 1) + " was next; say hello again"});
  }
  end_session(session.id, true, now);
}

/// Consumes the number for ever: the refusal is in the log and answered the same from now on.
wire::Outcome BrokerState::refuse(const Session& session, Source& source, std::uint64_t number, const Error& error,
                                  Now now) {
  wire::Outcome outcome;
  outcome.number = number;
  outcome.status = wire::OutcomeStatus::refused;
  outcome.code = error.code;
  outcome.text = clean_text(error.text, refusal_bytes_max);
  if (ledger_->has_log()) {
    const Bytes body = OutcomeRecord{session.source, outcome}.encode();
    (void)ledger_->make_room(spool::record_bytes(0, body.size()), now);
    ledger_->log().begin(now.wall_ns);
    ledger_->log().append(spool::Kind::outcome, {}, body, 0, true);
    ledger_->log().finish();
  }
  sources_.remember(source, outcome);
  return outcome;
}

Result<std::vector<wire::Packet>> BrokerState::check_packets(const Session& session,
                                                             std::span<const SharedBytes> frames) {
  std::vector<wire::Packet> packets;
  packets.reserve(frames.size() / 2);
  for (std::size_t i = 0; i + 1 < frames.size(); i += 2) {
    if (auto topic = wire::check_topic(frames[i].view); !topic) return fail(topic.error());
    if (frames[i].view.starts_with('_'))
      return fail(ErrorCode::denied, "topics that begin with '_' are Spindle's own");
    auto packet = wire::Packet::parse(frames[i + 1].view, packet_values_);
    if (!packet) return fail(packet.error());
    const wire::PacketHeader& header = packet->header();
    if (header.source != session.source)
      return fail(ErrorCode::denied, "a packet names another source than the session");
    if (header.event_class != wire::EventClass::durable)
      return fail(ErrorCode::malformed, "a packet's class is not durable");
    if (header.epoch == 0 || header.epoch > session.epoch)
      return fail(ErrorCode::malformed, "a packet's epoch was not granted");
    if (header.count == 0) return fail(ErrorCode::malformed, "a packet to be stored has no events");
    packets.push_back(std::move(*packet));
  }
  return packets;
}

bool BrokerState::has_window(Session& session, std::uint64_t bytes, std::uint64_t message, Now now) {
  // One commit is always taken, and twice the window before it counts as a fault: the window may just have shrunk.
  if (session.unanswered_bytes == 0 || session.unanswered_bytes + bytes <= 2 * config_.publish_window_bytes)
    return true;
  flush_answers();
  send_error(session, message,
             {ErrorCode::window_exceeded, "more than publish_window_bytes are unanswered; wait for published"});
  end_session(session.id, true, now);
  return false;
}

void BrokerState::count_unanswered(Session& session, std::uint64_t bytes) {
  if (!ledger_->has_log()) return;
  const std::uint64_t batch = ledger_->decided_batch();
  session.unanswered_bytes += bytes;
  unanswered_bytes_ += bytes;
  if (!unanswered_.empty() && unanswered_.back().batch == batch && unanswered_.back().session == session.id) {
    unanswered_.back().bytes += bytes;
  } else {
    unanswered_.push_back({batch, session.id, bytes});
  }
}

/// Passing conditions: the disk is full, or what waits for it fills the memory set aside for that.
bool BrokerState::halt_if_full(Session& session, std::uint64_t number, std::uint64_t message, std::uint64_t bytes,
                               Tier tier, Now now) {
  const bool full = !ledger_->has_space(tier, bytes + small_record_bytes_max);
  const bool busy =
      tier != Tier::bare && unanswered_bytes_ > 0 && unanswered_bytes_ + bytes > publish_windows_bytes_max;
  if (!full && !busy) return false;
  if (full) {
    const Error why = full_error(tier);
    note_halt(why, now);
    halt(session, number, message, why, halt_retry_ms);
  } else {
    halt(session, number, message,
         {ErrorCode::paused, "publish_windows_bytes_max (64 MiB) wait for the disk already"}, busy_retry_ms);
  }
  return true;
}

/// Refusals are kept for as long as they may be asked for again, and any commit may become another one.
bool BrokerState::halt_if_forgetful(Session& session, std::uint64_t number, std::uint64_t message) {
  if (!sources_.full()) return false;
  halt(session, number, message,
       {ErrorCode::too_many,
        "refusals fill outcome_bytes_max (32 MiB): end the clients whose commits are refused, so "
        "that they say goodbye"},
       halt_retry_ms);
  return true;
}

/// Nothing of the session from this number on is stored until it resumes.
void BrokerState::halt(Session& session, std::uint64_t number, std::uint64_t message, const Error& why,
                       std::uint64_t retry_after_ms) {
  session.halted = true;
  wire::Halted halted;
  halted.answers = message;
  halted.number = number;
  halted.code = name(why.code);
  halted.text = why.text;
  halted.retry_after_ms = retry_after_ms;
  flush_answers();
  send(session, halted, ledger_->decided_batch());
}

void BrokerState::resume(Session& session, const wire::Head& head) {
  auto resume = wire::decode<wire::Resume>(head);
  if (!resume) return send_error(session, head.envelope().number, resume.error());
  session.halted = false;
}

void BrokerState::append_events(BytesView topic, BytesView packet, std::uint32_t count) {
  groups_.note_append(topic, ledger_->next_offset());
  ledger_->log().append(spool::Kind::events, topic, packet, count);
}

/// A packet that the proxy itself publishes.
Bytes BrokerState::own_packet(BytesView topic, wire::PacketBuilder& builder, BytesView attributes, Now now) {
  wire::PacketHeader header;
  header.source = own_source;
  header.epoch = own_epoch_;
  header.event_class = wire::EventClass::durable;
  header.sequence = ++own_sequence_;
  header.time_ns = now.wall_ns;
  header.attributes = attributes;
  std::uint64_t& published = own_counts_[std::string(topic)];
  header.topic_count = std::exchange(published, published + builder.count());
  return builder.finish(header);
}

/// Stores one message of the live path under the proxy's own name: a foreign header must not touch the numbers of a
/// real source. Who published it stands in the attribute `capturedfrom`, of the packet or of the CloudEvent.
Result<void> BrokerState::on_captured(BytesView topic, BytesView bytes, Now now) {
  if (!ledger_->has_log()) return fail(ErrorCode::no_spool, "there is no spool to capture into");
  if (auto checked = wire::check_topic(topic); !checked) return checked;
  if (topic.starts_with('_')) return {};  // echoes and the like are nobody's events
  if (own_counts_.size() >= captured_topics_max && !own_counts_.contains(topic)) {
    return fail(ErrorCode::too_many,
                "captured_topics_max (100,000) topics were captured; capture a narrower pattern");
  }
  if (!ledger_->has_space(Tier::publish, bytes.size() + small_record_bytes_max))
    return fail(full_error(Tier::publish));
  wire::PacketBuilder builder;
  Bytes packet_attributes;
  if (wire::Packet::looks_like_one(bytes)) {
    auto packet = wire::Packet::parse(bytes, packet_values_);
    if (!packet) return fail(packet.error());
    if (packet->header().event_class != wire::EventClass::live) {
      return fail(ErrorCode::malformed, "a packet on the live path says it is durable");
    }
    if (packet->header().count == 0) return {};  // it only states totals
    const Attribute from[] = {Attribute::text("capturedfrom", packet->header().source)};
    packet_attributes = with_attributes(packet->header().attributes, from);
    const std::vector<wire::PacketEvent> events = packet->events();
    for (std::size_t i = 0; i < events.size(); ++i) builder.add(events[i].data, events[i].attributes, packet->key(i));
  } else {
    auto event = wire::CloudEvent::parse(topic, bytes);
    if (!event) return fail(event.error());
    const Attribute from[] = {Attribute::text("capturedfrom", event->source),
                              Attribute::text("capturedid", event->id)};
    builder.add(event->data.empty() ? BytesView("\xc0", 1) : event->data,
                with_attributes(wire::attribute_map(event->attributes), from));
  }
  const std::uint32_t count = builder.count();
  const Bytes packet = own_packet(topic, builder, packet_attributes, now);
  // A packet that cannot be read would end every recovery: the new header may have taken it beyond a limit.
  if (auto parsed = wire::Packet::parse(packet, packet_values_); !parsed) return fail(parsed.error());
  if (auto room = ledger_->make_room(spool::record_bytes(topic.size(), packet.size()), now); !room) return room;
  ledger_->log().begin(now.wall_ns);
  append_events(topic, packet, count);
  ledger_->log().finish();
  return {};
}

}  // namespace spindle::proxy
