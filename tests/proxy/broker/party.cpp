#include "promises.hpp"

namespace spindle::proxy {
void Party::say_hello() {
  static std::uint64_t connections = 0;
  if (!peer_.empty()) proxy_.disconnect(peer_);
  peer_ = source_ + "#" + std::to_string(++connections);
  session_ = 0;
  number_ = 0;
  if (epoch_ == 0 && told_.epoch.contains(source_)) told_.contested.insert(source_);
  wire::Hello hello;
  hello.source = source_;
  hello.epoch = epoch_;
  hello.spool = spool_;
  hello.acknowledged = acknowledged_;
  proxy_.receive(peer_, {wire::encode(0, ++number_, hello), {}});
}

void Party::say_hello_anew() {
  epoch_ = 0;
  spool_.clear();
  acknowledged_ = 0;
  asked_.clear();
  members_.clear();
  held_.clear();
  say_hello();
}

void Party::ask(Asked asked) {
  const std::uint64_t first = std::exchange(next_commit_, next_commit_ + asked.count);
  for (const Delivered& delivered : asked.settles) {
    told_.settling.insert({members_.at(delivered.member).group, delivered.id.offset});
  }
  told_.published.insert(asked.events.begin(), asked.events.end());
  send_asked(first, asked_[first] = std::move(asked));
}

void Party::send_asked(std::uint64_t first, const Asked& asked) {
  if (asked.turns.empty()) return send(wire::Publish{first}, asked.packets);
  wire::Settle settle;
  settle.first_number = first;
  settle.turns = asked.turns;
  send(settle, asked.packets);
}

std::uint64_t Party::publish(const std::string& topic, const std::vector<std::uint64_t>& events) {
  Asked asked;
  asked.events = events;
  asked.packets = {{SharedBytes::own(topic), SharedBytes::own(packet_of(source_, epoch_, next_commit_, events))}};
  ask(std::move(asked));
  return next_commit_ - 1;
}

void Party::publish_again(std::uint64_t number) { send_asked(number, asked_.at(number)); }

void Party::settle(const Delivered& delivered, wire::Verdict verdict, const std::vector<std::uint64_t>& events) {
  Asked asked;
  asked.settles = {delivered};
  asked.events = events;
  asked.turns = {TestClient::turn({delivered.settlement(verdict)})};
  wire::Turn& turn = asked.turns[0];
  if (verdict == wire::Verdict::retry) turn.settlements[0].retry_after_ms = 0;
  if (!events.empty()) {
    turn.publications = {{0, 0, events.size()}};
    asked.packets = {
        {SharedBytes::own(Bytes("out")), SharedBytes::own(packet_of(source_, epoch_, next_commit_, events))}};
  }
  ask(std::move(asked));
}

void Party::ack_run(const std::vector<Delivered>& run) {
  Asked asked;
  asked.settles = run;
  asked.count = run.size();
  asked.turns = {TestClient::turn({run.front().settlement()})};
  asked.turns[0].run = asked.turns[0].settlements[0].count = run.size();
  ask(std::move(asked));
}

void Party::attach(std::uint64_t member, const std::string& group, const std::vector<std::string>& patterns) {
  Membership& membership = members_[member] = {group, patterns};
  send_attach(member, membership);
}

void Party::send_attach(std::uint64_t member, Membership& membership) {
  ++membership.asked;
  told_.awaited[membership.group].insert({source_, member});
  wire::Attach attach;
  attach.member = member;
  attach.group = membership.group;
  attach.patterns = membership.patterns;
  attach.create = !membership.told;
  attach.credit_events = 1'000;
  attach.credit_bytes = 1 << 20;
  for (const auto& [key, delivered] : held_) {
    if (key.first == member) attach.claims.push_back({delivered.id, 1, delivered.attempt});
  }
  send(attach);
}

void Party::detach(std::uint64_t member) {
  members_.at(member).leaving = true;
  std::erase_if(held_, [&](const auto& held) { return held.first.first == member; });
  send(wire::Detach{member});
}

void Party::goodbye() {
  left_ = true;
  told_.contested.insert(source_);
  told_.said_goodbye.insert(source_);
  send(wire::Goodbye{"done"});
}

bool Party::hear() {
  const auto all = proxy_.take(peer_);
  for (const Received& received : all) take(received);
  return !all.empty();
}

void Party::take(const Received& received) {
  const wire::Kind kind = received.envelope.kind;
  ++heard_[std::string(name(kind))];
  switch (kind) {
    case wire::Kind::welcome: return take_welcome(received.as<wire::Welcome>());
    case wire::Kind::published: return take_outcomes(received.as<wire::Published>().outcomes);
    case wire::Kind::settled: return take_outcomes(received.as<wire::Settled>().outcomes);
    case wire::Kind::deliver: return take_deliver(received);
    case wire::Kind::attached: return take_attached(received.as<wire::Attached>());
    case wire::Kind::lost: return take_lost(received.as<wire::Lost>());
    case wire::Kind::detached: return take_detached(received.as<wire::Detached>().member);
    case wire::Kind::halted: return told_.must_be_decided(source_, received.as<wire::Halted>().number - 1);
    case wire::Kind::admin_reply: return told_.hear_figures(received.as<wire::AdminReply>().body);
    case wire::Kind::error: return take_error(received.as<wire::ErrorMessage>());
    default: return;
  }
}

void Party::take_welcome(const wire::Welcome& welcome) {
  session_ = welcome.session;
  spool_ = welcome.spool;
  if (epoch_ == 0) {
    CAPTURE(source_, welcome.epoch);
    REQUIRE(told_.epochs.insert(welcome.epoch).second);
    epoch_ = welcome.epoch;
    next_commit_ = welcome.last_number + 1;
    if (told_.said_goodbye.contains(source_) && welcome.last_number < told_.decided[source_]) {
      told_.decided.erase(source_);  // it was forgotten, as it asked for: a new source of that name
      told_.outcomes.erase(source_);
    }
  }
  REQUIRE(welcome.epoch == epoch_);
  REQUIRE_FALSE(told_.fenced.contains({source_, epoch_}));
  REQUIRE_FALSE(told_.forgotten.contains({source_, epoch_}));
  REQUIRE(welcome.last_number < next_commit_);
  REQUIRE(welcome.last_number >= acknowledged_);
  std::uint64_t& newest = told_.epoch[source_];
  newest = std::max(newest, welcome.epoch);
  told_.must_be_decided(source_, welcome.last_number);
}

void Party::take_outcomes(const std::vector<wire::Outcome>& outcomes) {
  for (wire::Outcome outcome : outcomes) {
    const std::uint64_t end = outcome.number + std::exchange(outcome.run, 1);
    for (; outcome.number < end; ++outcome.number) {
      auto asked = asked_.upper_bound(outcome.number);
      if (asked == asked_.begin()) continue;
      --asked;
      take_outcome(asked->first, asked->second, outcome);
      acknowledged_ = std::max(acknowledged_, outcome.number);
    }
  }
}

void Party::take_outcome(std::uint64_t first, Asked& asked, const wire::Outcome& outcome) {
  asked.answered = true;
  told_.hear_outcome(source_, outcome);
  if (outcome.status == wire::OutcomeStatus::refused) {
    ++heard_["refused"];
    return;
  }
  ++heard_["stored"];
  if (outcome.status == wire::OutcomeStatus::stored) {
    for (std::size_t i = 0; i < asked.events.size(); ++i) {
      const auto at = told_.event_at.emplace(outcome.first_offset + i, asked.events[i]).first;
      REQUIRE(at->second == asked.events[i]);
    }
  }
  auto settle = [&](const Delivered& delivered, wire::Verdict verdict) {
    const Promises::Place place{members_.at(delivered.member).group, delivered.id.offset};
    if (verdict == wire::Verdict::retry) {
      told_.attempt[place] = std::max(told_.attempt[place], delivered.attempt + 1);
    } else {
      told_.settled[place] = verdict;
    }
    held_.erase({delivered.member, delivered.id.offset});
  };
  if (asked.turns.empty()) return;
  const wire::Verdict verdict = asked.turns[0].settlements[0].verdict;
  if (asked.count > 1) return settle(asked.settles[outcome.number - first], verdict);
  for (const Delivered& delivered : asked.settles) settle(delivered, verdict);
}

void Party::take_deliver(const Received& received) {
  const auto deliver = received.as<wire::Deliver>();
  for (std::size_t i = 0; i < deliver.entries.size(); ++i) {
    const wire::Deliver::Entry& entry = deliver.entries[i];
    const auto events = numbers_in(received.packets[i].packet.view);
    for (std::size_t k = 0; k < events.size(); ++k) {
      const Delivered delivered{deliver.member,
                                {deliver.run, deliver.generation, entry.handout, entry.offset + k},
                                entry.attempt,
                                std::string(received.packets[i].topic.view),
                                events[k]};
      told_.hear_delivery(members_.at(deliver.member).group, delivered);
      held_.insert_or_assign({deliver.member, delivered.id.offset}, delivered);
      ++heard_["deliver " + std::to_string(entry.attempt)];
    }
  }
}

void Party::take_attached(const wire::Attached& attached) {
  Membership& membership = members_.at(attached.member);
  membership.told = true;
  // A group that is made begins at the beginning. A pattern that comes later counts from the group's position at that
  // time, which an attach that was not answered may have seen.
  std::uint64_t from = 0;
  if (told_.patterns.contains(membership.group)) {
    from = membership.asked == 1 ? attached.position : proxy_.broker().durable_end();
  }
  for (const std::string& pattern : membership.patterns) {
    told_.patterns[membership.group].try_emplace(pattern, from);
  }
  std::set<std::uint64_t> kept;
  for (const wire::Claim& claim : attached.claimed) {
    for (std::uint64_t i = 0; i < claim.count; ++i) kept.insert(claim.first.offset + i);
  }
  std::erase_if(held_, [&](const auto& held) {
    return held.first.first == attached.member && !kept.contains(held.first.second);
  });
}

void Party::take_lost(const wire::Lost& lost) {
  const std::string& group = members_.at(lost.member).group;
  for (const wire::Lost::Range& range : lost.ranges) {
    for (std::uint64_t offset = range.offset; offset < range.offset + range.count; ++offset) {
      REQUIRE_FALSE(told_.settled.contains({group, offset}));
      REQUIRE(told_.lost.insert({group, offset}).second);  // each once
      held_.erase({lost.member, offset});
    }
  }
}

void Party::take_detached(std::uint64_t member) {
  told_.awaited[members_.at(member).group].erase({source_, member});
  members_.erase(member);
}

void Party::take_error(const wire::ErrorMessage& error) {
  ++heard_["error " + error.code];
  if (error.code == name(ErrorCode::fenced)) told_.fenced.insert({source_, epoch_});
  if (error.code == name(ErrorCode::source_forgotten)) told_.forgotten.insert({source_, epoch_});
  // It came when another number was next: what is below that is decided.
  const auto was_next = error.text.find("came when ");
  if (error.code == name(ErrorCode::number_gap)) {
    REQUIRE(was_next != std::string::npos);
    told_.must_be_decided(source_, std::stoull(error.text.substr(was_next + 10)) - 1);
  }
}

void Party::come_back() {
  if (left_) return;
  say_hello();
  hear();
  if (session_ == 0) return;
  for (auto& [member, membership] : members_) {
    if (!membership.leaving) send_attach(member, membership);
  }
  hear();
  for (const auto& [first, asked] : std::map(asked_)) {
    if (!asked.answered) send_asked(first, asked);
    hear();
  }
}

int Party::heard(const std::string& what) const {
  auto found = heard_.find(what);
  return found == heard_.end() ? 0 : found->second;
}

std::vector<Delivered> Party::held(std::uint64_t member) const {
  std::vector<Delivered> all;
  for (const auto& [key, delivered] : held_) {
    if (key.first == member) all.push_back(delivered);
  }
  return all;
}

}  // namespace spindle::proxy
