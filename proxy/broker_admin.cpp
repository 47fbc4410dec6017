// What an operator asks for: each verb of PROTOCOL.md, "Administration".
#include <algorithm>
#include <array>

#include "proxy/broker_state.hpp"

namespace spindle::proxy {
namespace {

/// Of a connection that has no source: as libzmq named it, the same for all that is asked on it.
std::string name_of(const Peer& peer) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string hex = "connection ";
  for (const char byte : peer) {
    hex += digits[static_cast<unsigned char>(byte) >> 4];
    hex += digits[static_cast<unsigned char>(byte) & 15];
  }
  return hex;
}

}  // namespace

/// A new verb needs a line here and a function that answers it, or says why not.
Result<Bytes> BrokerState::do_admin(const wire::Admin& admin, Now now) {
  struct Verb {
    std::string_view name;
    Result<Bytes> (BrokerState::*run)(const wire::Admin&, Now);
  };
  static constexpr std::array verbs{
      Verb{"groups", &BrokerState::admin_groups},       Verb{"group.pause", &BrokerState::admin_pause},
      Verb{"group.resume", &BrokerState::admin_pause},  Verb{"group.seek", &BrokerState::admin_seek},
      Verb{"group.delete", &BrokerState::admin_delete}, Verb{"group.alter", &BrokerState::admin_alter},
  };
  const auto* verb = std::find_if(verbs.begin(), verbs.end(), [&](const Verb& v) { return v.name == admin.verb; });
  if (verb == verbs.end()) {
    return fail(ErrorCode::unsupported, "this proxy knows no verb '" + admin.verb.substr(0, 40) + "'");
  }
  return (this->*verb->run)(admin, now);
}

void BrokerState::admin(Session& session, const wire::Head& head, Now now) {
  const std::uint64_t answers = head.envelope().number;
  auto admin = wire::decode<wire::Admin>(head);
  if (!admin) return send_error(session, answers, admin.error());
  if (DeadRequest::is_one(admin->verb)) return admin_dead(session, answers, *admin, now);
  groups_.catch_up();
  if (defer_seek(session, answers, *admin, now)) return;
  answer_admin(session, answers, *admin, do_admin(*admin, now));
}

/// What was changed of a group is said in the log, too, with who asked: a source, or a connection without one.
void BrokerState::answer_admin(Session& session, std::uint64_t answers, const wire::Admin& admin,
                               Result<Bytes> body) {
  if (!body) return send_error(session, answers, body.error());
  const bool changes = admin.verb.starts_with("group.") && admin.verb != "group.delete";  // that has its own line
  if (changes) {
    const std::string who = session.source.empty() ? name_of(session.peer) : "source " + session.source;
    group_log_.changed(admin.verb, who, *body);
  }
  send(session, wire::AdminReply{answers, std::move(*body)}, ledger_->decided_batch());
}

/// A page of them, in the order in which they were made; `after` is the id of the last one of the page before.
Result<Bytes> BrokerState::admin_groups(const wire::Admin& admin, Now now) {
  std::uint64_t after = 0;
  if (!admin.arguments.empty()) {
    wire::Values values;
    if (auto read = values.read_whole(admin.arguments); !read) return fail(read.error());
    wire::Cursor at(values);
    for (std::uint32_t i = 0, count = at.map("arguments"); i < count && at.ok(); ++i) {
      const std::string_view name = at.str("argument");
      if (name != "after") {
        return fail(ErrorCode::unsupported,
                    "verb groups takes no argument '" + std::string(name.substr(0, 40)) + "'");
      }
      after = at.uint(name);
    }
    if (!at.ok()) return fail(at.error());
  }
  return group_figures(admin.subject, after, now);
}

Bytes BrokerState::group_figures(std::string_view only, std::uint64_t after, Now now) const {
  const Group* pin = oldest_pin();
  Bytes maps;
  std::size_t count = 0;
  for (auto at = groups_.upper_bound(after); at != groups_.end() && maps.size() < figures_bytes_max; ++at) {
    const Group& group = *at->second;
    if (!only.empty() && group.name() != only) continue;
    write_figures(group, &group == pin, maps, now);
    ++count;
  }
  Bytes out;
  wire::Writer(out).array(count).raw(maps);
  return out;
}

namespace {

std::uint64_t whole_ms(Duration time) {
  return static_cast<std::uint64_t>(std::max(time, Duration::zero()) / std::chrono::milliseconds(1));
}

void write_oldest(wire::Writer& to, const std::optional<Group::Oldest>& oldest) {
  to.str("oldest_ms");
  oldest ? to.uint(whole_ms(oldest->age)) : to.nil();
  to.str("oldest_attempt");
  oldest ? to.uint(oldest->attempt) : to.nil();
  to.str("oldest_offset");
  oldest ? to.uint(oldest->offset) : to.nil();
}

void write_failed(wire::Writer& to, const Group& group, Now now) {
  const auto failed = group.failed(figures_failed_max);
  to.str("failed").array(failed.size());
  for (const Group::Failed& one : failed) {
    to.map(4).str("offset").uint(one.offset).str("attempts").uint(one.attempts).str("reason").str(one.reason);
    to.str("retry_in_ms");
    one.due ? to.uint(whole_ms(*one.due - now.instant)) : to.nil();
  }
}

void write_topics(wire::Writer& to, const Group& group, std::uint64_t end) {
  to.str("patterns").array(group.patterns().size());
  for (const wire::Pattern& pattern : group.patterns()) to.str(pattern.text());
  to.str("by_pattern").array(group.patterns().size());
  for (const Group::PatternFigures& of : group.by_pattern(end)) {
    to.map(4).str("pattern").str(of.pattern).str("pending").uint(of.pending);
    to.str("unhandled").uint(of.unhandled).str("lag").uint(of.lag);
  }
  const auto unhandled = group.unhandled();
  std::uint64_t events = 0;
  for (const auto& topic : unhandled) events += topic.events;
  to.str("unhandled_topics").uint(unhandled.size()).str("unhandled_events").uint(events);
  const std::size_t shown = std::min(unhandled.size(), figures_topics_max);
  to.str("unhandled").array(shown);
  for (std::size_t i = 0; i < shown; ++i) {
    to.map(2).str("topic").str(unhandled[i].topic).str("events").uint(unhandled[i].events);
  }
}

void write_losses(wire::Writer& to, const Group& group) {
  to.str("lost").uint(group.lost()).str("losses").array(group.losses().size());
  for (const Loss& loss : group.losses()) {
    to.map(3).str("from").uint(loss.range.begin).str("to").uint(loss.range.end).str("reason").str(loss.reason);
  }
}

}  // namespace

void BrokerState::write_members(const std::vector<Group::MemberFigures>& members, wire::Writer& to, Now now) const {
  to.str("member_count").uint(members.size());
  const std::size_t shown = std::min(members.size(), figures_members_max);
  to.str("members").array(shown);
  for (std::size_t i = 0; i < shown; ++i) {
    to.map(8).str("source").str(members[i].key.source).str("member").uint(members[i].key.number);
    to.str("pending").uint(members[i].pending).str("suspended").boolean(members[i].suspended);
    write_oldest(to, members[i].oldest);
    const auto silent = silent_for(members[i].key.source, now);
    to.str("silent_ms");
    silent ? to.uint(whole_ms(*silent)) : to.nil();
  }
}

/// Since its session was last heard of; nothing when it has none.
std::optional<Duration> BrokerState::silent_for(const std::string& source, Now now) const {
  const auto session = session_of_source_.find(source);
  if (session == session_of_source_.end()) return std::nullopt;
  return now.instant - (sessions_.at(session->second).lease_until - config_.lease);
}

void BrokerState::write_figures(const Group& group, bool is_pin, Bytes& out, Now now) const {
  const std::uint64_t end = ledger_->next_offset();
  const auto members = group.members(now);
  std::optional<Group::Oldest> oldest;
  for (const auto& member : members) {
    if (member.oldest && (!oldest || member.oldest->age > oldest->age)) oldest = member.oldest;
  }
  wire::Writer to(out);
  to.map(32).str("name").str(group.name()).str("id").uint(group.id()).str("generation").uint(group.generation());
  to.str("paused").boolean(group.paused()).str("options");
  group.settings().options().write(to);
  write_topics(to, group, end);
  write_members(members, to, now);
  to.str("lag").uint(group.lag(end)).str("pending").uint(group.pending());
  write_oldest(to, oldest);
  to.str("redelivered").uint(group.redelivered()).str("retrying").uint(group.retrying());
  write_failed(to, group, now);
  to.str("held_back").uint(group.held_back());
  to.str("dead").uint(group.dead()).str("letters").uint(group.letters());
  to.str("position").uint(group.position()).str("floor").uint(group.floor()).str("end").uint(end);
  write_losses(to, group);
  to.str("keeps_from").uint(group.needs_from()).str("keeps_bytes").uint(kept_bytes(group));
  to.str("keeps_oldest");
  is_pin ? to.str(group.needs_why()) : to.nil();
  to.str("stalled");
  const std::string stalled = group.stalled();
  stalled.empty() ? to.nil() : to.str(stalled);
}

}  // namespace spindle::proxy
