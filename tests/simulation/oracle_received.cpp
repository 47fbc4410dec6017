// What the proxy is asked, and what follows for who holds what.
#include "broken.hpp"
#include "oracle.hpp"

namespace spindle::simulation {

using wire::Kind;

void Oracle::see_received(const proxy::Peer& peer, std::span<const SharedBytes> frames, Now now) {
  if (trace) trace_message("->", peer, frames[0].view, now);
  const wire::Head head(frames[0].view, values_);
  if (!head.ok()) broken("a process sent what cannot be read");
  if (head.envelope().kind == Kind::hello) return hear_hello(peer, head, now);
  if (head.envelope().kind == Kind::renew) hear_renew(head, now);
  auto found = sessions_.find(peer);
  if (found == sessions_.end()) return;
  Session& session = found->second;
  if (!session.live || session.unreachable || session.id == 0 || session.id != head.envelope().session) return;
  session.lease_until = now.instant + scenario_.config.lease;
  switch (head.envelope().kind) {
    case Kind::publish: return hear_commit(session, wire::decode<wire::Publish>(head).value().commit);
    case Kind::settle: return hear_settle(session, head);
    case Kind::attach: return hear_attach(session, head, now);
    case Kind::detach: return leave(session, wire::decode<wire::Detach>(head).value().member);
    case Kind::credit: {
      const auto credit = wire::decode<wire::Credit>(head).value();
      Member& member = session.members[credit.member];
      member.credit_events = std::max(member.credit_events, credit.events);
      member.credit_bytes = std::max(member.credit_bytes, credit.bytes);
      return;
    }
    case Kind::goodbye: {
      auto known = truth_.sources.find(session.who.source);
      if (known != truth_.sources.end()) last_at_goodbye_[session.who.source] = known->second.last_number;
      return end(session);
    }
    default: return;
  }
}

/// The source's older sessions may end by it.
void Oracle::hear_hello(const proxy::Peer& peer, const wire::Head& head, Now now) {
  auto hello = wire::decode<wire::Hello>(head);
  Session& session = sessions_[peer] = {};
  session.opened = ++opened_;
  session.who = who_.at(peer);
  session.hello = std::move(*hello);
  session.lease_until = now.instant + scenario_.config.lease;
  last_at_goodbye_.erase(session.hello.source);
  auto known = truth_.sources.find(session.hello.source);
  if (known != truth_.sources.end()) session.last_number_then = known->second.last_number;
  for (auto& [other_peer, other] : sessions_) {
    if (other_peer == peer || other.who.source != session.who.source || !other.live) continue;
    other.replaced_by = session.opened;
  }
  for (auto& [id, group] : truth_.groups) {
    for (std::uint64_t offset : std::set(group.held)) {
      Share& share = truth_.share(group, offset);
      const Who& holder = who_.at(share.holder);
      if (holder.source != session.who.source) continue;
      if (holder.process != session.who.process || session.hello.epoch == 0) {
        // An older process's are anybody's; without an epoch nobody knows that it is the same. It keeps them when
        // the hello is refused.
        share.perhaps = share.holder;
        let_go(group, offset);
      } else {  // its own it gets back if it claims them within a lease
        share.held_until = std::min(share.held_until, now.instant + scenario_.config.lease);
      }
    }
  }
}

void Oracle::hear_renew(const wire::Head& head, Now now) {
  const auto renew = wire::decode<wire::Renew>(head).value();
  for (std::uint64_t id : renew.sessions) {
    for (auto& [peer, session] : sessions_) {
      if (session.id != id || !session.live || session.unreachable) continue;
      session.lease_until = now.instant + scenario_.config.lease;
    }
  }
}

void Oracle::hear_commit(const Session& session, std::uint64_t number) {
  life_of_[session.who.source][number] = session.who.life;
}

void Oracle::hear_settle(Session& session, const wire::Head& head) {
  const auto settle = wire::decode<wire::Settle>(head).value();
  std::uint64_t number = settle.first_number;
  for (const wire::Turn& turn : settle.turns) {
    for (std::uint64_t i = 0; i < turn.run; ++i) hear_commit(session, number++);
    for (const wire::Settlement& settlement : turn.settlements) {
      auto member = session.members.find(settlement.member);
      if (member == session.members.end()) continue;
      GroupTruth* group = truth_.group_named(member->second.group);
      const std::uint64_t begin = settlement.first.offset;
      for (std::uint64_t offset = begin; group != nullptr && offset < begin + settlement.count; ++offset) {
        if (offset < truth_.first_offset || offset >= truth_.next_offset()) continue;
        Share& share = truth_.share(*group, offset);
        if (member->second.joining) member->second.settled_since.insert(offset);  // also what is taken back by that
        if (share.newest.handout != settlement.first.handout) continue;
        if (!share.holder.empty()) share.perhaps = share.holder;
        if (settlement.verdict == wire::Verdict::retry) let_go_later_of_key(*group, offset, share.holder);
        let_go(*group, offset);
      }
    }
  }
}

void Oracle::hear_attach(Session& session, const wire::Head& head, Now now) {
  auto attach = wire::decode<wire::Attach>(head).value();
  leave(session, attach.member);
  Member& member = session.members[attach.member] = {};
  member.group = attach.group;
  for (const std::string& pattern : attach.patterns) member.patterns.push_back(*wire::Pattern::parse(pattern));
  member.credit_events = attach.credit_events;
  member.credit_bytes = attach.credit_bytes;
  member.claims = std::move(attach.claims);
  // What it held before is free now, until `attached` says what it keeps.
  GroupTruth* group = truth_.group_named(member.group);
  if (group == nullptr) return;
  for (std::uint64_t offset : std::set(group->held)) {
    if (who_.at(truth_.share(*group, offset).holder).source == session.who.source) let_go(*group, offset);
  }
  for (const wire::Claim& claim : member.claims) {
    for (std::uint64_t offset = claim.first.offset; offset < claim.first.offset + claim.count; ++offset) {
      if (offset < truth_.first_offset || offset >= truth_.next_offset()) continue;
      Share& share = truth_.share(*group, offset);
      if (share.holder.empty() || share.held_until <= now.instant || silently_taken_back()) {
        share.claimed.push_back(claim.first);
      }
    }
  }
}

void Oracle::leave(Session& session, std::uint64_t number) {
  auto member = session.members.find(number);
  if (member == session.members.end()) return;
  if (GroupTruth* group = truth_.group_named(member->second.group)) {
    const auto held = member->second.held;
    for (const auto& [offset, bytes] : held) let_go(*group, offset);
  }
  session.members.erase(number);
}

void Oracle::end(Session& session) {
  session.live = false;
  for (auto& [id, group] : truth_.groups) {
    for (std::uint64_t offset : std::set(group.held)) {
      if (who_.at(truth_.share(group, offset).holder).process == session.who.process) let_go(group, offset);
    }
  }
  session.members.clear();
}

void Oracle::let_go(GroupTruth& group, std::uint64_t offset) {
  Share& share = truth_.share(group, offset);
  if (share.holder.empty()) return;
  if (auto session = sessions_.find(share.holder); session != sessions_.end()) {
    for (auto& [number, member] : session->second.members) {
      if (member.group != group.name) continue;
      auto held = member.held.find(offset);
      if (held == member.held.end()) continue;
      member.held_bytes -= held->second;
      member.held.erase(held);
    }
  }
  share.holder.clear();
  group.held.erase(offset);
}

/// They are taken back with the one before them, to come again behind it.
void Oracle::let_go_later_of_key(GroupTruth& group, std::uint64_t offset, const proxy::Peer& holder) {
  const auto key = events_.at(truth_.at(offset).event).key;
  if (!key || holder.empty()) return;
  for (std::uint64_t later : std::set(group.held.upper_bound(offset), group.held.end())) {
    if (events_.at(truth_.at(later).event).key == key && truth_.share(group, later).holder == holder) {
      // A turn that is refused leaves them where they are.
      truth_.share(group, later).perhaps = holder;
      let_go(group, later);
    }
  }
}

void Oracle::see_unreachable(const proxy::Peer& peer) {
  if (auto session = sessions_.find(peer); session != sessions_.end()) session->second.unreachable = true;
}

void Oracle::see_tick(Now now) {
  for (auto& [peer, session] : sessions_) {
    if (!session.live || session.lease_until > now.instant) continue;
    end(session);
  }
}

}  // namespace spindle::simulation
