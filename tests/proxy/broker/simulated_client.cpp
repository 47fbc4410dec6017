#include "simulated_client.hpp"

namespace spindle::proxy {

const std::string& SimulatedClient::group_of(std::uint64_t member) const {
  static const std::string names[] = {"turns", "acks"};
  return names[member - 1];
}

template <class M>
void SimulatedClient::send(const M& message, std::vector<wire::TopicPacket> packets) {
  driver_.receive(peer_, {wire::encode(session_, ++number_, message), std::move(packets)});
}

void SimulatedClient::reconnect() {
  lose_connection();
  static std::uint64_t connections = 0;
  peer_ = source_ + "#" + std::to_string(++connections);
  number_ = 0;
  halted_at_.reset();
  wire::Hello hello;
  hello.source = source_;
  hello.epoch = epoch_;
  hello.spool = spool_;
  hello.acknowledged = acknowledged_;
  driver_.receive(peer_, {wire::encode(0, ++number_, hello), {}});
}

void SimulatedClient::lose_connection() {
  if (!peer_.empty()) driver_.disconnect(peer_);
  peer_.clear();
  session_ = 0;
  granted_.clear();
  forget_holdings();
}

/// It still has them, but they may be anybody's.
void SimulatedClient::forget_holdings() {
  std::erase_if(told_.holder, [&](const auto& holder) { return holder.second == source_; });
}

void SimulatedClient::crash() {
  lose_connection();
  sent_.clear();
  held_.clear();
}

void SimulatedClient::receive() {
  for (const Received& received : driver_.take(peer_)) {
    switch (received.envelope.kind) {
      case wire::Kind::welcome: on_welcome(received.as<wire::Welcome>()); break;
      case wire::Kind::published: on_outcomes(received.as<wire::Published>().outcomes); break;
      case wire::Kind::settled: on_outcomes(received.as<wire::Settled>().outcomes); break;
      case wire::Kind::deliver: on_deliver(received); break;
      case wire::Kind::attached: on_attached(received.as<wire::Attached>()); break;
      case wire::Kind::halted: halted_at_ = received.as<wire::Halted>().number; break;
      case wire::Kind::goodbye: session_ = 0; break;
      case wire::Kind::error: {
        const auto error = received.as<wire::ErrorMessage>();
        INFO(source_ << ": " << error.code << ": " << error.text);
        if (error.code == "spool_full") break;  // passing: it says hello, or attaches, again
        REQUIRE(error.code == "unknown_session");
        session_ = 0;
        forget_holdings();
        break;
      }
      default: FAIL("a proxy does not send " << name(received.envelope.kind));
    }
  }
}

void SimulatedClient::on_welcome(const wire::Welcome& welcome) {
  session_ = welcome.session;
  if (epoch_ == 0) {
    REQUIRE(told_.epochs.insert(welcome.epoch).second);
    epoch_ = welcome.epoch;
  }
  REQUIRE(welcome.epoch == epoch_);
  REQUIRE(welcome.last_number >= acknowledged_);
  REQUIRE(welcome.last_number < next_commit_);
  spool_ = welcome.spool;
  if (consumes_) {
    attach(1);
    attach(2);
  }
  for (const Sent& sent : sent_) send_again(sent);
}

void SimulatedClient::attach(std::uint64_t member) {
  wire::Attach message;
  message.member = member;
  message.group = group_of(member);
  message.patterns = {member == 1 ? "in.>" : ">"};
  message.create = !attached_once_.contains(member);
  message.options.ack_deadline_ms = 3'600'000;
  message.options.max_attempts = 3;
  message.credit_events = credit_events;
  message.credit_bytes = 1 << 20;
  auto claim = [&](const Delivered& delivered) {
    if (delivered.member == member) message.claims.push_back({delivered.id, 1, delivered.attempt});
  };
  for (const auto& [key, delivered] : held_) claim(delivered);
  for (const auto& [number, delivered] : settling_) claim(delivered);
  send(message);
}

void SimulatedClient::on_attached(const wire::Attached& attached) {
  attached_once_.insert(attached.member);
  std::set<Key> kept;
  for (const wire::Claim& claim : attached.claimed) {
    for (std::uint64_t i = 0; i < claim.count; ++i) {
      kept.insert({attached.member, claim.first.handout, claim.first.offset + i});
    }
  }
  std::erase_if(held_, [&](const auto& held) {
    return std::get<0>(held.first) == attached.member && !kept.contains(held.first);
  });
  for (const auto& [key, delivered] : held_) {
    if (delivered.member == attached.member) hold(delivered);
  }
  granted_.merge(kept);
}

void SimulatedClient::on_deliver(const Received& received) {
  const auto deliver = received.as<wire::Deliver>();
  for (std::size_t i = 0; i < deliver.entries.size(); ++i) {
    const wire::Deliver::Entry& entry = deliver.entries[i];
    const auto events = numbers_in(received.packets[i].packet.view);
    REQUIRE(events.size() == entry.count);
    for (std::size_t k = 0; k < events.size(); ++k) {
      const std::uint64_t offset = entry.offset + k;
      REQUIRE(told_.event_at.try_emplace(offset, events[k]).first->second == events[k]);
      const Delivered delivered{deliver.member,
                                {deliver.run, deliver.generation, entry.handout, offset},
                                entry.attempt,
                                std::string(received.packets[i].topic.view),
                                events[k]};
      hold(delivered);
      REQUIRE(held_.emplace(Key{deliver.member, entry.handout, offset}, delivered).second);
    }
  }
  const auto holds = std::count_if(held_.begin(), held_.end(),
                                   [&](const auto& held) { return std::get<0>(held.first) == deliver.member; });
  REQUIRE(static_cast<std::uint64_t>(holds) <= credit_events);
}

/// From now on nobody else may get it, until this client lets it go or loses its connection.
void SimulatedClient::hold(const Delivered& delivered) {
  const auto key = std::pair(group_of(delivered.member), delivered.id.offset);
  auto [holder, alone] = told_.holder.try_emplace(key, source_);
  INFO(key.first << " offset " << key.second << " is at " << holder->second << " and goes to " << source_);
  REQUIRE((alone || holder->second == source_));
}

void SimulatedClient::let_go(const Delivered& delivered) {
  told_.holder.erase({group_of(delivered.member), delivered.id.offset});
}

void SimulatedClient::on_outcomes(const std::vector<wire::Outcome>& outcomes) {
  for (const wire::Outcome& outcome : outcomes) {
    for (std::uint64_t i = 0; i < outcome.run; ++i) {
      const std::uint64_t number = outcome.number + i;
      REQUIRE(number < next_commit_);
      Told::Commit& commit = told_.commits[source_][number];
      if (!commit.status) {
        commit.status = outcome.status;
        commit.first_offset = outcome.first_offset;
      }
      REQUIRE(*commit.status == outcome.status);
      REQUIRE(commit.first_offset == outcome.first_offset);
      if (outcome.status == wire::OutcomeStatus::stored) REQUIRE(outcome.events == commit.events.size());
      acknowledged_ = std::max(acknowledged_, number);
      if (auto settled = settling_.extract(number); !settled.empty()) {
        const Delivered& delivered = settled.mapped();
        const Key key{delivered.member, delivered.id.handout, delivered.id.offset};
        if (outcome.status == wire::OutcomeStatus::refused && granted_.contains(key)) held_.emplace(key, delivered);
      }
      for (Sent& sent : sent_) {
        if (sent.answered_to == number) sent.answered_to = number + 1;
      }
    }
  }
  std::erase_if(sent_, [](const Sent& sent) { return sent.answered_to >= sent.first + sent.count; });
}

void SimulatedClient::send_again(const Sent& sent) {
  Bytes head;
  const std::size_t fields =
      sent.kind == wire::Kind::publish ? wire::Publish::field_count : wire::Settle::field_count;
  wire::Writer(head).array(3 + fields).str(name(sent.kind)).uint(session_).uint(++number_).raw(sent.fields);
  driver_.receive(peer_, {std::move(head), sent.packets});
}

std::string SimulatedClient::describe() const {
  return source_ + (connected() ? "" : ", not connected") + (halted_at_ ? ", halted" : "") + ", " +
         std::to_string(sent_.size()) + " messages unanswered" +
         (sent_.empty() ? "" : " from commit " + std::to_string(sent_.front().first)) + ", holds " +
         std::to_string(held_.size());
}

bool SimulatedClient::resume() {
  if (!connected() || !halted_at_) return false;
  const std::uint64_t from = *std::exchange(halted_at_, std::nullopt);
  send(wire::Resume{from});
  for (const Sent& sent : sent_) {
    if (sent.first + sent.count > from) send_again(sent);
  }
  return true;
}

void SimulatedClient::act() {
  if (!connected() || resume()) return;
  if (publishes_ && chance(2) == 0) return publish();
  if (consumes_) settle(1 + chance(2), false);
}

void SimulatedClient::settle_all() {
  if (!connected() || !consumes_) return;
  settle(1, true);
  settle(2, true);
}

void SimulatedClient::renew() {
  if (connected()) send(wire::Renew{{session_}});
}

Bytes SimulatedClient::packet(const std::vector<std::uint64_t>& events) const {
  return packet_of(source_, epoch_, next_commit_, events);
}

void SimulatedClient::publish() {
  std::vector<wire::TopicPacket> packets;
  Told::Commit& commit = told_.commits[source_][next_commit_];
  const bool bad = chance(12) == 0;
  for (std::uint64_t p = 0; p < 1 + chance(3); ++p) {
    std::vector<std::uint64_t> events;
    for (std::uint64_t i = 0; i < 1 + chance(4); ++i) {
      events.push_back(told_.next_event++);
      commit.events.push_back(events.back());
    }
    const std::string topic = bad ? "in..bad" : chance(2) ? "in.a" : "in.b";
    packets.push_back({SharedBytes::own(topic), SharedBytes::own(packet(events))});
  }
  Sent sent{next_commit_, 1, next_commit_, wire::Kind::publish, {}, std::move(packets)};
  wire::Writer to(sent.fields);
  wire::Publish{next_commit_++}.write(to);
  sent_.push_back(sent);
  send_again(sent);
}

/// One settle message: turns that publish, retry or reject for group "turns", runs for "acks".
void SimulatedClient::settle(std::uint64_t member, bool only_ack) {
  std::vector<Delivered> mine;
  for (const auto& [key, delivered] : held_) {
    if (delivered.member == member && (only_ack || chance(3) != 0)) mine.push_back(delivered);
  }
  if (mine.empty()) return;
  wire::Settle message;
  message.first_number = next_commit_;
  std::vector<std::uint64_t> outputs;
  std::uint64_t number = next_commit_;
  for (const Delivered& delivered : mine) {
    wire::Turn turn = TestClient::turn({delivered.settlement()});
    Told::Commit& commit = told_.commits[source_][number];
    const std::uint64_t choice = only_ack ? 9 : chance(10);
    if (member == 1 && choice == 0) {
      turn.settlements[0].verdict = wire::Verdict::retry;
      if (chance(2) == 0) turn.settlements[0].retry_after_ms = chance(3'000);
    } else if (member == 1 && choice == 1) {
      turn.settlements[0].verdict = wire::Verdict::reject;
    } else if (member == 1) {
      turn.publications.push_back({0, outputs.size(), 1});
      outputs.push_back(delivered.event);
      commit.events.push_back(delivered.event);
    }
    settling_.insert_or_assign(number, delivered);
    wire::Turn* last = message.turns.empty() ? nullptr : &message.turns.back();
    const bool joins = member == 2 && last != nullptr && last->settlements[0].first.handout == delivered.id.handout &&
                       last->settlements[0].first.offset + last->run == delivered.id.offset;
    if (joins) {
      last->settlements[0].count = ++last->run;
    } else {
      message.turns.push_back(std::move(turn));
    }
    held_.erase({member, delivered.id.handout, delivered.id.offset});
    let_go(delivered);
    ++number;
  }
  Sent sent{next_commit_, number - next_commit_, next_commit_, wire::Kind::settle, {}, {}};
  if (!outputs.empty()) sent.packets = {{SharedBytes::own("out"), SharedBytes::own(packet(outputs))}};
  wire::Writer to(sent.fields);
  message.write(to);
  next_commit_ = number;
  sent_.push_back(sent);
  send_again(sent);
}

}  // namespace spindle::proxy
