// Who is connected: hello, leases, and how sessions end.
#include <algorithm>

#include "proxy/broker_state.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::proxy {

void BrokerState::hello(const Peer& peer, const wire::Head& head, Now now) {
  const std::uint64_t answers = head.envelope().number;
  auto hello = wire::decode<wire::Hello>(head);
  if (!hello) return send_error(peer, answers, hello.error());
  if (hello->protocol_min > wire::protocol_version || hello->protocol_max < wire::protocol_version) {
    return send_error(peer, answers,
                      {ErrorCode::unsupported_version, "this proxy speaks protocol version " +
                                                           std::to_string(wire::protocol_version) +
                                                           " only; use a client that does"});
  }
  if (ledger_->has_log() && !hello->spool.empty() && hello->spool != spool_) hello->epoch = 0;  // another log's
  if (const Session* here = session_of_source(hello->source);
      here != nullptr && hello->process != 0 && hello->process == here->process) {
    if (hello->hellos < here->hellos) return;  // it was said before, and its connection given up
    if (hello->epoch == 0) hello->epoch = here->epoch;
  }
  auto source = admit(*hello);
  if (!source) return send_error(peer, answers, source.error());
  const bool comes_back = *source != nullptr && hello->epoch != 0 && hello->epoch == (*source)->epoch;
  if (!hello->source.empty() && !comes_back && !ledger_->has_space(Tier::bare, small_record_bytes_max)) {
    return send_error(peer, answers, full_error(Tier::bare));
  }
  const bool replaces_one = session_of(peer) != nullptr || session_of_source(hello->source) != nullptr;
  if (sessions_.size() >= sessions_max && !replaces_one) {
    return send_error(peer, answers, {ErrorCode::too_many, "the proxy has sessions_max (10,000) sessions already"});
  }
  if (*source == nullptr && !hello->source.empty()) *source = &sources_.get(hello->source);
  // Logged first: the older process that is fenced by it must not hear of that sooner than it is durable.
  if (*source != nullptr && (hello->epoch == 0 || hello->epoch != (*source)->epoch)) grant_epoch(**source, now);
  Session& session = open_session(peer, *hello, now);
  session.knows_other_log = (!hello->spool.empty() && hello->spool != spool_) ||
                            (hello->incarnation != 0 && hello->incarnation != incarnation_);
  if (*source != nullptr) session.epoch = (*source)->epoch;
  wire::Welcome welcome;
  welcome.answers = answers;
  welcome.session = session.id;
  welcome.epoch = session.epoch;
  welcome.spool = spool_;
  welcome.incarnation = incarnation_;
  welcome.last_number = *source != nullptr ? (*source)->last_number : 0;
  welcome.host = config_.advertise_host;
  welcome.publish_port = config_.publish_port;
  welcome.subscribe_port = config_.subscribe_port;
  welcome.heartbeat_ms = static_cast<std::uint64_t>(config_.heartbeat / std::chrono::milliseconds(1));
  welcome.lease_ms = static_cast<std::uint64_t>(config_.lease / std::chrono::milliseconds(1));
  welcome.publish_window_bytes = publish_window();
  welcome.commits_in_flight_max = limits::commits_in_flight_max;
  welcome.event_bytes_max = limits::event_bytes_max;
  send(session, welcome, ledger_->decided_batch());
}

/// A session for this connection. The same process that reconnects keeps its members: they are suspended until it
/// attaches again. An older process of the source is fenced.
Session& BrokerState::open_session(const Peer& peer, const wire::Hello& hello, Now now) {
  if (Session* here = session_of(peer); here != nullptr && here->source != hello.source)
    end_session(here->id, true, now);
  std::map<std::uint64_t, std::uint64_t> groups;
  if (Session* before = hello.source.empty() ? session_of(peer) : session_of_source(hello.source)) {
    if (hello.epoch != 0 && hello.epoch == before->epoch) {
      groups = std::exchange(before->groups, {});
      for (const auto& [member, group] : groups) groups_.at(group)->suspend({hello.source, member});
    } else if (!hello.source.empty()) {
      send_error(*before, 0, {ErrorCode::fenced, "a newer process of source " + hello.source + " has taken over"});
    }
    end_session(before->id, true, now);
  }
  std::uint64_t id = 0;
  while (id == 0 || sessions_.contains(id)) id = random_();
  Session& session = sessions_[id];
  session.id = id;
  session.peer = peer;
  session.source = hello.source;
  session.process = hello.process;
  session.hellos = hello.hellos;
  session.lease_until = now.instant + config_.lease;
  for (const auto& [member, group] : groups) session.to_rejoin.insert(member);
  session.rejoin_until = session.lease_until;
  session.groups = std::move(groups);
  session_of_peer_[peer] = id;
  if (!hello.source.empty()) session_of_source_[hello.source] = id;
  told_unknown_.erase(peer);
  return session;
}

void BrokerState::renew(const wire::Head& head, Now now) {
  auto renew = wire::decode<wire::Renew>(head);
  if (!renew) return;  // it has no answer
  for (std::uint64_t id : renew->sessions) {
    auto session = sessions_.find(id);
    // One whose connection is lost must say hello again on another; its lease is for that, and no longer.
    if (session == sessions_.end() || session->second.peer.empty()) continue;
    session->second.lease_until = now.instant + config_.lease;
  }
}

void BrokerState::goodbye(Session& session, Now now) {
  const std::string name = session.source;
  const bool settled = session.unanswered_bytes == 0;
  end_session(session.id, false, now);
  // Nothing of it is outstanding, so nothing can be sent twice: it need not be remembered.
  if (!settled || !ledger_->has_space(Tier::bare, small_record_bytes_max)) return;
  if (Source* source = sources_.find(name)) forget({source}, now);
}

Session* BrokerState::session_of(const Peer& peer) {
  auto found = session_of_peer_.find(peer);
  return found == session_of_peer_.end() ? nullptr : &sessions_.at(found->second);
}

Session* BrokerState::session_of_source(std::string_view source) {
  auto found = session_of_source_.find(source);
  return found == session_of_source_.end() ? nullptr : &sessions_.at(found->second);
}

/// The connection is gone, the client perhaps not: its members keep what they hold until the lease ends.
void BrokerState::on_unreachable(const Peer& peer, Now) {
  Session* session = session_of(peer);
  if (session == nullptr) return;
  for (const auto& [member, group] : session->groups) groups_.at(group)->suspend(key_of(*session, member));
  session_of_peer_.erase(peer);
  session->peer.clear();
}

void BrokerState::expire_sessions(Now now) {
  std::vector<std::uint64_t> expired;
  for (const auto& [id, session] : sessions_) {
    if (session.lease_until <= now.instant) expired.push_back(id);
  }
  for (std::uint64_t id : expired) {
    // Its connection may be up all the same: the client has to know that it must say hello again.
    send_error(sessions_.at(id), 0, {ErrorCode::unknown_session, "the session's lease has ended; say hello again"});
    end_session(id, true, now);
  }
  for (auto& [id, session] : sessions_) {
    if (!session.to_rejoin.empty() && session.rejoin_until <= now.instant) drop_unjoined(session, now);
  }
}

/// The client came back without these members: what they hold goes to others, uncounted.
void BrokerState::drop_unjoined(Session& session, Now now) {
  for (std::uint64_t member : std::exchange(session.to_rejoin, {})) {
    if (session.groups.contains(member)) leave_group(session, member, false, now);
  }
}

void BrokerState::end_session(std::uint64_t id, bool lost, Now now) {
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  flush_answers();
  while (!session.groups.empty()) leave_group(session, session.groups.begin()->first, lost, now);
  if (!session.peer.empty()) session_of_peer_.erase(session.peer);
  auto by_source = session_of_source_.find(session.source);
  if (by_source != session_of_source_.end() && by_source->second == id) session_of_source_.erase(by_source);
  if (Source* source = sources_.find(session.source)) sources_.touch(*source);  // idle from here on
  drop_dead_requests(id);
  sessions_.erase(found);
}

void BrokerState::leave_group(Session& session, std::uint64_t member, bool lost, Now now) {
  Group& group = *groups_.at(session.groups.at(member));
  session.groups.erase(member);
  const MemberKey key = key_of(session, member);
  if (ledger_->has_space(Tier::bare, small_record_bytes_max)) return leave(group, key, lost, now);
  group.suspend(key);
  leaving_.push_back({group.id(), key, lost});
}

void BrokerState::leave(Group& group, const MemberKey& member, bool lost, Now now) {
  if (lost) group_log_.member_lost(group, member, group.pending_of(member));
  log_effects(group, group.leave(member, lost, now), now);
  log_left(group, member, now);
}

void BrokerState::say_goodbye() {
  flush_answers();
  for (auto& [id, session] : sessions_) {
    send(session, wire::Goodbye{"the proxy is stopping; reconnect"}, ledger_->decided_batch());
  }
}

void BrokerState::say_failed(const Error& why) {
  const Error told{ErrorCode::io_error, "the proxy's disk failed and the proxy stops (" + why.text +
                                            "); what has no outcome may be stored or not: say hello to the next "
                                            "proxy and send it again"};
  unsay_what_waits(told);
  for (auto& [id, session] : sessions_) {
    if (session.sent == 0) continue;  // its welcome was not said: it has no session
    send_error(session, 0, told);
    send(session, wire::Goodbye{"the proxy stops: its disk failed"}, ledger_->durable_batch());
  }
}

/// Answers that wait for the disk are not sent any more, and their numbers are given again. A hello that waits for
/// its welcome is answered with `why`.
void BrokerState::unsay_what_waits(const Error& why) {
  answering_.clear();
  for (auto& [id, session] : sessions_) {
    session.published.clear();
    session.settled.clear();
    session.sent_after_batch = 0;
  }
  for (const Outgoing& unsaid : ledger_->fail()) {
    const wire::Head head(unsaid.message.head, values_);
    auto session = sessions_.find(head.envelope().session);
    if (session != sessions_.end()) --session->second.sent;
    if (head.envelope().kind != wire::Kind::welcome) continue;
    if (auto welcome = wire::decode<wire::Welcome>(head)) send_error(unsaid.peer, welcome->answers, why);
  }
}

std::uint64_t BrokerState::publish_window() const {
  return std::clamp(publish_windows_bytes_max / std::max<std::uint64_t>(1, sessions_.size()),
                    publish_window_bytes_min, std::max(publish_window_bytes_min, config_.publish_window_bytes));
}

}  // namespace spindle::proxy
