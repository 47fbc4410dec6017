// What a process does of its own accord: publish, settle, and now and then something else.
#include <algorithm>

#include "process.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/publish_messages.hpp"

namespace spindle::simulation {

using wire::Verdict;

namespace {

const std::vector<std::string> topics{"in.a", "in.b", "in.c"};

wire::Settlement settlement_of(const Delivery& delivery, Verdict verdict) {
  wire::Settlement settlement;
  settlement.member = delivery.member;
  settlement.first = delivery.id;
  settlement.verdict = verdict;
  return settlement;
}

}  // namespace

std::uint64_t Process::make_event(const std::string& topic, std::optional<std::uint32_t> key) {
  return oracle_.new_event({topic, key, chance_.below(60)});
}

wire::TopicPacket Process::packet(const std::string& topic, const std::vector<std::uint64_t>& events) const {
  wire::PacketBuilder builder;
  for (std::uint64_t number : events) {
    const Event& event = oracle_.event(number);
    builder.add(event_data(number, event.padding), {}, event.key);
  }
  wire::PacketHeader header;
  header.source = source_;
  header.epoch = epoch_;
  header.event_class = wire::EventClass::durable;
  header.sequence = next_commit_;
  return {SharedBytes::own(topic), SharedBytes::own(builder.finish(header))};
}

void Process::send_commits(const Sent& sent, Now now) {
  if (sent.turns.empty()) return send(wire::Publish{sent.first()}, now, sent.packets);
  send(wire::Settle{sent.first(), sent.turns}, now, sent.packets);
}

void Process::ask(Sent sent, Now now) {
  next_commit_ = sent.end();
  sent.answered_to = sent.first();
  for (const Commit& commit : sent.commits) oracle_.asked(commit);
  send_commits(sent, now);
  sent_.push_back(std::move(sent));
}

void Process::publish(Now now) {
  Sent sent;
  Commit& commit = sent.commits.emplace_back();
  commit.life = life_;
  commit.number = next_commit_;
  const bool refused = chance_.one_in(12);
  for (std::uint64_t packets = chance_.between(1, 3); packets > 0; --packets) {
    const std::string& topic = topics[chance_.below(topics.size())];
    const bool keyed = !chance_.one_in(4) && oracle_.check_keys;
    std::vector<std::uint64_t> events;
    for (std::uint64_t count = chance_.between(1, 4); count > 0; --count) {
      events.push_back(
          make_event(topic, keyed ? std::optional(static_cast<std::uint32_t>(chance_.below(5))) : std::nullopt));
    }
    commit.events.insert(commit.events.end(), events.begin(), events.end());
    sent.packets.push_back(packet(topic, events));
  }
  // One that is refused for good: its number is used up all the same.
  if (refused) sent.packets.back().topic = SharedBytes::own(Bytes("in..bad"));
  ask(std::move(sent), now);
}

void Process::settle(Now now, bool only_ack) {
  Sent sent;
  std::vector<std::uint64_t> outputs;
  std::vector<Delivery> together;
  for (Member& one : members_) {
    if (!one.joined()) continue;
    for (const Delivery& delivery : one.held()) {
      if (!one.holds(delivery) || (!only_ack && chance_.one_in(3))) continue;  // dropped, or kept for later
      if (one.group() == "acks" && (only_ack || chance_.below(4) != 0)) {
        join_run(sent, delivery);
        continue;
      }
      together.push_back(delivery);
      if (!only_ack && chance_.one_in(4)) continue;  // one turn with the next
      add_turn(sent, std::exchange(together, {}), only_ack, outputs);
    }
  }
  if (!together.empty()) add_turn(sent, std::exchange(together, {}), only_ack, outputs);
  if (sent.turns.empty()) return;
  if (!outputs.empty()) sent.packets = {packet("out", outputs)};
  ask(std::move(sent), now);
}

/// Bare acks of consecutive events of one hand-out are one turn of many commits.
void Process::join_run(Sent& sent, const Delivery& delivery) {
  Commit& commit = sent.commits.emplace_back();
  commit.life = life_;
  commit.number = next_commit_ + sent.commits.size() - 1;
  commit.is_turn = true;
  commit.settles.push_back({delivery, Verdict::ack});
  member(delivery.member)->let_go(delivery, commit.number);
  if (!sent.turns.empty() && sent.turns.back().publications.empty() && sent.turns.back().settlements.size() == 1) {
    wire::Turn& last = sent.turns.back();
    wire::Settlement& all = last.settlements[0];
    if (all.member == delivery.member && all.verdict == Verdict::ack && all.first.handout == delivery.id.handout &&
        all.first.offset + all.count == delivery.id.offset) {
      all.count = ++last.run;
      return;
    }
  }
  sent.turns.emplace_back().settlements = {settlement_of(delivery, Verdict::ack)};
}

void Process::add_turn(Sent& sent, std::vector<Delivery> deliveries, bool only_ack,
                       std::vector<std::uint64_t>& outputs) {
  Commit commit;
  commit.life = life_;
  commit.number = next_commit_ + sent.commits.size();
  commit.is_turn = true;
  wire::Turn turn;
  for (const Delivery& delivery : deliveries) {
    // The letters' own letters would never end.
    const bool may_fail = !only_ack && delivery.group != "letters";
    const std::uint64_t choice = may_fail ? chance_.below(10) : 9;
    const Verdict verdict = choice == 0 ? Verdict::reject : choice <= 2 ? Verdict::retry : Verdict::ack;
    wire::Settlement& settlement = turn.settlements.emplace_back(settlement_of(delivery, verdict));
    if (verdict == Verdict::retry && chance_.one_in(2)) settlement.retry_after_ms = chance_.below(2'000);
    commit.settles.push_back({delivery, verdict});
    member(delivery.member)->let_go(delivery, commit.number);
    if (verdict == Verdict::retry) member(delivery.member)->drop_later_of_key(delivery, commit.number);
    if (delivery.group != "turns" || (!only_ack && chance_.one_in(5))) continue;
    const std::size_t first = outputs.size();
    for (std::uint64_t count = chance_.between(1, 2); count > 0; --count) {
      // All events of a packet have a key or none has.
      const std::uint32_t key = delivery.key.value_or(9);
      outputs.push_back(make_event("out", oracle_.check_keys ? std::optional(key) : std::nullopt));
      commit.events.push_back(outputs.back());
    }
    turn.publications.push_back({0, first, outputs.size() - first});
  }
  sent.commits.push_back(std::move(commit));
  sent.turns.push_back(std::move(turn));
}

/// A turn that comes too late, as from a process that was stopped for long: to be refused, publications included,
/// unless it happens to hold that very delivery.
void Process::settle_past(Now now) {
  if (members_.empty()) return;
  Member& one = members_[chance_.below(members_.size())];
  if (one.past().empty()) return;
  const Delivery delivery = one.past()[chance_.below(one.past().size())];
  Sent sent;
  Commit& commit = sent.commits.emplace_back();
  commit.life = life_;
  commit.number = next_commit_;
  commit.is_turn = true;
  commit.settles.push_back({delivery, Verdict::ack});
  commit.events.push_back(make_event("out", std::nullopt));
  wire::Turn& turn = sent.turns.emplace_back();
  turn.settlements = {settlement_of(delivery, Verdict::ack)};
  turn.publications = {{0, 0, 1}};
  sent.packets = {packet("out", commit.events)};
  if (one.holds(delivery)) one.let_go(delivery, commit.number);
  ask(std::move(sent), now);
}

/// For good, or with something outstanding: then it comes back for the outcomes.
void Process::leave(Now now) {
  if (!chance_.one_in(3)) return;
  send(wire::Goodbye{"done"}, now);
  if (!sent_.empty()) return lose_session();
  network_.close(peer_);
  gone_ = true;
}

void Process::minor_things(Now now) {
  if (scenario_.forges_settles && chance_.one_in(2)) return settle_past(now);
  if (members_.empty()) return;
  Member& one = members_[chance_.below(members_.size())];
  if (!one.joined()) return;
  const auto held = one.held();
  switch (chance_.below(6)) {
    case 0: return send(one.detach(), now);
    case 1:
      if (!held.empty()) send(wire::Extend{one.number(), held.front().id}, now);
      return;
    case 2:
      credit_events_ = std::min<std::uint64_t>(credit_events_ + chance_.below(4), 20);
      return send(wire::Credit{one.number(), credit_events_, credit_events_ * 100}, now);
    case 3: return leave(now);
    default: busy_until_ = now.instant + std::chrono::milliseconds(chance_.below(8'000));
  }
}

}  // namespace spindle::simulation
