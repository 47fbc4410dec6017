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
  shipment.parts.push_back({last_ticket_ + 1, 1, events.size()});
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
  wire::Turn& turn = new_turn(shipment, 1);
  shipment.parts.back().events = events.size();
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
      shipment.parts.back().run += run;
      add_commits(shipment, run, 0);
    } else {
      wire::Turn& turn = new_turn(shipment, run);
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
  const Part& part = shipment.parts.back();
  if (part.first + part.run != last_ticket_ + 1) return false;
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
  return shipment;
}

/// The settle that still takes turns, or a new one if there is none with so much room.
Outbox::Shipment& Outbox::open_settle(std::size_t bytes, std::size_t packets) {
  if (!shipments_.empty()) {
    Shipment& last = shipments_.back();
    const bool may_mix = !halted_ || last.has_events() == (packets > 0);
    if (may_mix && !last.is_publish && !last.sealed && last.commits < commits_per_settle_target &&
        last.bytes + bytes <= settle_bytes_target && last.drafts.size() + packets <= packets_per_message_max) {
      return last;
    }
  }
  return new_shipment(false);
}

wire::Turn& Outbox::new_turn(Shipment& shipment, std::uint64_t run) {
  shipment.parts.push_back({last_ticket_ + 1, run, 0});
  wire::Turn& turn = shipment.turns.emplace_back();
  turn.run = run;
  return turn;
}

void Outbox::add_commits(Shipment& to, std::uint64_t count, std::size_t bytes) {
  to.commits += count;
  to.bytes += bytes;
  bytes_ += bytes;
  last_ticket_ += count;
  unanswered_ += count;
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
      draft->ticket = last_ticket_ + 1;
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
}

void Outbox::number(Shipment& shipment) {
  if (shipment.number != 0) return;
  shipment.number = next_number_;
  next_number_ += shipment.commits;
}

/// Makes the bytes that every repetition will have.
void Outbox::seal(Shipment& shipment) {
  if (shipment.sealed) return;
  shipment.sealed = true;
  shipment.epoch = epoch_;
  shipment.packets.reserve(shipment.drafts.size());
  std::uint64_t number = shipment.number;
  std::size_t part = 0;
  for (Draft& draft : shipment.drafts) {
    while (part + 1 < shipment.parts.size() && shipment.parts[part].first < draft.ticket) {
      number += shipment.parts[part++].run;
    }
    std::uint64_t& topic_count = topic_counts_.find(draft.topic)->second;
    wire::PacketHeader header;
    header.source = source_;
    header.epoch = epoch_;
    header.event_class = wire::EventClass::durable;
    header.sequence = number;
    header.topic_count = topic_count;
    header.time_ns = draft.time_ns;
    topic_count += draft.events.count();
    SharedBytes packet = SharedBytes::own(draft.events.finish(header));
    shipment.packets.push_back({SharedBytes::own(std::move(draft.topic)), std::move(packet)});
  }
  shipment.drafts = {};
  set_bytes(shipment, sealed_bytes(shipment));
}

/// The first part that publishes from the packet.
std::size_t Outbox::first_publisher(const Shipment& shipment, std::size_t packet) {
  for (std::size_t i = 0; i < shipment.turns.size(); ++i) {
    for (const wire::Publication& publication : shipment.turns[i].publications) {
      if (publication.packet == packet) return i;
    }
  }
  return 0;
}

/// The events of its packets, to be packed anew.
void Outbox::unseal(Shipment& shipment) {
  if (!shipment.sealed) return;
  shipment.sealed = false;
  wire::Values values;
  for (std::size_t i = 0; i < shipment.packets.size(); ++i) {
    const wire::Packet packet = wire::Packet::parse(shipment.packets[i].packet.view, values).value();  // its own
    Draft& draft = shipment.drafts.emplace_back();
    draft.topic = std::string(shipment.packets[i].topic.view);
    draft.time_ns = packet.header().time_ns;
    draft.ticket = shipment.parts[first_publisher(shipment, i)].first;
    const std::vector<wire::PacketEvent> events = packet.events();
    for (std::size_t k = 0; k < events.size(); ++k) {
      draft.events.add(events[k].data, events[k].attributes, packet.key(k));
    }
  }
  shipment.packets = {};
}

std::size_t Outbox::sealed_bytes(const Shipment& shipment) {
  std::size_t bytes = packet_overhead_bytes;
  for (const wire::Turn& turn : shipment.turns) {
    bytes += turn_bytes * (1 + turn.publications.size()) + settlement_bytes * turn.settlements.size();
    for (const wire::Settlement& settlement : turn.settlements) bytes += settlement.reason.size();
  }
  for (const Draft& draft : shipment.drafts) bytes += draft.topic.size() + draft.events.size();
  for (const wire::TopicPacket& pair : shipment.packets) bytes += pair.topic.view.size() + pair.packet.view.size();
  return bytes;
}

void Outbox::set_bytes(Shipment& shipment, std::size_t bytes) {
  bytes_ += bytes;
  bytes_ -= shipment.bytes;
  shipment.bytes = bytes;
}

Result<void> Outbox::begin(const wire::Welcome& welcome) {
  if (begun_) {
    const std::string said = "the proxy's last number for " + source_ + " is " + std::to_string(welcome.last_number);
    if (welcome.last_number < acknowledged_) {
      return fail(ErrorCode::spool_rolled_back, said + ", but it acknowledged " + std::to_string(acknowledged_) +
                                                    ": its spool is older or another one; start this process anew");
    }
    if (welcome.last_number >= next_number_) {
      return fail(ErrorCode::number_gap, said + ", which this process never sent: is another one using the name?");
    }
  } else {
    answered_ = acknowledged_ = welcome.last_number;
    next_number_ = welcome.last_number + 1;
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

void Outbox::begin_anew(const wire::Welcome& welcome, const NewLog& log, std::vector<SessionEvent>& events) {
  if (log.in_doubt && next_number_ > answered_ + 1) {
    wire::Outcome outcome;
    outcome.number = answered_ + 1;
    outcome.run = next_number_ - outcome.number;
    outcome.status = wire::OutcomeStatus::refused;
    outcome.code = log.in_doubt->code;
    outcome.text = log.in_doubt->text;
    on_outcome(outcome, events);
  }
  for (Shipment& shipment : shipments_) {
    keep_unanswered(shipment);
    shipment.number = 0;
    // An event that may have been seen in a time that is lost keeps its id, where the new log takes it.
    if (shipment.commits > 0 && (log.other || shipment.epoch > welcome.epoch)) unseal(shipment);
  }
  std::erase_if(shipments_, [&](Shipment& shipment) {
    if (shipment.commits == 0) set_bytes(shipment, 0);
    return shipment.commits == 0;
  });
  answered_above_.clear();
  begun_ = false;
  (void)begin(welcome);  // fails only when it has begun
}

/// Takes out what has an outcome: the numbers that follow have no gaps.
void Outbox::keep_unanswered(Shipment& shipment) {
  if (shipment.number == 0) return;
  std::vector<Part> parts;
  std::vector<wire::Turn> turns;
  std::uint64_t commits = 0;
  std::uint64_t number = shipment.number;
  for (std::size_t i = 0; i < shipment.parts.size(); ++i) {
    const Part& part = shipment.parts[i];
    for (const auto& [from, to] : unanswered_in(number, number + part.run)) {
      parts.push_back({part.first + (from - number), to - from, part.events});
      commits += to - from;
      if (shipment.is_publish) continue;
      wire::Turn& turn = turns.emplace_back(shipment.turns[i]);
      turn.run = to - from;
      if (part.run == 1) continue;
      turn.settlements[0].first.offset += from - number;
      turn.settlements[0].count = turn.run;
    }
    number += part.run;
  }
  shipment.parts = std::move(parts);
  shipment.turns = std::move(turns);
  shipment.commits = commits;
}

void Outbox::halt(std::uint64_t number) {
  halted_ = true;
  while (sent_ > 0 && shipments_[sent_ - 1].end() > number) {
    --sent_;
    bytes_in_flight_ -= shipments_[sent_].bytes;
  }
  std::size_t free = sent_;
  while (free < shipments_.size() && shipments_[free].number != 0 && shipments_[free].number < number) ++free;
  std::deque<Shipment> bare;
  std::deque<Shipment> others;
  for (std::size_t i = free; i < shipments_.size(); ++i) {
    Shipment& shipment = shipments_[i];
    if (shipment.number != 0) next_number_ = std::min(next_number_, shipment.number);
    shipment.number = 0;
    if (!shipment.has_events()) {
      bare.push_back(std::move(shipment));
      continue;
    }
    if (Shipment turns = take_bare_turns(shipment); turns.commits > 0) bare.push_back(std::move(turns));
    if (shipment.commits == 0) {
      set_bytes(shipment, 0);
    } else {
      others.push_back(std::move(shipment));
    }
  }
  shipments_.resize(free);
  for (Shipment& shipment : bare) shipments_.push_back(std::move(shipment));
  for (Shipment& shipment : others) shipments_.push_back(std::move(shipment));
}

/// The turns that publish nothing, as a message of their own.
Outbox::Shipment Outbox::take_bare_turns(Shipment& shipment) {
  Shipment bare;
  if (shipment.is_publish) return bare;
  Shipment rest;
  for (std::size_t i = 0; i < shipment.turns.size(); ++i) {
    Shipment& to = shipment.turns[i].publications.empty() ? bare : rest;
    to.commits += shipment.parts[i].run;
    to.parts.push_back(shipment.parts[i]);
    to.turns.push_back(std::move(shipment.turns[i]));
  }
  shipment.commits = rest.commits;
  shipment.parts = std::move(rest.parts);
  shipment.turns = std::move(rest.turns);
  if (bare.commits > 0) {
    set_bytes(shipment, sealed_bytes(shipment));
    set_bytes(bare, sealed_bytes(bare));
  }
  return bare;
}

bool Outbox::window_has_room(const Shipment& shipment) const {
  if (sent_ == 0) return true;  // one message always goes
  const std::uint64_t end = shipment.number != 0 ? shipment.end() : next_number_ + shipment.commits;
  return bytes_in_flight_ + shipment.bytes <= window_bytes_ && end - 1 - answered_ <= commits_max_;
}

std::optional<wire::Message> Outbox::next(std::uint64_t session, std::uint64_t message_number) {
  if (sent_ == shipments_.size() || !window_has_room(shipments_[sent_])) return std::nullopt;
  Shipment& shipment = shipments_[sent_];
  number(shipment);
  seal(shipment);
  shipment.message_number = message_number;
  wire::Message message;
  if (shipment.is_publish) {
    message.head = wire::encode(session, message_number, wire::Publish{shipment.number});
  } else {
    wire::Settle settle;
    settle.first_number = shipment.number;
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
  // Numbers from before this process may be among them, and of a hostile proxy any.
  if (outcome.number >= next_number_) return;
  const std::uint64_t end = outcome.number + std::min(outcome.run, next_number_ - outcome.number);
  halted_ = false;
  for (const auto& [from, to] : unanswered_in(outcome.number, end)) {
    tell(outcome, from, to, events);
    mark_answered(from, to);
  }
  drop_answered();
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> Outbox::unanswered_in(std::uint64_t from,
                                                                           std::uint64_t to) const {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges;
  from = std::max(from, answered_ + 1);
  auto island = answered_above_.upper_bound(from);
  if (island != answered_above_.begin()) from = std::max(from, std::prev(island)->second);
  while (from < to) {
    const std::uint64_t end = island == answered_above_.end() ? to : std::min(to, island->first);
    if (from < end) ranges.emplace_back(from, end);
    if (island == answered_above_.end()) break;
    from = island->second;
    ++island;
  }
  return ranges;
}

std::vector<Outbox::Slice> Outbox::slices(std::uint64_t from, std::uint64_t to) const {
  auto behind = std::partition_point(shipments_.begin(), shipments_.end(), [&](const Shipment& shipment) {
    return shipment.number != 0 && shipment.end() <= from;
  });
  std::vector<Slice> all;
  for (; behind != shipments_.end() && behind->number != 0 && behind->number < to; ++behind) {
    std::uint64_t number = behind->number;
    for (std::size_t i = 0; i < behind->parts.size() && number < to; ++i) {
      const std::uint64_t begin = std::max(from, number);
      const std::uint64_t end = std::min(to, number + behind->parts[i].run);
      if (begin < end) all.push_back({&*behind, i, begin, begin - number, end - begin});
      number += behind->parts[i].run;
    }
  }
  return all;
}

/// Tells the outcome of those of its commits that have the numbers [from, to), in one event for as long as their
/// tickets are consecutive too.
void Outbox::tell(const wire::Outcome& outcome, std::uint64_t from, std::uint64_t to,
                  std::vector<SessionEvent>& events) {
  const bool refused = outcome.status == wire::OutcomeStatus::refused;
  // Counted from the end: the commits before may be forgotten already.
  std::uint64_t events_left = 0;
  const std::uint64_t end = outcome.number + std::min(outcome.run, next_number_ - outcome.number);
  for (const Slice& slice : slices(from, end)) {
    events_left += slice.shipment->parts[slice.part].events;
  }
  const bool offset_known = outcome.status == wire::OutcomeStatus::stored && events_left <= outcome.events;
  std::optional<session_event::Committed> told;
  for (const Slice& slice : slices(from, to)) {
    collect_settled(slice);
    const Part& part = slice.shipment->parts[slice.part];
    const Ticket ticket = part.first + slice.skip;
    if (told && told->first + told->outcome.run != ticket) events.emplace_back(std::move(*std::exchange(told, {})));
    if (!told) {
      told = {ticket, outcome, slice.shipment->epoch};
      told->outcome.number = slice.number;
      told->outcome.run = 0;
      if (!refused) {
        told->outcome.events = 0;
        if (offset_known) told->outcome.first_offset = outcome.first_offset + (outcome.events - events_left);
      }
    }
    told->outcome.run += slice.run;
    if (!refused) told->outcome.events += part.events;
    events_left -= part.events;
  }
  if (told) events.emplace_back(std::move(*told));
}

void Outbox::refuse_all(const Error& why, std::vector<SessionEvent>& events) {
  for (Shipment& shipment : shipments_) number(shipment);
  wire::Outcome outcome;
  outcome.number = answered_ + 1;
  outcome.run = next_number_ - outcome.number;
  outcome.status = wire::OutcomeStatus::refused;
  outcome.code = why.code;
  outcome.text = why.text;
  on_outcome(outcome, events);
}

void Outbox::collect_settled(const Slice& slice) {
  if (slice.shipment->is_publish) return;
  const wire::Turn& turn = slice.shipment->turns[slice.part];
  for (const wire::Settlement& settlement : turn.settlements) {
    SettledRange range{settlement.member, settlement.first, settlement.count};
    if (turn.run > 1) {
      range.first.offset += slice.skip;
      range.count = slice.run;
    }
    settled_.push_back(range);
  }
}

void Outbox::mark_answered(std::uint64_t from, std::uint64_t to) {
  unanswered_ -= to - from;
  acknowledged_ = std::max(acknowledged_, to - 1);
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
  while (!shipments_.empty() && shipments_.front().number != 0 && shipments_.front().end() <= answered_ + 1) {
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
