// What an operator asks for: each verb of PROTOCOL.md, "Administration".
#include <algorithm>
#include <array>

#include "proxy/broker_state.hpp"

namespace spindle::proxy {

/// A new verb needs a line here and a function that answers it, or says why not.
Result<Bytes> BrokerState::do_admin(const wire::Admin& admin, Now now) {
  struct Verb {
    std::string_view name;
    Result<Bytes> (BrokerState::*run)(const wire::Admin&, Now);
  };
  static constexpr std::array verbs{
      Verb{"groups", &BrokerState::admin_groups},
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
  groups_.catch_up();
  auto body = do_admin(*admin, now);
  if (!body) return send_error(session, answers, body.error());
  send(session, wire::AdminReply{answers, std::move(*body)}, ledger_->decided_batch());
}

Result<Bytes> BrokerState::admin_groups(const wire::Admin& admin, Now) { return group_figures(admin.subject); }

Bytes BrokerState::group_figures(std::string_view only) const {
  std::vector<const Group*> wanted;
  for (const auto& [id, group] : groups_) {
    if (only.empty() || group->name() == only) wanted.push_back(group.get());
  }
  const Group* pin = oldest_pin();
  Bytes out;
  wire::Writer to(out);
  to.array(wanted.size());
  for (const Group* group : wanted) {
    to.map(16).str("name").str(group->name()).str("patterns").array(group->patterns().size());
    for (const wire::Pattern& pattern : group->patterns()) to.str(pattern.text());
    const auto members = group->members();
    to.str("members").array(members.size());
    for (const auto& member : members) {
      to.map(3)
          .str("source")
          .str(member.key.source)
          .str("member")
          .uint(member.key.number)
          .str("pending")
          .uint(member.pending);
    }
    to.str("lag").uint(group->lag(ledger_->next_offset())).str("pending").uint(group->pending());
    to.str("position")
        .uint(group->position())
        .str("floor")
        .uint(group->floor())
        .str("end")
        .uint(ledger_->next_offset());
    to.str("retrying").uint(group->retrying()).str("dead").uint(group->dead()).str("lost").uint(group->lost());
    to.str("losses").array(group->losses().size());
    for (const Loss& loss : group->losses()) {
      to.map(3).str("from").uint(loss.range.begin).str("to").uint(loss.range.end).str("reason").str(loss.reason);
    }
    to.str("keeps_from").uint(group->needs_from()).str("keeps_bytes");
    to.uint(ledger_->has_log() ? retention_.bytes_from_offset(group->needs_from()) : 0);
    to.str("keeps_oldest");
    group == pin ? to.str(group->needs_why()) : to.nil();
    to.str("stalled");
    const std::string stalled = group->stalled();
    stalled.empty() ? to.nil() : to.str(stalled);
  }
  return out;
}

}  // namespace spindle::proxy
