// What a session does with the messages of its proxy.
#include <algorithm>
#include <utility>

#include "spindle/transport/client_session.hpp"

namespace spindle::transport {

using namespace session_event;

namespace {

constexpr Duration resume_after_min = std::chrono::milliseconds(10);

bool is_fatal(ErrorCode code) {
  switch (code) {
    case ErrorCode::fenced:
    case ErrorCode::unsupported_version: return true;
    default: return false;
  }
}

bool is_of_lost_past(ErrorCode code) {
  return code == ErrorCode::source_forgotten || code == ErrorCode::spool_rolled_back;
}

Duration as_ms(std::uint64_t ms) {
  constexpr std::uint64_t day = 24ull * 60 * 60 * 1000;
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::min(ms, day)));
}

}  // namespace

void ClientSession::on_message(std::span<const SharedBytes> frames, Instant now) {
  if (state_ == State::closed || frames.empty()) return;
  quiet_since_ = now;
  patience_ = welcome_.lease_ms > 0 ? as_ms(welcome_.lease_ms) / 2 : patience_default;
  wire::Head head(frames[0].view, values_);
  if (!head.ok()) {
    events_.emplace_back(Trouble{head.error()});
    return;
  }
  on_checked_message(head, frames, now);
}

void ClientSession::on_checked_message(const wire::Head& head, std::span<const SharedBytes> frames, Instant now) {
  auto handle = [&]<class M>(M*, auto&& handler) {
    auto message = wire::decode<M>(head);
    if (message) return handler(*message);
    events_.emplace_back(Trouble{message.error()});
  };
  const wire::Envelope& envelope = head.envelope();
  using wire::Kind;
  if (envelope.kind == Kind::error) {
    return handle(static_cast<wire::ErrorMessage*>(nullptr),
                  [&](const wire::ErrorMessage& message) { on_error(envelope.session, message, now); });
  }
  if (envelope.kind == Kind::welcome) {
    return handle(static_cast<wire::Welcome*>(nullptr), [&](const wire::Welcome& message) { on_welcome(message); });
  }
  if (session_ == 0 || envelope.session != session_) return;  // of an old session
  switch (envelope.kind) {
    case Kind::published:
      return handle(static_cast<wire::Published*>(nullptr), [&](const auto& m) { on_outcomes(m.outcomes); });
    case Kind::settled:
      return handle(static_cast<wire::Settled*>(nullptr), [&](const auto& m) { on_outcomes(m.outcomes); });
    case Kind::deliver:
      return handle(static_cast<wire::Deliver*>(nullptr), [&](const auto& m) { on_deliver(m, frames); });
    case Kind::halted: return handle(static_cast<wire::Halted*>(nullptr), [&](const auto& m) { on_halted(m, now); });
    case Kind::attached: return handle(static_cast<wire::Attached*>(nullptr), [&](const auto& m) { on_attached(m); });
    case Kind::detached: return handle(static_cast<wire::Detached*>(nullptr), [&](const auto& m) { on_detached(m); });
    case Kind::lost:
      return handle(static_cast<wire::Lost*>(nullptr), [&](const auto& m) { events_.emplace_back(EventsLost{m}); });
    case Kind::admin_reply:
      return handle(static_cast<wire::AdminReply*>(nullptr), [&](const auto& m) { on_admin_reply(m); });
    case Kind::goodbye:
      return handle(static_cast<wire::Goodbye*>(nullptr), [&](const auto& m) { on_goodbye(m, now); });
    default:
      events_.emplace_back(Trouble{
          {ErrorCode::unsupported, "the proxy sent '" + std::string(name(envelope.kind)) + "', which clients say"}});
  }
}

void ClientSession::on_welcome(const wire::Welcome& welcome) {
  if (state_ != State::greeting || welcome.answers != hello_number_) return;
  if (welcome.version != wire::protocol_version) {
    return end_for_good({ErrorCode::unsupported_version, "the proxy chose protocol version " +
                                                             std::to_string(welcome.version) +
                                                             ", which was not offered; update this program"});
  }
  if (welcome.spool.empty() && !welcome_.spool.empty()) {
    return end_for_good({ErrorCode::no_spool, "the proxy had a spool and has none now; start it with --spool"});
  }
  if (!welcome.spool.empty()) {
    if (auto begun = begin_in(welcome); !begun) return end_for_good(begun.error());
  }
  welcome_ = welcome;
  session_ = welcome.session;
  patience_ = welcome.lease_ms > 0 ? as_ms(welcome.lease_ms) / 2 : patience_default;
  events_.emplace_back(Welcomed{welcome});
  if (welcome.spool.empty() && outbox_.unanswered() > 0) {
    outbox_.refuse_all(check_open().error(), events_);
    release_settled();
  }
  state_ = State::attaching;
  for (auto& [number, member] : members_) send_attach(member);
  for (const AdminRequest& request : std::exchange(to_ask_, {})) send_admin(request);
  become_ready_if_attached();
}

/// The log may be another one than before, or an older copy of it.
Result<void> ClientSession::begin_in(const wire::Welcome& welcome) {
  const bool other_spool = !welcome_.spool.empty() && welcome.spool != welcome_.spool;
  const bool other_time = !welcome_.spool.empty() && welcome.incarnation != welcome_.incarnation;
  if (other_spool || other_time || anew_) {
    for (auto& [number, member] : members_) {
      member.request.create = member.may_create;
      member.joined = false;
    }
  }
  const bool shorter = other_time && welcome.last_number < outbox_.acknowledged();
  if (!other_spool && !shorter && !anew_) return outbox_.begin(welcome);
  if (!anew_) {
    anew_ = {other_spool ? ErrorCode::source_forgotten : ErrorCode::spool_rolled_back,
             other_spool ? "the proxy has another spool than before" : "the spool was restored from an older copy"};
  }
  go_on_in(welcome, other_spool);
  return {};
}

/// Nothing that is held can be settled any more, and what has no outcome follows what the log has.
void ClientSession::go_on_in(const wire::Welcome& welcome, bool other_spool) {
  const Error why = *std::exchange(anew_, std::nullopt);
  StartedAnew told{why, 1, 0};
  Outbox::NewLog log;
  log.other = other_spool;
  if (other_spool) {
    told.last = outbox_.acknowledged();  // of the other one: nothing of this process is here
  } else if (why.code == ErrorCode::spool_rolled_back) {
    told.first = welcome.last_number + 1;
    told.last = outbox_.acknowledged();
  } else {
    log.in_doubt = Error{why.code, "it was sent and may be stored or not: " + why.text};
  }
  events_.emplace_back(std::move(told));
  for (auto& [number, member] : members_) {
    if (auto lost = member.held.keep_only({}); !lost.empty()) {
      events_.emplace_back(DeliveriesLost{number, std::move(lost)});
    }
  }
  outbox_.begin_anew(welcome, log, events_);
  release_settled();
}

/// Once: a log that does not take a source that asks for nothing either is no log to go on in.
void ClientSession::start_anew(const Error& why) {
  if (anew_) return end_for_good(why);
  end_session(why, State::waiting);
  anew_ = why;
  say_hello();
}

/// Commits go after the claims: a settle refers to what they claim.
void ClientSession::become_ready_if_attached() {
  if (state_ != State::attaching) return;
  for (const auto& [number, member] : members_) {
    if (member.asked_by != 0) return;
  }
  state_ = State::ready;
  events_.emplace_back(Ready{});
}

void ClientSession::on_outcomes(const std::vector<wire::Outcome>& outcomes) {
  if (!outcomes.empty()) halts_in_a_row_ = 0;
  for (const wire::Outcome& outcome : outcomes) outbox_.on_outcome(outcome, events_);
  release_settled();
}

void ClientSession::release_settled() {
  for (const Outbox::SettledRange& range : outbox_.take_settled()) {
    Member* member = find(range.member);
    if (member != nullptr) member->held.settled(range.first, range.count);
  }
}

void ClientSession::on_halted(const wire::Halted& halted, Instant now) {
  outbox_.halt(halted.number);
  halted_from_ = halted.number;
  resume_at_ = now + std::max(as_ms(halted.retry_after_ms), resume_after_min);
  const ErrorCode code = error_code_named(halted.code).value_or(ErrorCode::unavailable);
  // Told once while nothing is stored; a pause is how a busy disk slows its publishers, and worth a word if it lasts.
  if (++halts_in_a_row_ == (code == ErrorCode::paused ? pauses_untold : 1)) {
    events_.emplace_back(Halted{{code, halted.text}});
  }
}

void ClientSession::on_attached(const wire::Attached& attached) {
  Member* member = find(attached.member);
  if (member == nullptr || member->asked_by != attached.answers) return;
  member->asked_by = 0;
  member->request.create = false;
  member->joined = true;
  auto lost = member->held.keep_only(attached.claimed);  // claims of an older generation are never granted
  events_.emplace_back(Attached{attached.member, attached.generation, attached.position});
  if (!lost.empty()) events_.emplace_back(DeliveriesLost{attached.member, std::move(lost)});
  become_ready_if_attached();
}

void ClientSession::on_deliver(const wire::Deliver& deliver, std::span<const SharedBytes> frames) {
  if (frames.size() != 1 + 2 * deliver.entries.size()) {
    events_.emplace_back(Trouble{{ErrorCode::malformed, "a deliver has not one packet for each entry"}});
    return;
  }
  Member* member = find(deliver.member);
  if (member == nullptr) return;
  // The group was moved to another position: what the member still had is not its own any more.
  if (auto lost = member->held.drop_older(deliver.generation); !lost.empty()) {
    events_.emplace_back(DeliveriesLost{deliver.member, std::move(lost)});
  }
  for (std::size_t i = 0; i < deliver.entries.size(); ++i) {
    const wire::Deliver::Entry& entry = deliver.entries[i];
    const wire::DeliveryId first{deliver.run, deliver.generation, entry.handout, entry.offset};
    member->held.add(first, entry.count, entry.attempt);
    events_.emplace_back(
        Delivered{deliver.member, first, entry.count, entry.attempt, {frames[1 + 2 * i], frames[2 + 2 * i]}});
  }
}

void ClientSession::on_detached(const wire::Detached& detached) {
  auto found = detaching_.find(detached.answers);
  if (found == detaching_.end()) return;
  events_.emplace_back(Detached{found->second});
  detaching_.erase(found);
}

void ClientSession::on_admin_reply(const wire::AdminReply& reply) {
  auto found = asked_.find(reply.answers);
  if (found == asked_.end()) return;
  events_.emplace_back(AdminAnswered{found->second, reply.body});
  asked_.erase(found);
}

void ClientSession::on_goodbye(const wire::Goodbye& goodbye, Instant now) {
  end_session({ErrorCode::unavailable, "the proxy said goodbye: " + goodbye.reason}, State::waiting);
  hello_at_ = now + hello_again_after;  // unless the connection goes down, which says when to come back
}

void ClientSession::on_error(std::uint64_t session, const wire::ErrorMessage& message, Instant now) {
  if (state_ == State::greeting && message.answers == hello_number_) return on_hello_error(message, now);
  // Numbers never begin anew, so an answer to an old session's message is told by its number.
  const bool ours = session_ != 0 && (session == session_ || session == 0) &&
                    (message.answers == 0 || message.answers > hello_number_);
  if (!ours) return;
  const Error error = message.to_error();
  if (message.error_class == name(ErrorClass::session)) return on_session_error(error, now);
  if (error.code == ErrorCode::group_deleted && message.answers == 0) return on_group_deleted(message.member, error);
  on_request_error(message.answers, error, now);
}

void ClientSession::on_hello_error(const wire::ErrorMessage& message, Instant now) {
  const Error error = message.to_error();
  const bool may_pass = message.error_class == name(ErrorClass::passing) ||
                        error.code == ErrorCode::unknown_session || error.code == ErrorCode::number_gap ||
                        error.code == ErrorCode::io_error;
  if (is_of_lost_past(error.code)) return start_anew(error);
  if (!may_pass) return end_for_good(error);
  end_session(error, State::waiting);
  events_.emplace_back(Trouble{error});
  hello_at_ = now + hello_again_after;
}

void ClientSession::on_session_error(const Error& error, Instant now) {
  if (is_of_lost_past(error.code)) return start_anew(error);
  if (is_fatal(error.code)) return end_for_good(error);
  end_session(error, State::waiting);
  if (error.code == ErrorCode::unknown_session) return say_hello();
  events_.emplace_back(Trouble{error});
  hello_at_ = now + hello_again_after;
}

void ClientSession::on_group_deleted(std::uint64_t member, const Error& error) {
  if (find(member) == nullptr) return;
  events_.emplace_back(AttachRefused{member, error});
  members_.erase(member);
  become_ready_if_attached();
}

void ClientSession::on_request_error(std::uint64_t answers, const Error& error, Instant now) {
  if (auto found = asked_.find(answers); found != asked_.end()) {
    events_.emplace_back(AdminAnswered{found->second, fail(error)});
    asked_.erase(found);
    return;
  }
  if (auto found = detaching_.find(answers); found != detaching_.end()) {
    events_.emplace_back(Detached{found->second});
    detaching_.erase(found);
    return;
  }
  for (auto& [number, member] : members_) {
    if (answers == 0 || member.asked_by != answers) continue;
    member.asked_by = 0;
    if (class_of(error.code) == ErrorClass::passing) {
      member.again_at = now + hello_again_after;
      events_.emplace_back(Trouble{error});
    } else {
      events_.emplace_back(AttachRefused{number, error});
      members_.erase(number);
    }
    return become_ready_if_attached();
  }
  // A message of commits was refused as a whole: they would never get an outcome.
  if (outbox_.carried_by(answers)) return end_for_good(error);
  events_.emplace_back(Trouble{error});
}

}  // namespace spindle::transport
