// Committing: what a turn asked for becomes a commit, and what became of it is told.
#include <algorithm>

#include "spindle/actor/log.hpp"
#include "spindle/actor/runtime.hpp"
#include "spindle/base/concat.hpp"

namespace spindle::actor {

void Runtime::finish_turn(const Actors& actors, const Incoming* input, bool ack_input) {
  if (turn_.empty()) {
    if (ack_input) add_ack(actors, *input);
    return turn_.end();
  }
  flush_acks();  // commits keep the order of their turns
  if (ack_input) (void)turn_.settle(settlement_of(*input, wire::Verdict::ack, {}), input->key);
  if (turn_.settlements().empty() && !turn_.has_durable()) return send_live();
  auto ticket = turn_.settlements().empty() ? port_->publish(turn_.durable())
                                            : port_->settle(turn_.settlements(), turn_.durable());
  turn_.end();
  if (ticket) {
    for (const Turn::Retried& event : turn_.retried()) {
      retried_keys_.add(event.member, event.key, event.offset, *ticket);
    }
    return note(*ticket, actors, input);
  }
  on_not_sent(actors, input, ticket.error());
}

void Runtime::send_live() {
  for (const transport::OutgoingEvent& event : turn_.live()) {
    if (auto published = port_->publish_live(event); !published) {
      log::warn(concat(event.topic, ": a live event was not sent: ", published.error().message()));
    }
  }
  turn_.end();
}

void Runtime::note(Ticket ticket, const Actors& actors, const Incoming* input) {
  Note note;
  note.actors = actors;
  if (input != nullptr) {
    note.topic = input->topic;
    note.offset = input->delivery ? input->delivery->offset : 0;
    note.member = input->member;
    note.key = input->key;
  }
  for (const transport::OutgoingEvent& event : turn_.live()) {
    note.live.push_back({std::string(event.topic), Bytes(event.data), event.key});
  }
  notes_.add(ticket, 1, std::move(note));
}

void Runtime::add_ack(const Actors& actors, const Incoming& input) {
  const wire::DeliveryId& id = *input.delivery;
  const bool follows = acks_.count > 0 && acks_.member == input.member && acks_.first.run == id.run &&
                       acks_.first.handout == id.handout && acks_.first.offset + acks_.count == id.offset;
  if (!follows) {
    flush_acks();
    acks_ = {input.member, id, 0, {actors, std::string(input.topic), id.offset, {}, input.member, {}}};
  }
  ++acks_.count;
}

void Runtime::flush_acks() {
  if (acks_.count == 0) return;
  Acks acks = std::exchange(acks_, {});
  auto first = port_->acknowledge_each(acks.member, acks.first, acks.count);
  if (first) return notes_.add(*first, acks.count, std::move(acks.note));
  refused_ += acks.count;
  log::warn(concat(acks.count, " acknowledgements from offset ", acks.first.offset,
                   " on were not sent: ", first.error().message()));
  for (std::uint64_t i = 0; i < acks.count; ++i) {
    tell_refused(acks.note.actors, {first.error(), acks.note.topic, acks.note.offset + i});
  }
}

/// Its deliveries would be held here until their deadlines pass, one after another: they come again instead. Those
/// that are somebody else's by now are refused once more, which is as well.
void Runtime::on_not_sent(const Actors& actors, const Incoming* input, const Error& why) {
  ++refused_;
  log::warn(concat("a turn was refused before it was sent: ", why.message()));
  turn_.undo("its turn was refused: " + why.message());
  for (const wire::Settlement& settlement : turn_.take_settlements()) (void)port_->settle({&settlement, 1}, {});
  const bool delivered = input != nullptr && input->delivery.has_value();
  tell_refused(actors, {why, input != nullptr ? std::string(input->topic) : std::string(),
                        delivered ? input->delivery->offset : 0});
}

/// What on_refused publishes may be refused as well: that is not told again, or it would never end.
void Runtime::tell_refused(const Actors& actors, const Refusal& refusal) {
  for (Actor* actor : actors) {
    run_task(
        actor, "on_refused", [&] { actor->on_refused(refusal); }, false);
  }
}

void Runtime::tell_lost(const wire::Lost& lost) {
  const Group* group = group_of(lost.member);
  if (group == nullptr) return;
  Lost told{group->name, {}, lost.reason};
  std::uint64_t events = 0;
  for (const wire::Lost::Range& range : lost.ranges) {
    told.ranges.push_back({range.offset, range.count});
    events += range.count;
  }
  if (told.ranges.empty()) return;
  log::error(concat("group ", group->name, " lost ", events, " events in ", told.ranges.size(),
                    " ranges from offset ", told.ranges.front().offset, " on: ", lost.reason));
  Actors actors;
  for (const Subscription& subscription : group->subscriptions) {
    if (std::find(actors.begin(), actors.end(), subscription.actor) == actors.end()) {
      actors.push_back(subscription.actor);
    }
  }
  for (Actor* actor : actors) {
    run_task(
        actor, "on_lost", [&] { actor->on_lost(told); }, true);
  }
}

void Runtime::on_outcome(Ticket first, const wire::Outcome& outcome, Now now) {
  now_ = now;
  const bool refused = outcome.status == wire::OutcomeStatus::refused;
  bool logged = false;  // a process that was stopped for long has thousands refused at once
  retried_keys_.answered(first, outcome.run, last_parcel_);
  notes_.answer(first, outcome.run, [&](Note& note, std::uint64_t index, std::uint64_t count) {
    if (!refused) {
      for (const LiveEvent& event : note.live) {
        if (auto published = port_->publish_live({event.topic, event.data, {}, event.key}); !published) {
          log::warn(concat(event.topic, ": a live event was not sent: ", published.error().message()));
        }
      }
      return;
    }
    refused_ += count;
    // As if it had been retried: those of its key behind it come again as well. Of a stale one nothing is known: it
    // may be settled, or here once more, and what of its key was taken back is stale itself.
    if (note.key && outcome.code != ErrorCode::stale) {
      retried_keys_.add(note.member, *note.key, note.offset, first);
      retried_keys_.answered(first, 1, last_parcel_);
    }
    const Error why{outcome.code, outcome.text};
    if (!std::exchange(logged, true)) {
      log::warn(concat("the proxy refused ", outcome.run, outcome.run == 1 ? " turn" : " turns", ", the first of ",
                       note.topic.empty() ? "a timer" : note.topic, " at offset ", note.offset + index, ": ",
                       why.message()));
    }
    // Copied: telling runs turns, which add notes.
    const Actors actors = note.actors;
    const std::string topic = note.topic;
    const std::uint64_t offset = note.offset + index;
    for (std::uint64_t i = 0; i < count; ++i) tell_refused(actors, {why, topic, offset + i});
  });
}

}  // namespace spindle::actor
