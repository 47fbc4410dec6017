#include "proxy/broker.hpp"

#include <algorithm>

#include "proxy/broker_state.hpp"
#include "proxy/text.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::proxy {
namespace {

constexpr std::size_t error_bytes_max = 1000;

}  // namespace

Broker::Broker(BrokerConfig config) : state_(std::make_unique<BrokerState>(std::move(config))) {}
Broker::~Broker() = default;

Result<void> Broker::replay(const spool::Record& record, Now now) { return state_->replay(record, now); }
void Broker::start(std::optional<Log> log, Now now) { state_->start(std::move(log), now); }
void Broker::on_message(const Peer& peer, std::span<const SharedBytes> frames, Now now) {
  state_->on_message(peer, frames, now);
}
void Broker::on_unreachable(const Peer& peer, Now now) { state_->on_unreachable(peer, now); }
Result<void> Broker::on_captured(BytesView topic, BytesView packet, Now now) {
  return state_->on_captured(topic, packet, now);
}
void Broker::on_durable(std::uint64_t batch, Now) { state_->on_durable(batch); }
void Broker::on_block(const ReadRequest& request, const spool::Block& block, Now now) {
  state_->on_block(request, block, now);
}
void Broker::on_read_error(const ReadRequest& request, const Error& error, Now now) {
  state_->on_read_error(request, error, now);
}
void Broker::on_read_lost(const ReadRequest& request, const Error& error, std::uint64_t from_offset,
                          std::uint64_t to_offset, Now now) {
  state_->on_read_lost(request, error, {from_offset, to_offset}, now);
}
void Broker::on_space(std::uint64_t bytes_free) { state_->on_space(bytes_free); }
void Broker::on_tick(Now now) {
  state_->expire_sessions(now);
  state_->tick_groups(now);
  state_->tick_sources(now);
  state_->retain(now);
}
std::optional<Instant> Broker::next_deadline() const { return state_->next_deadline(); }
std::optional<Broker::Decided> Broker::take_batch(Now now) { return state_->take_batch(now); }
std::vector<Outgoing> Broker::take_outgoing() { return state_->take_outgoing(); }
std::vector<ReadRequest> Broker::take_reads(Now now) { return state_->take_reads(now); }
void Broker::say_goodbye(Now) { state_->say_goodbye(); }
void Broker::say_failed(const Error& why) { state_->say_failed(why); }
std::uint64_t Broker::durable_end() const { return state_->ledger().durable_end(); }

BrokerState::BrokerState(BrokerConfig config)
    : config_(std::move(config)), retention_(config_.retention), random_(config_.seed) {}

void BrokerState::on_message(const Peer& peer, std::span<const SharedBytes> frames, Now now) {
  if (frames.empty()) return;
  const wire::Head head(frames[0].view, values_);
  if (is_deaf_to(peer, head, now)) return;
  if (!head.ok()) return send_error(peer, head.envelope().number, head.error());
  if (frames.size() % 2 == 0) {
    return send_error(peer, head.envelope().number,
                      {ErrorCode::malformed, "the frames after the first are not pairs of topic and packet"});
  }
  if (head.envelope().kind == wire::Kind::hello) return hello(peer, head, now);
  const bool renews = head.envelope().kind == wire::Kind::renew;
  if (renews) renew(head, now);
  if (renews && head.envelope().session == 0) return;
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
  if (renews) return;
  dispatch(*session, head, frames.subspan(1), now);
}

/// Who asks on while the answers to what it asked wait for a disk that hangs is not heard, or the answers would fill
/// the memory. Nothing is lost: a commit that was not heard leaves a gap in the numbers, a hello is said again.
bool BrokerState::is_deaf_to(const Peer& peer, const wire::Head& head, Now now) {
  using wire::Kind;
  const std::size_t waiting = ledger_->held_answer_bytes(peer);
  Session* session = session_of(peer);
  const bool all_full = ledger_->held_answer_bytes() > held_answer_bytes_max && (waiting > 0 || session == nullptr);
  if (waiting <= held_answer_bytes_per_peer_max && !all_full) return false;
  const Kind kind = head.envelope().kind;
  const bool unanswered = kind == Kind::renew || kind == Kind::resume || kind == Kind::credit ||
                          kind == Kind::extend || kind == Kind::goodbye;
  if (head.ok() && unanswered) return false;
  if (session != nullptr) session->lease_until = now.instant + config_.lease;  // it is alive, after all
  unheard_.add();
  if (auto count = unheard_.due(now.instant)) {
    log::warn("did not hear " + std::to_string(count) +
              " messages: answers to what clients asked before fill held_answer_bytes_max (32 MiB), or those of one "
              "client held_answer_bytes_per_peer_max (1 MiB), while the disk is slow");
  }
  return true;
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
    case Kind::admin: return admin(session, head, now);
    case Kind::goodbye: return goodbye(session, now);
    default:
      send_error(
          session, head.envelope().number,
          {ErrorCode::unsupported, "a client does not send '" + std::string(name(head.envelope().kind)) + "'"});
  }
}

void BrokerState::send_error(Session& session, std::uint64_t answers, const Error& error) {
  const Error readable{error.code, clean_text(error.text, error_bytes_max)};
  send(session, wire::ErrorMessage::of(answers, readable), ledger_->decided_batch());
}

void BrokerState::send_error(const Peer& peer, std::uint64_t answers, const Error& error) {
  const Error readable{error.code, clean_text(error.text, error_bytes_max)};
  ledger_->hold(peer, {wire::encode(0, 0, wire::ErrorMessage::of(answers, readable)), {}}, ledger_->decided_batch());
}

/// Outcomes of a session's commits wait for the end of the loop turn.
void BrokerState::answer(Session& session, std::vector<wire::Outcome>& answers, std::vector<wire::Outcome> outcomes) {
  if (session.published.empty() && session.settled.empty()) answering_.push_back(session.id);
  std::move(outcomes.begin(), outcomes.end(), std::back_inserter(answers));
}

/// One answer for all commits of a session in this loop turn.
void BrokerState::flush_answers() {
  for (std::uint64_t id : std::exchange(answering_, {})) {
    auto session = sessions_.find(id);
    if (session == sessions_.end()) continue;
    send_outcomes<wire::Published>(session->second, session->second.published, session->second.published_answers);
    send_outcomes<wire::Settled>(session->second, session->second.settled, session->second.settled_answers);
  }
}

template <class Answer>
void BrokerState::send_outcomes(Session& session, std::vector<wire::Outcome>& outcomes, std::uint64_t answers) {
  for (std::size_t begin = 0; begin < outcomes.size(); begin += outcomes_per_answer_max) {
    Answer some;
    some.answers = answers;
    const auto first = outcomes.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto count = std::min(outcomes_per_answer_max, outcomes.size() - begin);
    some.outcomes.assign(std::move_iterator(first), std::move_iterator(first + static_cast<std::ptrdiff_t>(count)));
    send(session, some, ledger_->decided_batch());
  }
  outcomes.clear();
}

std::optional<Broker::Decided> BrokerState::take_batch(Now now) {
  flush_answers();
  note_all_passed(now);
  return ledger_->take_batch();
}

std::vector<Outgoing> BrokerState::take_outgoing() {
  flush_answers();
  return ledger_->take_outgoing();
}

void BrokerState::on_durable(std::uint64_t batch) {
  ledger_->on_durable(batch);
  while (!unanswered_.empty() && unanswered_.front().batch <= batch) {
    auto session = sessions_.find(unanswered_.front().session);
    if (session != sessions_.end()) session->second.unanswered_bytes -= unanswered_.front().bytes;
    unanswered_bytes_ -= unanswered_.front().bytes;
    unanswered_.pop_front();
  }
  if (ledger_->has_log()) remove_trimmed();
}

void BrokerState::on_space(std::uint64_t free_bytes) {
  ledger_->on_space(free_bytes);
  if (ledger_->durable_batch() >= removing_batch_) removing_batch_ = 0;
  if (full_ || !std::exchange(letters_wait_, false)) return;
  for (auto& [id, group] : groups_) group->wait_for_space(false);
}

std::optional<Instant> BrokerState::next_deadline() {
  std::optional<Instant> next;
  auto consider = [&](Instant when) { next = next ? std::min(*next, when) : when; };
  for (const auto& [id, session] : sessions_) {
    consider(session.lease_until);
    if (!session.to_rejoin.empty()) consider(session.rejoin_until);
  }
  if (full_) return next;  // what cannot be logged waits, though it is due
  if (ledger_->has_log() && clock_runs()) {
    consider(forgetting_ ? Instant{} : source_clock_since_ + source_clock_interval());
  }
  if (auto due = groups_.next_due()) consider(*due);
  return next;
}

}  // namespace spindle::proxy
