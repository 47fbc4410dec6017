// Turns: what a handler settles and what it publishes become one commit, or neither happens.
#include <algorithm>

#include "proxy/broker_state.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::proxy {

/// What a settle message comes to, turn by turn, before anything of it is logged.
struct BrokerState::SettlePlan {
  std::span<const SharedBytes> frames;
  std::vector<wire::Packet> packets;
  /// Why no turn of this message can publish anything.
  std::optional<Error> packets_fault;
  /// By packet: the events that accepted turns publish, ascending, and where the next turn's may begin.
  std::vector<std::vector<Interval>> accepted;
  std::vector<std::uint64_t> claimed_to;

  std::vector<wire::Outcome> outcomes;
  std::vector<GroupEffect> effects;
  /// For the outcomes that need their first offset: which outcome, and its first event's packet and place in it.
  struct Publishes {
    std::size_t outcome;
    std::uint64_t packet;
    std::uint64_t first;
  };
  std::vector<Publishes> publishes;

  void add(wire::Outcome outcome) {
    const bool plain = outcome.status == wire::OutcomeStatus::stored && outcome.events == 0;
    if (plain && !outcomes.empty() && outcomes.back().status == wire::OutcomeStatus::stored &&
        outcomes.back().events == 0) {
      outcomes.back().run += outcome.run;
    } else {
      outcomes.push_back(std::move(outcome));
    }
  }

  void refuse(std::uint64_t number, const Error& error) {
    wire::Outcome outcome;
    outcome.number = number;
    outcome.status = wire::OutcomeStatus::refused;
    outcome.code = error.code;
    outcome.text = error.text;
    outcomes.push_back(std::move(outcome));
  }
};

namespace {

const Error stale{
    ErrorCode::stale,
    "a delivery of this turn is no longer held by this session: it was settled, taken back, or given to "
    "another member"};

/// The short form must be what it says: bare acks of as many deliveries as there are commits.
bool well_formed(const wire::Turn& turn) {
  if (turn.run == 0) return false;
  if (turn.run == 1) return !turn.settlements.empty() || !turn.publications.empty();
  return turn.settlements.size() == 1 && turn.publications.empty() && turn.settlements[0].count == turn.run &&
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

}  // namespace

void BrokerState::settle(Session& session, const wire::Head& head, std::span<const SharedBytes> frames, Now now) {
  const std::uint64_t message = head.envelope().number;
  auto settle = wire::decode<wire::Settle>(head);
  if (!settle) return send_error(session, message, settle.error());
  if (session.halted) return;
  Source* source = sources_.find(session.source);
  if (source == nullptr) return send_error(session, message, {ErrorCode::denied, "this session has no source"});
  if (!std::all_of(settle->turns.begin(), settle->turns.end(), well_formed)) {
    return send_error(session, message, {ErrorCode::malformed, "a turn's run does not fit what it settles"});
  }
  if (settle->first_number > source->last_number + 1)
    return gap(session, *source, settle->first_number, message, now);
  std::uint64_t bytes = head.envelope().number > 0 ? 256 * settle->turns.size() : 0;
  for (const SharedBytes& frame : frames) bytes += frame.view.size();
  if (!has_window(session, bytes, message, now)) return;
  if (ledger_->has_log() && !frames.empty() &&
      halt_if_full(session, settle->first_number, message, bytes, config_.disk_reserve_bytes / 2)) {
    return;
  }
  session.settled_answers = message;

  SettlePlan plan;
  plan.frames = frames;
  if (auto packets = check_packets(session, frames)) {
    plan.packets = std::move(*packets);
  } else {
    plan.packets_fault = packets.error();
  }
  if (!ledger_->has_log()) plan.packets_fault = {ErrorCode::no_spool, "this proxy has no spool"};
  plan.accepted.resize(plan.packets.size());
  plan.claimed_to.resize(plan.packets.size());
  std::uint64_t number = settle->first_number;
  for (const wire::Turn& turn : settle->turns) {
    const std::uint64_t end = number + turn.run;
    const std::uint64_t known_end = std::min(end, source->last_number + 1);
    if (number < known_end) {
      for (wire::Outcome& outcome : source->repeat(number, known_end - 1))
        session.settled.push_back(std::move(outcome));
    }
    if (known_end <= number) {
      turn.run == 1 ? plan_turn(session, plan, turn, number, now) : plan_run(session, plan, turn, number, now);
    } else if (known_end < end) {
      plan_run(session, plan, rest_of(turn, known_end - number), known_end, now);
    }
    number = end;
  }
  if (plan.outcomes.empty()) return;
  commit_settle(session, *source, plan, now);
  count_unanswered(session, bytes);
}

void BrokerState::plan_turn(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number,
                            Now now) {
  const auto fault = fault_of(session, plan, turn);
  for (const wire::Publication& publication : turn.publications) {
    if (publication.packet < plan.claimed_to.size()) {
      std::uint64_t& claimed = plan.claimed_to[publication.packet];
      claimed = std::max(claimed, publication.first + publication.count);
    }
  }
  if (fault) return plan.refuse(number, *fault);
  for (const wire::Settlement& settlement : turn.settlements) take_deliveries(session, plan, settlement, now);
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

/// Many bare acks: all at once when the member holds them all, as nearly always, else one by one.
void BrokerState::plan_run(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number,
                           Now now) {
  const wire::Settlement& all = turn.settlements[0];
  wire::Outcome stored;
  stored.number = number;
  Group* group = group_of(session, all.member);
  if (group != nullptr && group->holds(key_of(session, all.member), all)) {
    take_deliveries(session, plan, all, now);
    stored.run = turn.run;
    return plan.add(stored);
  }
  for (std::uint64_t i = 0; i < turn.run; ++i) {
    wire::Turn one;
    one.settlements.push_back(all);
    one.settlements[0].first.offset += i;
    one.settlements[0].count = 1;
    plan_turn(session, plan, one, number + i, now);
  }
}

std::optional<Error> BrokerState::fault_of(const Session& session, const SettlePlan& plan,
                                           const wire::Turn& turn) const {
  for (const wire::Settlement& settlement : turn.settlements) {
    const Group* group = group_of(session, settlement.member);
    if (group == nullptr || settlement.first.run > run_ ||
        !group->holds(key_of(session, settlement.member), settlement)) {
      return stale;
    }
  }
  if (turn.publications.empty()) return std::nullopt;
  if (plan.packets_fault) return plan.packets_fault;
  for (const wire::Publication& publication : turn.publications) {
    if (publication.packet >= plan.packets.size()) {
      return Error{ErrorCode::malformed, "a turn publishes from a packet that is not in the message"};
    }
    const std::uint64_t events = plan.packets[publication.packet].header().count;
    if (publication.count == 0 || publication.first > events || publication.count > events - publication.first ||
        publication.first < plan.claimed_to[publication.packet]) {
      return Error{ErrorCode::malformed, "a turn publishes events that its packet does not have, or another turn's"};
    }
  }
  return std::nullopt;
}

void BrokerState::take_deliveries(Session& session, SettlePlan& plan, const wire::Settlement& settlement, Now now) {
  Group* group = group_of(session, settlement.member);
  for (GroupEffect& effect : group->settle(key_of(session, settlement.member), settlement, now)) {
    GroupEffect* last = plan.effects.empty() ? nullptr : &plan.effects.back();
    const bool joins = last != nullptr && last->what == GroupEffect::What::done &&
                       effect.what == GroupEffect::What::done && last->group == effect.group &&
                       last->range.end == effect.range.begin;
    if (joins) {
      last->range.end = effect.range.end;
    } else {
      plan.effects.push_back(std::move(effect));
    }
  }
}

/// One commit in the log for all turns of the message: it is all there after a crash, or not at all.
void BrokerState::commit_settle(Session& session, Source& source, SettlePlan& plan, Now now) {
  struct Piece {
    std::size_t packet;
    Interval events;
    std::uint64_t offset;
    Bytes sliced;
  };
  if (ledger_->has_log()) {
    std::vector<Piece> pieces;
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
      for (const Piece& piece : pieces) {
        if (piece.packet != publishes.packet || publishes.first < piece.events.begin ||
            publishes.first >= piece.events.end) {
          continue;
        }
        plan.outcomes[publishes.outcome].first_offset = piece.offset + publishes.first - piece.events.begin;
      }
    }
    const Bytes body = SettleRecord{session.source, plan.outcomes, plan.effects}.encode();
    commit_bytes += spool::record_bytes(0, body.size());
    // The limits on messages keep a commit far below the smallest segment (options check --segment-size).
    (void)ledger_->make_room(commit_bytes, now);
    ledger_->log().begin(now.wall_ns);
    ledger_->log().append(spool::Kind::settle, {}, body, 0, true);
    for (const Piece& piece : pieces) {
      append_events(plan.frames[2 * piece.packet].view, packet_bytes(piece),
                    static_cast<std::uint32_t>(piece.events.size()));
    }
    ledger_->log().finish();
  }
  for (const GroupEffect& effect : plan.effects) {
    Group& group = *groups_.at(effect.group);
    group.apply(effect, now);
    group.decided_in_batch = ledger_->decided_batch();
  }
  for (wire::Outcome& outcome : plan.outcomes) {
    source.remember(outcome);
    session.settled.push_back(std::move(outcome));
  }
}

}  // namespace spindle::proxy
