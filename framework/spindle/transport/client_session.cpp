#include "spindle/transport/client_session.hpp"

#include <algorithm>
#include <utility>

namespace spindle::transport {

using namespace session_event;

ClientSession::ClientSession(SessionOptions options)
    : options_(std::move(options)), outbox_(options_.source, options_.outbox_bytes_max) {}

// The connection.

void ClientSession::connected(Instant now) {
  if (state_ == State::closed) return;
  end_session({ErrorCode::unavailable, "the connection was made anew"}, State::offline);
  quiet_since_ = now;
  say_hello();
}

void ClientSession::disconnected(Instant) {
  if (state_ == State::closed) return;
  end_session({ErrorCode::unavailable, "the connection is down"}, State::offline);
}

void ClientSession::say_hello() {
  hello_at_.reset();
  session_ = 0;
  wire::Hello hello;
  hello.source = options_.source;
  // A log that was rolled back knows the epoch, or gives one above it; one that forgot the source refuses it.
  if (!anew_ || anew_->code == ErrorCode::spool_rolled_back) hello.epoch = welcome_.epoch;
  if (!anew_) {
    hello.spool = welcome_.spool;
    hello.incarnation = welcome_.incarnation;
    hello.acknowledged = welcome_.spool.empty() ? 0 : outbox_.acknowledged();
  }
  hello.process = options_.process;
  hello.hellos = ++hellos_;
  hello_number_ = queue(hello);
  state_ = State::greeting;
}

/// Everything that was said in the session is void; what must survive it is in the outbox and the members.
void ClientSession::end_session(const Error& why, State next) {
  const bool had_session = session_ != 0;
  state_ = next;
  session_ = 0;
  out_.clear();
  hello_at_.reset();
  resume_at_.reset();
  for (auto& [number, member] : members_) {
    member.asked_by = 0;
    member.again_at.reset();
  }
  if (had_session) events_.emplace_back(Lost{why});
  for (const auto& [number, request] : std::exchange(asked_, {})) {
    events_.emplace_back(AdminAnswered{request, fail(ErrorCode::unavailable, "the session ended; ask again")});
  }
  for (const auto& [number, member] : std::exchange(detaching_, {})) events_.emplace_back(Detached{member});
}

void ClientSession::end_for_good(Error why) {
  end_session(why, State::closed);
  events_.emplace_back(Failed{std::move(why)});
}

template <class M>
std::uint64_t ClientSession::queue(const M& message) {
  out_.push_back({wire::encode(session_, ++last_number_, message), {}});
  return last_number_;
}

bool ClientSession::expects_answer() const {
  if (state_ == State::greeting || state_ == State::attaching) return true;
  if (state_ != State::ready) return false;
  if (!asked_.empty() || !detaching_.empty() || (outbox_.in_flight() && !resume_at_)) return true;
  return std::any_of(members_.begin(), members_.end(), [](const auto& entry) { return entry.second.asked_by != 0; });
}

void ClientSession::on_tick(Instant now) {
  if (hello_at_ && *hello_at_ <= now) say_hello();
  if (resume_at_ && *resume_at_ <= now) {
    resume_at_.reset();
    queue(wire::Resume{halted_from_});
  }
  for (auto& [number, member] : members_) {
    if (member.again_at && *member.again_at <= now) send_attach(member);
  }
  if (state_ == State::ready && renew_at_ <= now) {
    // Not for the lease, which the keeper renews too: a session that the proxy gave up is told so, and says hello
    // again.
    renew_at_ = now + std::chrono::milliseconds(std::max<std::uint64_t>(welcome_.heartbeat_ms, heartbeat_ms_min));
    queue(wire::Renew{{session_}});
  }
  const bool expected = std::exchange(expected_answer_, expects_answer());
  if (!expected) quiet_since_ = now;
  if (!expected_answer_ || now - quiet_since_ < patience_) return;
  end_session({ErrorCode::timeout, "the proxy is silent; trying another connection"}, State::offline);
  reconnect_ = true;
  quiet_since_ = now;
  patience_ = std::min(2 * patience_, patience_max);
}

std::optional<Instant> ClientSession::next_deadline() const {
  std::optional<Instant> next;
  auto consider = [&](std::optional<Instant> when) {
    if (when && (!next || *when < *next)) next = when;
  };
  consider(hello_at_);
  consider(resume_at_);
  if (state_ == State::ready) consider(renew_at_);
  for (const auto& [number, member] : members_) consider(member.again_at);
  if (expected_answer_) consider(quiet_since_ + patience_);
  return next;
}

bool ClientSession::take_reconnect() { return std::exchange(reconnect_, false); }

// Commits.

Result<void> ClientSession::check_open() const {
  if (state_ == State::closed) {
    return fail(ErrorCode::closed, "the session of " + options_.source + " is over; nothing more can be stored");
  }
  if (options_.source.empty()) {
    return fail(ErrorCode::invalid_argument, "a session without a source only administers; give it a source");
  }
  if (welcome_.epoch != 0 && welcome_.spool.empty()) {
    return fail(ErrorCode::no_spool, "the proxy stores nothing; start it with --spool for durable events");
  }
  return {};
}

Result<Ticket> ClientSession::publish(std::span<const OutgoingEvent> events, WallNs now) {
  if (auto open = check_open(); !open) return fail(open.error());
  return outbox_.publish(events, now);
}

Result<Ticket> ClientSession::settle(std::span<const wire::Settlement> settlements,
                                     std::span<const OutgoingEvent> events, WallNs now) {
  if (auto open = check_open(); !open) return fail(open.error());
  for (const wire::Settlement& settlement : settlements) {
    Member* member = find(settlement.member);
    if (member == nullptr || !member->held.open(settlement.first, settlement.count)) {
      return fail(ErrorCode::stale, "delivery of offset " + std::to_string(settlement.first.offset) +
                                        " is not this member's (any more); it was or will be handed out again");
    }
  }
  auto ticket = outbox_.settle(settlements, events, now);
  if (!ticket) return ticket;
  for (const wire::Settlement& settlement : settlements) {
    find(settlement.member)->held.submit(settlement.first, settlement.count);
  }
  return ticket;
}

Result<Ticket> ClientSession::acknowledge_each(std::uint64_t member, const wire::DeliveryId& first,
                                               std::uint64_t count) {
  if (auto open = check_open(); !open) return fail(open.error());
  Member* found = find(member);
  if (count == 0 || found == nullptr || !found->held.open(first, count)) {
    return fail(ErrorCode::stale, "deliveries from offset " + std::to_string(first.offset) +
                                      " are not this member's (any more); they were or will be handed out again");
  }
  found->held.submit(first, count);
  return outbox_.acknowledge_each(member, first, count);
}

// Groups and administration.

ClientSession::Member* ClientSession::find(std::uint64_t member) {
  auto found = members_.find(member);
  return found == members_.end() ? nullptr : &found->second;
}

std::uint64_t ClientSession::attach(wire::Attach request) {
  request.member = ++last_member_;
  Member& member = members_[request.member];
  member.request = std::move(request);
  member.may_create = member.request.create;
  if (session_ != 0) send_attach(member);
  return last_member_;
}

void ClientSession::send_attach(Member& member) {
  member.again_at.reset();
  wire::Attach request = member.request;
  request.claims = member.held.claims();
  if (request.claims.size() > claims_sent_max) request.claims.resize(claims_sent_max);
  if (member.joined) {  // an operator may have altered the group since
    request.options = {};
    request.alter = false;
  }
  member.asked_by = queue(request);
}

void ClientSession::set_credit(std::uint64_t member, std::uint64_t events, std::uint64_t bytes) {
  Member* found = find(member);
  if (found == nullptr) return;
  found->request.credit_events = events;
  found->request.credit_bytes = bytes;
  if (session_ != 0) queue(wire::Credit{member, events, bytes});
}

void ClientSession::extend(std::uint64_t member, const wire::DeliveryId& delivery) {
  if (session_ != 0 && find(member) != nullptr) queue(wire::Extend{member, delivery});
}

void ClientSession::forget(std::uint64_t member, const wire::DeliveryId& delivery) {
  if (Member* found = find(member)) found->held.forget(delivery);
}

void ClientSession::detach(std::uint64_t member) {
  if (members_.erase(member) == 0) return;
  if (session_ == 0) {
    events_.emplace_back(Detached{member});
    return;
  }
  detaching_[queue(wire::Detach{member})] = member;
  become_ready_if_attached();
}

std::uint64_t ClientSession::admin(std::string verb, std::string subject, Bytes arguments) {
  AdminRequest request{++last_request_, {std::move(verb), std::move(subject), std::move(arguments)}};
  if (state_ == State::closed) {
    events_.emplace_back(AdminAnswered{request.id, fail(ErrorCode::closed, "the session is over")});
  } else if (session_ != 0) {
    send_admin(request);
  } else {
    to_ask_.push_back(std::move(request));
  }
  return last_request_;
}

void ClientSession::send_admin(const AdminRequest& request) { asked_[queue(request.admin)] = request.id; }

void ClientSession::goodbye(std::string reason) {
  if (state_ == State::closed) return;
  const std::uint64_t session = session_;
  end_session({ErrorCode::closed, "goodbye was said"}, State::closed);
  if (session == 0) return;
  session_ = session;
  queue(wire::Goodbye{std::move(reason)});
  session_ = 0;
}

// What comes out.

std::optional<wire::Message> ClientSession::next_message() {
  if (!out_.empty()) {
    wire::Message message = std::move(out_.front());
    out_.pop_front();
    return message;
  }
  if (state_ != State::ready || resume_at_) return std::nullopt;
  auto message = outbox_.next(session_, last_number_ + 1);
  if (message) ++last_number_;
  return message;
}

std::vector<SessionEvent> ClientSession::take_events() { return std::exchange(events_, {}); }

}  // namespace spindle::transport
