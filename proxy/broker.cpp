#include "proxy/broker.hpp"

#include <algorithm>

#include "proxy/broker_state.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::proxy {

Broker::Broker(BrokerConfig config) : state_(std::make_unique<BrokerState>(std::move(config))) {}
Broker::~Broker() = default;

Result<void> Broker::replay(const spool::Record& record, Now now) { return state_->replay(record, now); }
void Broker::start(std::optional<Log> log, Now now) { state_->start(std::move(log), now); }
void Broker::on_message(const Peer& peer, std::span<const SharedBytes> frames, Now now) {
  state_->on_message(peer, frames, now);
}
void Broker::on_unreachable(const Peer& peer, Now now) { state_->on_unreachable(peer, now); }
void Broker::on_captured(BytesView topic, BytesView packet, Now now) { state_->on_captured(topic, packet, now); }
void Broker::on_durable(std::uint64_t batch, Now) { state_->on_durable(batch); }
void Broker::on_block(const ReadRequest& request, const spool::Block& block, Now now) {
  state_->on_block(request, block, now);
}
void Broker::on_read_error(const ReadRequest& request, const Error& error) { state_->on_read_error(request, error); }
void Broker::on_space(std::uint64_t bytes_free) { state_->set_space(bytes_free); }
void Broker::on_tick(Now now) {
  state_->expire_sessions(now);
  state_->tick_groups(now);
}
std::optional<Instant> Broker::next_deadline() const { return state_->next_deadline(); }
std::optional<Broker::Decided> Broker::take_batch(Now) { return state_->take_batch(); }
std::vector<Outgoing> Broker::take_outgoing() { return state_->take_outgoing(); }
std::vector<ReadRequest> Broker::take_reads(Now now) { return state_->take_reads(now); }
void Broker::say_goodbye(Now) { state_->say_goodbye(); }
std::uint64_t Broker::durable_end() const { return state_->ledger().durable_end(); }

BrokerState::BrokerState(BrokerConfig config) : config_(std::move(config)), random_(config_.seed) {}

void BrokerState::on_message(const Peer& peer, std::span<const SharedBytes> frames, Now now) {
  if (frames.empty()) return;
  const wire::Head head(frames[0].view, values_);
  if (!head.ok()) return send_error(peer, head.envelope().number, head.error());
  if (frames.size() % 2 == 0) {
    return send_error(peer, head.envelope().number,
                      {ErrorCode::malformed, "the frames after the first are not pairs of topic and packet"});
  }
  if (head.envelope().kind == wire::Kind::hello) return hello(peer, head, now);
  if (head.envelope().kind == wire::Kind::renew) return renew(head, now);
  Session* session = session_of(peer);
  if (session == nullptr || session->id != head.envelope().session) {
    // Once for each connection: a client may have sent a thousand messages before it learns that it must say hello.
    if (told_unknown_.size() >= sessions_max) told_unknown_.clear();
    if (told_unknown_.insert(peer).second) {
      send_error(peer, head.envelope().number, {ErrorCode::unknown_session, "say hello first, or again"});
    }
    return;
  }
  session->lease_until = now.instant + config_.lease;
  dispatch(*session, head, frames.subspan(1), now);
}

void BrokerState::dispatch(Session& session, const wire::Head& head, std::span<const SharedBytes> frames, Now now) {
  using wire::Kind;
  switch (head.envelope().kind) {
    case Kind::publish: return publish(session, head, frames, now);
    case Kind::settle: return settle(session, head, frames, now);
    case Kind::resume: return resume(session, head);
    case Kind::attach: return attach(session, head, now);
    case Kind::detach: return detach(session, head, now);
    case Kind::credit: return credit(session, head);
    case Kind::extend: return extend(session, head, now);
    case Kind::admin: return admin(session, head);
    case Kind::goodbye: return goodbye(session, now);
    default:
      send_error(
          session, head.envelope().number,
          {ErrorCode::unsupported, "a client does not send '" + std::string(name(head.envelope().kind)) + "'"});
  }
}

void BrokerState::send_error(Session& session, std::uint64_t answers, const Error& error) {
  send(session, wire::ErrorMessage::of(answers, error), ledger_->decided_batch());
}

void BrokerState::send_error(const Peer& peer, std::uint64_t answers, const Error& error) {
  ledger_->hold(peer, {wire::encode(0, 0, wire::ErrorMessage::of(answers, error)), {}}, ledger_->decided_batch());
}

/// One answer for all commits of a session in this loop turn.
void BrokerState::flush_answers() {
  for (auto& [id, session] : sessions_) {
    if (!session.published.empty()) {
      send(session, wire::Published{session.published_answers, std::exchange(session.published, {})},
           ledger_->decided_batch());
    }
    if (!session.settled.empty()) {
      send(session, wire::Settled{session.settled_answers, std::exchange(session.settled, {})},
           ledger_->decided_batch());
    }
  }
}

std::optional<Broker::Decided> BrokerState::take_batch() {
  flush_answers();
  return ledger_->take_batch();
}

std::vector<Outgoing> BrokerState::take_outgoing() {
  flush_answers();
  return ledger_->take_outgoing();
}

void BrokerState::on_durable(std::uint64_t batch) {
  ledger_->on_durable(batch);
  for (auto& [id, session] : sessions_) {
    while (!session.unanswered.empty() && session.unanswered.front().first <= batch) {
      session.unanswered_bytes -= session.unanswered.front().second;
      session.unanswered.pop_front();
    }
  }
}

std::optional<Instant> BrokerState::next_deadline() const {
  std::optional<Instant> next;
  auto consider = [&](Instant when) { next = next ? std::min(*next, when) : when; };
  for (const auto& [id, session] : sessions_) consider(session.lease_until);
  for (const auto& [id, group] : groups_) {
    if (auto due = group->next_due()) consider(*due);
  }
  return next;
}

}  // namespace spindle::proxy
