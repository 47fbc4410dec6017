#include "spindle/transport/outbox.hpp"

#include <algorithm>

#include "spindle/wire/topic.hpp"

namespace spindle::transport {
namespace {

// What the head of a message spends on them, at most; windows are counted with it.
constexpr std::size_t turn_bytes = 16;
constexpr std::size_t settlement_bytes = 56;
constexpr std::size_t event_overhead_bytes = 24;
constexpr std::size_t packet_overhead_bytes = 512;

std::size_t size_of(const OutgoingEvent& event) {
  return event.data.size() + event.attributes.size() + event_overhead_bytes;
}

std::size_t size_of(std::span<const OutgoingEvent> events) {
  std::size_t bytes = 0;
  for (const OutgoingEvent& event : events) bytes += size_of(event);
  return bytes;
}

/// Packets that these events can need at most: a new one begins with another topic, with or without keys, and when
/// one is full.
std::size_t packets_for(std::span<const OutgoingEvent> events, std::size_t bytes) {
  std::size_t packets = 1 + 2 * bytes / limits::packet_bytes_target + events.size() / limits::packet_events_max;
  for (std::size_t i = 1; i < events.size(); ++i) {
    if (events[i].topic != events[i - 1].topic || events[i].key.has_value() != events[i - 1].key.has_value()) {
      ++packets;
    }
  }
  return packets;
}

bool is_bare_ack(const wire::Settlement& settlement) { return settlement.verdict == wire::Verdict::ack; }

}  // namespace

Outbox::Outbox(std::string source, std::size_t bytes_max) : source_(std::move(source)), bytes_max_(bytes_max) {}

Result<void> Outbox::check_commit(std::span<const OutgoingEvent> events) const {
  if (!has_room()) {
    return fail(ErrorCode::outbox_full,
                "commits of more than " + std::to_string(bytes_max_) +
                    " bytes (outbox_bytes_max) have no outcome yet: is the proxy there? Wait for outcomes");
  }
  std::string_view topic;
  for (const OutgoingEvent& event : events) {
    if (auto checked = check_sizes(event); !checked) return checked;
    if (event.topic == topic) continue;
    topic = event.topic;
    if (auto checked = wire::check_topic(topic); !checked) return checked;
    if (topic_counts_.size() >= topics_per_source_max && !topic_counts_.contains(topic)) {
      return fail(ErrorCode::too_many, "one source publishes on at most " + std::to_string(topics_per_source_max) +
                                           " topics (topics_per_source_max): put what varies into the event");
    }
  }
  const std::size_t bytes = size_of(events);
  if (bytes > commit_bytes_max || packets_for(events, bytes) > packets_per_message_max) {
    return fail(ErrorCode::too_large, "one commit has at most " + std::to_string(commit_bytes_max) + " bytes and " +
                                          std::to_string(packets_per_message_max) +
                                          " changes of topic: publish it as several");
  }
  return {};
}

Result<Ticket> Outbox::publish(std::span<const OutgoingEvent> events, WallNs now) {
  if (events.empty()) return fail(ErrorCode::invalid_argument, "a publish has at least one event");
  if (auto checked = check_commit(events); !checked) return fail(checked.error());
  Shipment& shipment = new_shipment(true);
  add_events(shipment, events, now, nullptr);
  add_commits(shipment, 1, size_of(events));
  return last_ticket_;
}

Result<Ticket> Outbox::settle(std::span<const wire::Settlement> settlements, std::span<const OutgoingEvent> events,
                              WallNs now) {
  if (settlements.empty() || settlements.size() > settlements_per_turn_max) {
    return fail(ErrorCode::invalid_argument, "a turn has 1 to " + std::to_string(settlements_per_turn_max) +
                                                 " settlements (settlements_per_turn_max)");
  }
  if (events.empty() && settlements.size() == 1 && settlements[0].count == 1 && is_bare_ack(settlements[0])) {
    return acknowledge_each(settlements[0].member, settlements[0].first, 1);
  }
  if (!events.empty()) {
    if (auto checked = check_commit(events); !checked) return fail(checked.error());
  }
  std::size_t bytes = turn_bytes + settlements.size() * settlement_bytes + size_of(events);
  for (const wire::Settlement& settlement : settlements) bytes += settlement.reason.size();
  Shipment& shipment = open_settle(bytes, events.empty() ? 0 : packets_for(events, bytes));
  wire::Turn& turn = new_turn(shipment);
  turn.settlements.assign(settlements.begin(), settlements.end());
  add_events(shipment, events, now, &turn);
  add_commits(shipment, 1, bytes);
  return last_ticket_;
}

Ticket Outbox::acknowledge_each(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count) {
  const Ticket ticket = last_ticket_ + 1;
  wire::Settlement rest;
  rest.member = member;
  rest.first = first;
  rest.count = count;
  while (rest.count > 0) {
    Shipment& shipment = open_settle(turn_bytes + settlement_bytes, 0);
    const std::uint64_t run = std::min<std::uint64_t>(rest.count, commits_per_settle_target - shipment.commits);
    if (extends_last_turn(shipment, rest)) {
      wire::Turn& turn = shipment.turns.back();
      turn.run += run;
      turn.settlements[0].count += run;
      add_commits(shipment, run, 0);
    } else {
      wire::Turn& turn = new_turn(shipment);
      turn.run = run;
      turn.settlements.push_back(rest);
      turn.settlements[0].count = run;
      add_commits(shipment, run, turn_bytes + settlement_bytes);
    }
    rest.first.offset += run;
    rest.count -= run;
  }
  return ticket;
}

/// Whether the last turn is a run of bare acks that ends just before this delivery.
bool Outbox::extends_last_turn(const Shipment& shipment, const wire::Settlement& settlement) const {
  if (shipment.turns.empty()) return false;
  const wire::Turn& turn = shipment.turns.back();
  if (turn.settlements.size() != 1 || !turn.publications.empty()) return false;
  const wire::Settlement& last = turn.settlements[0];
  return is_bare_ack(last) && last.count == turn.run && last.member == settlement.member &&
         last.first.run == settlement.first.run && last.first.generation == settlement.first.generation &&
         last.first.handout == settlement.first.handout && last.first.offset + last.count == settlement.first.offset;
}

Outbox::Shipment& Outbox::new_shipment(bool is_publish) {
  Shipment& shipment = shipments_.emplace_back();
  shipment.is_publish = is_publish;
  shipment.first = last_ticket_ + 1;
  return shipment;
}

/// The settle that still takes turns, or a new one if there is none with so much room.
Outbox::Shipment& Outbox::open_settle(std::size_t bytes, std::size_t packets) {
  if (!shipments_.empty()) {
    Shipment& last = shipments_.back();
    if (!last.is_publish && !last.sealed && last.commits < commits_per_settle_target &&
        last.bytes + bytes <= settle_bytes_target && last.drafts.size() + packets <= packets_per_message_max) {
      return last;
    }
  }
  return new_shipment(false);
}

wire::Turn& Outbox::new_turn(Shipment& shipment) {
  shipment.turn_tickets.push_back(last_ticket_ + 1);
  return shipment.turns.emplace_back();
}

void Outbox::add_commits(Shipment& to, std::uint64_t count, std::size_t bytes) {
  to.commits += count;
  to.bytes += bytes;
  bytes_ += bytes;
  last_ticket_ += count;
}

/// Packets are runs of one topic, never regrouped: a source's events are stored in the order it published them.
void Outbox::add_events(Shipment& to, std::span<const OutgoingEvent> events, WallNs now, wire::Turn* turn) {
  for (const OutgoingEvent& event : events) {
    Draft* draft = to.drafts.empty() ? nullptr : &to.drafts.back();
    if (draft == nullptr || draft->topic != event.topic || draft->events.has_keys() != event.key.has_value() ||
        draft->events.size() + size_of(event) > limits::packet_bytes_target ||
        draft->events.count() >= limits::packet_events_max) {
      draft = &to.drafts.emplace_back();
      draft->topic = event.topic;
      draft->time_ns = now;
      draft->first = last_ticket_ + 1;
      topic_counts_.try_emplace(draft->topic, 0);
    }
    if (turn != nullptr) {
      const std::uint64_t packet = to.drafts.size() - 1;
      if (turn->publications.empty() || turn->publications.back().packet != packet) {
        turn->publications.push_back({packet, draft->events.count(), 0});
      }
      ++turn->publications.back().count;
    }
    draft->events.add(event.data, event.attributes, event.key);
  }
  to.events += events.size();
}

/// Makes the bytes that every repetition will have.
void Outbox::seal(Shipment& shipment) {
  if (shipment.sealed) return;
  shipment.sealed = true;
  shipment.epoch = epoch_;
  shipment.packets.reserve(shipment.drafts.size());
  for (Draft& draft : shipment.drafts) {
    std::uint64_t& topic_count = topic_counts_.find(draft.topic)->second;
    wire::PacketHeader header;
    header.source = source_;
    header.epoch = epoch_;
    header.event_class = wire::EventClass::durable;
    header.sequence = base_ + draft.first;
    header.topic_count = topic_count;
    header.time_ns = draft.time_ns;
    topic_count += draft.events.count();
    SharedBytes packet = SharedBytes::own(draft.events.finish(header));
    shipment.packets.push_back({SharedBytes::own(std::move(draft.topic)), std::move(packet)});
  }
  shipment.drafts = {};
  std::size_t bytes = packet_overhead_bytes;
  for (const wire::Turn& turn : shipment.turns) {
    bytes += turn_bytes * (1 + turn.publications.size()) + settlement_bytes * turn.settlements.size();
    for (const wire::Settlement& settlement : turn.settlements) bytes += settlement.reason.size();
  }
  for (const wire::TopicPacket& pair : shipment.packets) bytes += pair.topic.view.size() + pair.packet.view.size();
  bytes_ += bytes;
  bytes_ -= shipment.bytes;
  shipment.bytes = bytes;
}

Result<void> Outbox::begin(const wire::Welcome& welcome) {
  if (begun_) {
    const std::string said = "the proxy's last number for " + source_ + " is " + std::to_string(welcome.last_number);
    if (welcome.last_number < acknowledged()) {
      return fail(ErrorCode::spool_rolled_back, said + ", but it acknowledged " + std::to_string(acknowledged()) +
                                                    ": its spool is older or another one; start this process anew");
    }
    if (welcome.last_number > base_ + last_ticket_) {
      return fail(ErrorCode::number_gap, said + ", which this process never sent: is another one using the name?");
    }
  } else {
    base_ = welcome.last_number - answered_;
    begun_ = true;
  }
  if (welcome.epoch != epoch_) {
    epoch_ = welcome.epoch;
    for (auto& [topic, count] : topic_counts_) count = 0;
  }
  window_bytes_ = welcome.publish_window_bytes;
  commits_max_ = welcome.commits_in_flight_max;
  sent_ = 0;
  bytes_in_flight_ = 0;
  return {};
}

void Outbox::rewind(std::uint64_t number) {
  while (sent_ > 0 && base_ + shipments_[sent_ - 1].end() > number) {
    --sent_;
    bytes_in_flight_ -= shipments_[sent_].bytes;
  }
}

bool Outbox::window_has_room(const Shipment& shipment) const {
  if (sent_ == 0) return true;  // one message always goes
  return bytes_in_flight_ + shipment.bytes <= window_bytes_ && shipment.end() - 1 - answered_ <= commits_max_;
}

std::optional<wire::Message> Outbox::next(std::uint64_t session, std::uint64_t message_number) {
  if (sent_ == shipments_.size() || !window_has_room(shipments_[sent_])) return std::nullopt;
  Shipment& shipment = shipments_[sent_];
  seal(shipment);
  shipment.message_number = message_number;
  wire::Message message;
  const std::uint64_t first = base_ + shipment.first;
  if (shipment.is_publish) {
    message.head = wire::encode(session, message_number, wire::Publish{first});
  } else {
    wire::Settle settle;
    settle.first_number = first;
    settle.turns.swap(shipment.turns);  // lent for the encoding
    message.head = wire::encode(session, message_number, settle);
    settle.turns.swap(shipment.turns);
  }
  message.packets = shipment.packets;
  bytes_in_flight_ += shipment.bytes;
  ++sent_;
  return message;
}

bool Outbox::carried_by(std::uint64_t message_number) const {
  for (std::size_t i = 0; i < sent_; ++i) {
    if (shipments_[i].message_number == message_number) return true;
  }
  return false;
}

void Outbox::on_outcome(const wire::Outcome& outcome, std::vector<SessionEvent>& events) {
  const Ticket all = last_ticket_ + 1;
  // As signed: numbers from before this process may be among them.
  const auto first = static_cast<std::int64_t>(outcome.number - base_);
  const auto last = first + static_cast<std::int64_t>(std::min(outcome.run, base_ + all)) - 1;
  if (last < 1) return;
  const Ticket end = std::min(static_cast<Ticket>(last) + 1, all);
  Ticket from = std::max(first > 0 ? static_cast<Ticket>(first) : 1, answered_ + 1);
  while (from < end) {
    auto island = answered_above_.upper_bound(from);
    if (island != answered_above_.begin()) {
      auto before = std::prev(island);
      if (before->second > from) {
        from = before->second;
        continue;
      }
    }
    const Ticket to = island == answered_above_.end() ? end : std::min(end, island->first);
    tell(outcome, from, to, events);
    mark_answered(from, to);
    from = std::max(to, answered_ + 1);
  }
  drop_answered();
}

/// Tells the outcome of those of its commits that are in [from, to).
void Outbox::tell(const wire::Outcome& outcome, Ticket from, Ticket to, std::vector<SessionEvent>& events) {
  const bool refused = outcome.status == wire::OutcomeStatus::refused;
  collect_settled(from, to, refused && outcome.code != ErrorCode::stale);
  session_event::Committed committed{from, outcome, shipments_[shipment_with(from)].epoch};
  const std::uint64_t end = outcome.number + outcome.run;
  const bool whole = outcome.number == base_ + from && end == base_ + to;
  committed.outcome.number = base_ + from;
  committed.outcome.run = to - from;
  if (!whole && !refused) {
    // Counted from the end: the commits before may be forgotten already.
    committed.outcome.events = events_between(from, to);
    const std::uint64_t after = events_between(from, end - base_);
    if (outcome.status == wire::OutcomeStatus::stored && after <= outcome.events) {
      committed.outcome.first_offset = outcome.first_offset + outcome.events - after;
    }
  }
  events.emplace_back(std::move(committed));
}

void Outbox::refuse_all(const Error& why, std::vector<SessionEvent>& events) {
  wire::Outcome outcome;
  outcome.number = base_ + answered_ + 1;
  outcome.run = unanswered();
  outcome.status = wire::OutcomeStatus::refused;
  outcome.code = why.code;
  outcome.text = why.text;
  on_outcome(outcome, events);
}

std::size_t Outbox::shipment_with(Ticket ticket) const {
  auto behind = std::upper_bound(shipments_.begin(), shipments_.end(), ticket,
                                 [](Ticket wanted, const Shipment& shipment) { return wanted < shipment.first; });
  return behind == shipments_.begin() ? 0 : static_cast<std::size_t>(behind - shipments_.begin()) - 1;
}

void Outbox::collect_settled(Ticket from, Ticket to, bool held) {
  for (std::size_t i = shipment_with(from); i < shipments_.size() && shipments_[i].first < to; ++i) {
    const Shipment& shipment = shipments_[i];
    const auto& tickets = shipment.turn_tickets;
    auto at = std::upper_bound(tickets.begin(), tickets.end(), from);
    if (at != tickets.begin()) --at;
    for (; at != tickets.end() && *at < to; ++at) {
      const wire::Turn& turn = shipment.turns[static_cast<std::size_t>(at - tickets.begin())];
      const Ticket begin = std::max(from, *at);
      const Ticket end = std::min(to, *at + turn.run);
      if (begin >= end) continue;
      for (const wire::Settlement& settlement : turn.settlements) {
        SettledRange range{settlement.member, settlement.first, settlement.count, held};
        if (turn.run > 1) {
          range.first.offset += begin - *at;
          range.count = end - begin;
        }
        settled_.push_back(range);
      }
    }
  }
}

std::uint64_t Outbox::events_between(Ticket from, Ticket to) const {
  std::uint64_t events = 0;
  for (std::size_t i = shipment_with(from); i < shipments_.size() && shipments_[i].first < to; ++i) {
    const Shipment& shipment = shipments_[i];
    if (shipment.is_publish) events += shipment.first >= from ? shipment.events : 0;
    for (std::size_t t = 0; t < shipment.turns.size(); ++t) {
      if (shipment.turn_tickets[t] < from || shipment.turn_tickets[t] >= to) continue;
      for (const wire::Publication& publication : shipment.turns[t].publications) events += publication.count;
    }
  }
  return events;
}

void Outbox::mark_answered(Ticket from, Ticket to) {
  if (from == answered_ + 1) {
    answered_ = to - 1;
  } else {
    answered_above_[from] = to;
  }
  while (!answered_above_.empty() && answered_above_.begin()->first == answered_ + 1) {
    answered_ = answered_above_.begin()->second - 1;
    answered_above_.erase(answered_above_.begin());
  }
}

void Outbox::drop_answered() {
  while (!shipments_.empty() && shipments_.front().end() <= answered_ + 1) {
    const Shipment& front = shipments_.front();
    bytes_ -= front.bytes;
    if (sent_ > 0) {
      --sent_;
      bytes_in_flight_ -= front.bytes;
    }
    shipments_.pop_front();
  }
}

}  // namespace spindle::transport
