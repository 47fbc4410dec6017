// Turns: what a handler settles and what it publishes become one commit, or neither happens.
#include <algorithm>
#include <tuple>

#include "proxy/broker_state.hpp"
#include "proxy/text.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::proxy {

/// What a settle message comes to, turn by turn, before anything of it is logged.
struct BrokerState::SettlePlan {
  std::span<const SharedBytes> frames;
  std::vector<wire::Packet> packets;
  /// Why no turn of this message can publish anything; then there are no packets.
  std::optional<Error> packets_fault;
  /// By packet: the events that accepted turns publish, ascending, and where the next publication may begin.
  std::vector<std::vector<Interval>> accepted;
  std::vector<std::uint64_t> claimed_to;

  std::vector<wire::Outcome> outcomes;
  std::vector<GroupEffect> effects;
  /// Deliveries of stale turns: what is held of them is not any more.
  std::vector<wire::Settlement> taken_back;
  /// For the outcomes that need their first offset: which outcome, and its first event's packet and place in it.
  struct Publishes {
    std::size_t outcome;
    std::uint64_t packet;
    std::uint64_t first;
  };
  std::vector<Publishes> publishes;

  void add(wire::Outcome outcome) {
    if (outcomes.empty() || !join(outcomes.back(), outcome)) outcomes.push_back(std::move(outcome));
  }

  void refuse(std::uint64_t number, std::uint64_t run, const Error& error) {
    wire::Outcome outcome;
    outcome.number = number;
    outcome.run = run;
    outcome.status = wire::OutcomeStatus::refused;
    outcome.code = error.code;
    outcome.text = clean_text(error.text, refusal_bytes_max);
    add(std::move(outcome));
  }
};

namespace {

const Error stale{
    ErrorCode::stale,
    "a delivery of this turn is no longer held by this session: it was settled, taken back, or given to "
    "another member"};

/// The short form must be what it says: bare acks of as many deliveries as there are commits.
bool well_formed(const wire::Turn& turn) {
  if (turn.run == 1) return !turn.settlements.empty() || !turn.publications.empty();
  return turn.run != 0 && turn.run <= limits::packet_events_max && turn.settlements.size() == 1 &&
         turn.publications.empty() && turn.settlements[0].count == turn.run &&
         turn.settlements[0].verdict == wire::Verdict::ack;
}

/// The short form without its first `skip` commits.
wire::Turn rest_of(const wire::Turn& turn, std::uint64_t skip) {
  wire::Turn rest = turn;
  rest.run -= skip;
  rest.settlements[0].first.offset += skip;
  rest.settlements[0].count -= skip;
  return rest;
}

/// What the turns come to in the log at most, without what they publish: outcomes and effects. A run that is held
/// only in parts comes to more, which the lowest tier's rest of the reserve is for.
std::uint64_t log_bytes_of(const std::vector<wire::Turn>& turns) {
  std::uint64_t bytes = 0;
  for (const wire::Turn& turn : turns) {
    bytes += effect_bytes_max;
    for (const wire::Settlement& settlement : turn.settlements) {
      bytes += effect_bytes_max + std::min(settlement.reason.size(), reason_bytes_max);
    }
  }
  return bytes;
}

/// Retries last, the newest first: each takes back what the member holds of its key behind it, which the turn may
/// settle, too.
std::vector<const wire::Settlement*> in_order(const wire::Turn& turn) {
  std::vector<const wire::Settlement*> sorted;
  for (const wire::Settlement& settlement : turn.settlements) sorted.push_back(&settlement);
  auto place = [](const wire::Settlement* settlement) {
    return settlement->verdict == wire::Verdict::retry ? ~settlement->first.offset : 0;
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&](auto a, auto b) { return place(a) < place(b); });
  return sorted;
}

/// Whether a delivery is settled twice in the turn.
bool settles_twice(const wire::Turn& turn) {
  if (turn.settlements.size() < 2) return false;
  auto order = [](const wire::Settlement* s) { return std::tie(s->member, s->first.handout, s->first.offset); };
  std::vector<const wire::Settlement*> sorted;
  for (const wire::Settlement& settlement : turn.settlements) sorted.push_back(&settlement);
  std::sort(sorted.begin(), sorted.end(), [&](auto a, auto b) { return order(a) < order(b); });
  return std::adjacent_find(sorted.begin(), sorted.end(), [](auto a, auto b) {
           return a->member == b->member && a->first.handout == b->first.handout &&
                  b->first.offset - a->first.offset < a->count;
         }) != sorted.end();
}

}  // namespace

void BrokerState::settle(Session& session, const wire::Head& head, std::span<const SharedBytes> frames, Now now) {
  const std::uint64_t message = head.envelope().number;
  auto settle = wire::decode<wire::Settle>(head);
  if (!settle) return send_error(session, message, settle.error());
  if (session.halted) return;
  Source* source = sources_.find(session.source);
  if (source == nullptr) return send_error(session, message, {ErrorCode::denied, "this session has no source"});
  if (settle->first_number == 0 || settle->turns.empty() ||
      !std::all_of(settle->turns.begin(), settle->turns.end(), well_formed)) {
    return send_error(session, message,
                      {ErrorCode::malformed, "a settle's numbers begin at 1, and a turn's run fits what it settles"});
  }
  if (settle->first_number > source->last_number + 1)
    return gap(session, *source, settle->first_number, message, now);

  std::uint64_t end = settle->first_number;
  for (const wire::Turn& turn : settle->turns) end += turn.run;
  const std::uint64_t fresh = source->last_number + 1;  // what is below was settled before and is answered as then
  if (settle->first_number < fresh) {
    answer(session, session.settled, source->repeat(settle->first_number, std::min(end, fresh) - 1));
    session.settled_answers = message;
    take_back_repeated(session, *settle, fresh, now);
  }
  if (end <= fresh) return;
  std::uint64_t bytes = settle_turn_bytes * settle->turns.size();
  for (const SharedBytes& frame : frames) bytes += frame.view.size();
  if (!has_window(session, bytes, message, now)) return;
  if (halt_if_forgetful(session, fresh, message)) return;
  if (halt_if_full(session, fresh, message, bytes + log_bytes_of(settle->turns),
                   frames.empty() ? Tier::bare : publishing_tier(*settle), now)) {
    return;
  }
  session.settled_answers = message;
  SettlePlan plan = plan_settle(session, frames);
  std::uint64_t number = settle->first_number;
  for (const wire::Turn& turn : settle->turns) {
    if (number >= fresh) {
      turn.run == 1 ? plan_turn(session, plan, turn, number, now) : plan_run(session, plan, turn, number, now);
    } else if (number + turn.run > fresh) {
      plan_run(session, plan, rest_of(turn, fresh - number), fresh, now);
    } else {
      (void)claim_events(plan, turn);  // what it published once is nobody else's
    }
    number += turn.run;
  }
  commit_settle(session, *source, plan, now);
  count_unanswered(session, bytes);
}

/// What was refused was claimed, too, if the client did not know of that yet; now it drops it.
void BrokerState::take_back_repeated(const Session& session, const wire::Settle& settle, std::uint64_t fresh,
                                     Now now) {
  std::uint64_t number = settle.first_number;
  for (const wire::Turn& turn : settle.turns) {
    if (number >= fresh) return;
    for (wire::Settlement settlement : turn.settlements) {
      if (turn.run > 1) settlement.count = std::min(turn.run, fresh - number);
      take_back(session, settlement, now);
    }
    number += turn.run;
  }
}

void BrokerState::take_back(const Session& session, const wire::Settlement& settlement, Now now) {
  Group* group = group_of(session, settlement.member);
  if (group == nullptr || !group->take_back(key_of(session, settlement.member), settlement, now)) return;
  group->decided_in_batch = ledger_->decided_batch();  // it hears of the outcome before it gets them again
}

/// The turn is refused as a whole, so its client has dropped all deliveries of it. When that was no fault of the turn
/// they come again as if nothing had been; else it was an attempt, or the same would happen over and over.
void BrokerState::refuse_turn(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number,
                              const Error& why, Now now) {
  plan.refuse(number, 1, why);
  for (const wire::Settlement& settlement : turn.settlements) {
    if (why.code == ErrorCode::stale) {
      plan.taken_back.push_back(settlement);
      continue;
    }
    Group* group = group_of(session, settlement.member);
    if (group == nullptr) continue;
    const MemberKey key = key_of(session, settlement.member);
    for (const Interval& held : group->held_of(key, settlement)) {
      wire::Settlement retry = settlement;
      retry.first.offset = held.begin;
      retry.count = held.size();
      retry.verdict = wire::Verdict::retry;
      retry.retry_after_ms.reset();
      retry.reason = "its turn was refused: " + why.text;
      group->settle(key, retry, now, plan.effects);
    }
  }
}

/// Services that feed one another could fill the disk with what only the next of them can work off, all of them
/// halted before the oldest segment is free: so who frees that may go on further.
Tier BrokerState::publishing_tier(const wire::Settle& settle) const {
  std::uint64_t oldest = ~std::uint64_t{0};
  for (const wire::Turn& turn : settle.turns) {
    for (const wire::Settlement& settlement : turn.settlements) oldest = std::min(oldest, settlement.first.offset);
  }
  return tier_of_settling(oldest);
}

/// Of a commit that settles this, the oldest one, and publishes.
Tier BrokerState::tier_of_settling(std::uint64_t offset) const {
  if (retention_.size() <= drained_segments) return Tier::turn;
  return offset < retention_[drained_segments - 1].end_offset ? Tier::drain : Tier::turn;
}

BrokerState::SettlePlan BrokerState::plan_settle(const Session& session, std::span<const SharedBytes> frames) {
  SettlePlan plan;
  plan.frames = frames;
  if (!ledger_->has_log()) {
    plan.packets_fault = {ErrorCode::no_spool, "this proxy has no spool: start it with --spool DIR"};
  } else if (auto packets = check_packets(session, frames)) {
    plan.packets = std::move(*packets);
  } else {
    plan.packets_fault = packets.error();
  }
  plan.accepted.resize(plan.packets.size());
  plan.claimed_to.resize(plan.packets.size());
  return plan;
}

/// Takes the turn's publications as its own, whatever becomes of it; says what is wrong with them.
std::optional<Error> BrokerState::claim_events(SettlePlan& plan, const wire::Turn& turn) {
  std::optional<Error> fault;
  for (const wire::Publication& publication : turn.publications) {
    if (publication.packet >= plan.packets.size()) {
      fault = plan.packets_fault.value_or(
          Error{ErrorCode::malformed, "a turn publishes from a packet that is not in the message"});
      continue;
    }
    const std::uint64_t events = plan.packets[publication.packet].header().count;
    std::uint64_t& claimed_to = plan.claimed_to[publication.packet];
    if (publication.count == 0 || publication.first > events || publication.count > events - publication.first ||
        publication.first < claimed_to) {
      fault = {ErrorCode::malformed, "a turn publishes events that its packet does not have, or another turn's"};
      continue;
    }
    claimed_to = publication.first + publication.count;
  }
  return fault;
}

void BrokerState::plan_turn(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number,
                            Now now) {
  std::optional<Error> fault = claim_events(plan, turn);
  for (const wire::Settlement& settlement : turn.settlements) {
    const Group* group = group_of(session, settlement.member);
    if (group == nullptr || !group->holds(key_of(session, settlement.member), settlement)) fault = stale;
  }
  if (!fault && settles_twice(turn)) fault = {ErrorCode::malformed, "a turn settles a delivery twice"};
  if (fault) return refuse_turn(session, plan, turn, number, *fault, now);
  for (const wire::Settlement* settlement : in_order(turn)) {
    group_of(session, settlement->member)
        ->settle(key_of(session, settlement->member), *settlement, now, plan.effects);
  }
  wire::Outcome outcome;
  outcome.number = number;
  for (const wire::Publication& publication : turn.publications) {
    outcome.events += publication.count;
    std::vector<Interval>& accepted = plan.accepted[publication.packet];
    const Interval range{publication.first, publication.first + publication.count};
    if (!accepted.empty() && accepted.back().end == range.begin) {
      accepted.back().end = range.end;
    } else {
      accepted.push_back(range);
    }
  }
  plan.add(outcome);
  if (!turn.publications.empty()) {
    plan.publishes.push_back({plan.outcomes.size() - 1, turn.publications[0].packet, turn.publications[0].first});
  }
}

/// Many bare acks: nearly always the member holds all of them.
void BrokerState::plan_run(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number,
                           Now now) {
  const wire::Settlement& all = turn.settlements[0];
  const std::uint64_t begin = all.first.offset;
  std::uint64_t at = begin;
  auto refuse_to = [&](std::uint64_t offset) {
    if (offset > at) plan.refuse(number + (at - begin), offset - at, stale);
  };
  if (Group* group = group_of(session, all.member)) {
    const MemberKey key = key_of(session, all.member);
    for (const Interval& held : group->held_of(key, all)) {
      refuse_to(held.begin);
      wire::Settlement part = all;
      part.first.offset = held.begin;
      part.count = held.size();
      group->settle(key, part, now, plan.effects);
      wire::Outcome stored;
      stored.number = number + (held.begin - begin);
      stored.run = held.size();
      plan.add(stored);
      at = held.end;
    }
  }
  refuse_to(begin + turn.run);
}

/// One commit in the log for all turns of the message: it is all there after a crash, or not at all.
void BrokerState::commit_settle(Session& session, Source& source, SettlePlan& plan, Now now) {
  for (std::size_t i = 0, settled = plan.effects.size(); i < settled; ++i) {
    const std::uint64_t group = plan.effects[i].group;
    if (i > 0 && plan.effects[i - 1].group == group) continue;
    if (auto passed = groups_.at(group)->note_passed()) plan.effects.push_back(std::move(*passed));
  }
  if (ledger_->has_log()) log_settle(session, plan, now);
  for (const GroupEffect& effect : plan.effects) {
    Group& group = *groups_.at(effect.group);
    group.apply(effect, now);
    group.decided_in_batch = ledger_->decided_batch();
  }
  for (const wire::Settlement& settlement : plan.taken_back) take_back(session, settlement, now);
  for (const wire::Outcome& outcome : plan.outcomes) sources_.remember(source, outcome);
  answer(session, session.settled, std::move(plan.outcomes));
}

void BrokerState::log_settle(const Session& session, SettlePlan& plan, Now now) {
  struct Piece {
    std::size_t packet;
    Interval events;
    std::uint64_t offset;
    Bytes sliced;
  };
  std::vector<Piece> pieces;  // by packet and place in it
  std::uint64_t offset = ledger_->next_offset();
  std::uint64_t commit_bytes = 0;
  auto packet_bytes = [&](const Piece& piece) {
    return piece.sliced.empty() ? plan.packets[piece.packet].bytes() : BytesView(piece.sliced);
  };
  for (std::size_t i = 0; i < plan.packets.size(); ++i) {
    for (const Interval& events : plan.accepted[i]) {
      Piece piece{i, events, offset, {}};
      const wire::Packet& packet = plan.packets[i];
      if (events.size() < packet.header().count) piece.sliced = packet.slice(events.begin, events.size());
      commit_bytes += spool::record_bytes(plan.frames[2 * i].view.size(), packet_bytes(piece).size());
      offset += events.size();
      pieces.push_back(std::move(piece));
    }
  }
  for (const SettlePlan::Publishes& publishes : plan.publishes) {
    auto behind = std::partition_point(pieces.begin(), pieces.end(), [&](const Piece& piece) {
      return std::pair(std::uint64_t{piece.packet}, piece.events.begin) <=
             std::pair(publishes.packet, publishes.first);
    });
    const Piece& piece = *std::prev(behind);
    plan.outcomes[publishes.outcome].first_offset = piece.offset + publishes.first - piece.events.begin;
  }
  const Bytes body = SettleRecord{session.source, plan.outcomes, plan.effects}.encode();
  commit_bytes += spool::record_bytes(0, body.size());
  // Nearly always it fits. Slices repeat a packet's attributes, so a contrived message can come to more than the
  // smallest segment holds: then that segment grows past what was reserved for it, which recovery takes as it is.
  (void)ledger_->make_room(commit_bytes, now);
  ledger_->log().begin(now.wall_ns);
  ledger_->log().append(spool::Kind::settle, {}, body, 0, true);
  for (const Piece& piece : pieces) {
    append_events(plan.frames[2 * piece.packet].view, packet_bytes(piece),
                  static_cast<std::uint32_t>(piece.events.size()));
  }
  ledger_->log().finish();
}

}  // namespace spindle::proxy
