// A process's session: hello, what it is told, and what it sends again.
#include "process.hpp"

#include <algorithm>

#include "broken.hpp"
#include "spindle/wire/session_messages.hpp"

namespace spindle::simulation {

using namespace std::chrono_literals;
using wire::Kind;

namespace {

constexpr Duration hello_patience = 3s;
constexpr Duration silence_max = 12s;

}  // namespace

Process::Process(const Scenario& scenario, Chance& chance, Network& network, Oracle& oracle,
                 const Scenario::Role& role, std::string source, std::uint64_t number)
    : scenario_(scenario),
      chance_(chance),
      network_(network),
      oracle_(oracle),
      role_(role),
      source_(std::move(source)),
      process_(number),
      life_(oracle.new_life()),
      instance_(life_ + 1),
      credit_events_(chance.between(1, 12)) {
  for (const Scenario::Membership& membership : role.memberships) {
    members_.emplace_back(members_.size() + 1, membership.group, membership.patterns);
  }
}

Member* Process::member(std::uint64_t number) {
  return number >= 1 && number <= members_.size() ? &members_[number - 1] : nullptr;
}

void Process::connect(Now now) {
  lose_session();
  if (!peer_.empty()) network_.drop(peer_, chance_.one_in(2));
  peer_ = network_.connect(source_);
  oracle_.connected(peer_, {process_, life_, source_});
  hello_at_ = heard_at_ = now.instant;
  number_ = 0;
  wire::Hello hello;
  hello.source = source_;
  hello.epoch = epoch_;
  hello.spool = spool_;
  hello.incarnation = incarnation_;
  hello.acknowledged = acknowledged_;
  hello.process = instance_;
  hello.hellos = ++hellos_;
  send(hello, now);
}

void Process::lose_session() {
  session_ = 0;
  halted_at_.reset();
  to_attach_.clear();
  resend_from_ = nowhere;
  for (Member& one : members_) one.suspend();
}

void Process::die() {
  network_.close(peer_);
  gone_ = true;
}

void Process::run(Now now) {
  if (gone_ || now.instant < stopped_until_) return;
  receive(now);
  if (gone_ || now.instant < busy_until_) return;
  act(now);
}

void Process::keep_alive(Now now) {
  if (gone_ || session_ == 0 || now.instant < stopped_until_ || now.instant - renewed_at_ < 1s) return;
  send(wire::Renew{{session_}}, now);
}

void Process::receive(Now now) {
  while (auto message = network_.arrive_at_client(peer_, now.instant)) {
    heard_at_ = now.instant;
    take(*message, now);
    if (gone_) return;
  }
}

void Process::take(wire::Message& message, Now now) {
  wire::Values values;
  const wire::Head head(message.head, values);
  const Kind kind = head.envelope().kind;
  if (kind == Kind::error) {
    return take_error(wire::decode<wire::ErrorMessage>(head).value(), head.envelope().session);
  }
  if (kind == Kind::welcome) return take_welcome(wire::decode<wire::Welcome>(head).value());
  if (session_ == 0 || head.envelope().session != session_) return;
  switch (kind) {
    case Kind::published: return take_outcomes(wire::decode<wire::Published>(head).value().outcomes);
    case Kind::settled: return take_outcomes(wire::decode<wire::Settled>(head).value().outcomes);
    case Kind::halted: return take_halted(wire::decode<wire::Halted>(head).value(), now);
    case Kind::attached: {
      const auto attached = wire::decode<wire::Attached>(head).value();
      return member(attached.member)->take(attached);
    }
    case Kind::deliver: {
      const auto deliver = wire::decode<wire::Deliver>(head).value();
      return member(deliver.member)->take(deliver, message.packets);
    }
    case Kind::lost: {
      const auto lost = wire::decode<wire::Lost>(head).value();
      return member(lost.member)->take(lost);
    }
    case Kind::detached: to_attach_.push_back(wire::decode<wire::Detached>(head).value().member); return;
    case Kind::goodbye: return lose_session();
    default: broken("the proxy sent a " + std::string(name(kind)));
  }
}

void Process::take_welcome(const wire::Welcome& welcome) {
  session_ = welcome.session;
  if (epoch_ == 0) {  // it goes on where one before it of its name was, whose commits count as told to it
    acknowledged_ = welcome.last_number;
    next_commit_ = welcome.last_number + 1;
  }
  const bool other_log = !spool_.empty() && incarnation_ != welcome.incarnation;
  if (epoch_ != 0 && welcome.epoch != epoch_ && !other_log && !renumber_) {
    broken(source_ + " comes back and is given another epoch");
  }
  epoch_ = welcome.epoch;
  spool_ = welcome.spool;
  incarnation_ = welcome.incarnation;
  if (renumber_ || other_log) {
    for (Member& one : members_) one.forget();
  }
  if (std::exchange(renumber_, false)) {
    next_commit_ = welcome.last_number + 1;
    for (Sent& sent : sent_) {
      sent.commits.erase(sent.commits.begin(),
                         sent.commits.begin() + static_cast<std::ptrdiff_t>(sent.answered_to - sent.first()));
      for (Commit& commit : sent.commits) {
        commit.life = life_;
        commit.number = next_commit_++;
        oracle_.asked(commit);
      }
      sent.answered_to = sent.first();
    }
  }
  if (welcome.last_number < acknowledged_ || welcome.last_number >= next_commit_) {
    broken(source_ + " is told a last number that it never sent, or is not told what was acknowledged");
  }
  for (const Member& one : members_) to_attach_.push_back(one.number());
  resend_from_ = 0;
}

void Process::take_outcomes(const std::vector<wire::Outcome>& outcomes) {
  for (const wire::Outcome& outcome : outcomes) {
    for (std::uint64_t number = outcome.number; number < outcome.number + outcome.run; ++number) {
      if (number >= next_commit_) broken(source_ + " is told of a commit that it never sent");
      acknowledged_ = std::max(acknowledged_, number);
      for (Member& one : members_) one.outcome(number);
      for (Sent& sent : sent_) {
        if (sent.answered_to == number) ++sent.answered_to;
      }
    }
  }
  std::erase_if(sent_, [](const Sent& sent) { return sent.answered_to >= sent.end(); });
}

void Process::take_halted(const wire::Halted& halted, Now now) {
  halted_at_ = halted.number;
  resume_at_ = now.instant + std::chrono::milliseconds(halted.retry_after_ms);
}

void Process::take_error(const wire::ErrorMessage& error, std::uint64_t session) {
  if (session != 0 && session != session_) return;  // an older one's
  const auto code = error_code_named(error.code).value_or(ErrorCode::malformed);
  switch (code) {
    case ErrorCode::fenced:
    case ErrorCode::source_forgotten: return die();
    case ErrorCode::spool_rolled_back: return go_on_rolled_back();
    case ErrorCode::unknown_session:
      if (session_ != 0) lose_session();
      return;
    case ErrorCode::unknown_group: return die();
    case ErrorCode::io_error: return lose_session();
    default: return;  // passing: it asks again
  }
}

/// PROTOCOL.md, "Going on in a log that lost something".
void Process::go_on_rolled_back() {
  lose_session();
  renumber_ = true;
  life_ = oracle_.new_life();
  spool_.clear();
  incarnation_ = 0;
  acknowledged_ = 0;
  for (Member& one : members_) one.forget();
}

/// What must be said first in a session: members, then what has no outcome.
bool Process::catch_up(Now now) {
  if (!to_attach_.empty()) {
    Member& one = *member(to_attach_.front());
    to_attach_.erase(to_attach_.begin());
    send(one.attach(scenario_.group_options(one.group()), credit_events_), now);
    return true;
  }
  if (resend_from_ == nowhere) return false;
  auto next = std::find_if(sent_.begin(), sent_.end(), [&](const Sent& sent) { return sent.end() > resend_from_; });
  if (next == sent_.end()) {
    resend_from_ = nowhere;
    return false;
  }
  resend_from_ = next->end();
  send_commits(*next, now);
  return true;
}

bool Process::idle() const {
  return gone_ || (session_ != 0 && sent_.empty() && to_attach_.empty() && resend_from_ == nowhere &&
                   std::all_of(members_.begin(), members_.end(),
                               [](const Member& one) { return one.joined() && one.held().empty(); }));
}

std::string Process::describe() const {
  std::string text = peer_ + (session_ != 0 ? "" : ", no session") + (halted_at_ ? ", halted" : "") + ", " +
                     std::to_string(sent_.size()) + " messages unanswered";
  for (const Member& one : members_) {
    text += ", " + std::string(one.joined() ? "in " : "not in ") + one.group() + " with " +
            std::to_string(one.held().size());
  }
  return text;
}

void Process::act(Now now) {
  if (session_ == 0 || !network_.is_open(peer_)) {
    if (peer_.empty() || now.instant - hello_at_ > hello_patience || chance_.one_in(4)) connect(now);
    return;
  }
  if (now.instant - heard_at_ > silence_max && (!sent_.empty() || chance_.one_in(8))) return connect(now);
  if (catch_up(now)) return;
  if (halted_at_) {
    if (now.instant < resume_at_) return;
    send(wire::Resume{*halted_at_}, now);
    resend_from_ = *std::exchange(halted_at_, std::nullopt);
    return;
  }
  if (sent_.size() > 20) return;
  if (role_.publishes && chance_.one_in(3)) return publish(now);
  if (chance_.one_in(30)) return minor_things(now);
  if (!members_.empty()) settle(now, false);
}

void Process::finish(Now now) {
  receive(now);
  if (gone_) return;
  if (session_ == 0 || !network_.is_open(peer_)) {
    if (peer_.empty() || now.instant > hello_at_) connect(now);
    return;
  }
  if (now.instant - heard_at_ > silence_max && !idle()) return connect(now);
  while (catch_up(now)) {
  }
  if (halted_at_ && now.instant >= resume_at_) {
    send(wire::Resume{*halted_at_}, now);
    resend_from_ = *std::exchange(halted_at_, std::nullopt);
    while (catch_up(now)) {
    }
  }
  if (!halted_at_) settle(now, true);
}

}  // namespace spindle::simulation
