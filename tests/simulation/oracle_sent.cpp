// What the proxy tells: nothing before it is durable, nothing twice that is given once, and never anything else than
// before.
#include <algorithm>

#include "broken.hpp"
#include "oracle.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::simulation {

using wire::Kind;
using wire::OutcomeStatus;

namespace {

template <class M>
M read(const wire::Head& head) {
  auto message = wire::decode<M>(head);
  if (!message) broken("the proxy sent what cannot be read: " + message.error().message());
  return std::move(*message);
}

void check_size(const wire::Message& message) {
  std::size_t bytes = message.head.size();
  for (const wire::TopicPacket& pair : message.packets) bytes += pair.topic.view.size() + pair.packet.view.size();
  if (bytes > limits::message_bytes_max || 1 + 2 * message.packets.size() > limits::message_frames_max) {
    broken("a message is larger than the wire allows");
  }
}

std::string text_of(const wire::Outcome& outcome) {
  std::string text = "commit " + std::to_string(outcome.number) + ", status " +
                     std::to_string(static_cast<int>(outcome.status)) + ", ";
  if (outcome.status == OutcomeStatus::refused) return text + std::string(name(outcome.code)) + ": " + outcome.text;
  return text + std::to_string(outcome.events) + " events at " + std::to_string(outcome.first_offset);
}

bool same(const wire::Outcome& a, const wire::Outcome& b) {
  if (a.status != b.status) return false;
  if (a.status == OutcomeStatus::refused) return a.code == b.code && a.text == b.text;
  return a.events == b.events && (a.events == 0 || a.first_offset == b.first_offset);
}

}  // namespace

void Oracle::see_sent(const proxy::Outgoing& outgoing, Now now) {
  check_size(outgoing.message);
  if (trace) trace_message("<-", outgoing.peer, outgoing.message.head, now);
  const wire::Head head(outgoing.message.head, values_);
  if (!head.ok()) broken("the proxy sent what cannot be read");
  const Kind kind = head.envelope().kind;
  auto found = sessions_.find(outgoing.peer);
  if (kind == Kind::error) {
    const auto error = read<wire::ErrorMessage>(head);
    if (found != sessions_.end() && head.envelope().session != 0) ++found->second.sent;
    return tell_error(outgoing.peer, error);
  }
  if (found == sessions_.end()) broken("the proxy speaks to somebody who never said hello");
  Session& session = found->second;
  if (head.envelope().number != ++session.sent && !session.unreachable)
    broken("the messages of a session are not numbered without gaps");
  switch (kind) {
    case Kind::welcome: return tell_welcome(outgoing.peer, read<wire::Welcome>(head));
    case Kind::published: return tell_outcomes(session, read<wire::Published>(head).outcomes);
    case Kind::settled: {
      const auto settled = read<wire::Settled>(head);
      tell_outcomes(session, settled.outcomes);
      return take_back_refused(outgoing.peer, session.who.source, settled.outcomes);
    }
    case Kind::attached: return tell_attached(outgoing.peer, session, read<wire::Attached>(head), now);
    case Kind::deliver: return tell_deliver(outgoing, session, read<wire::Deliver>(head), now);
    case Kind::lost: return tell_lost(session, read<wire::Lost>(head));
    default: return;
  }
}

void Oracle::tell_welcome(const proxy::Peer& peer, const wire::Welcome& welcome) {
  Session& session = sessions_.at(peer);
  session.id = welcome.session;
  const std::string& source = session.who.source;
  const std::string who = "process " + std::to_string(session.who.process) + " of " + source;
  auto known = truth_.sources.find(source);
  const bool ever_forgotten = goodbyes_.contains(source);
  const bool forgotten_just_now = ever_forgotten && goodbyes_.at(source) == round_;
  if (known == truth_.sources.end() && !forgotten_just_now) broken(who + " is welcome and not in the log");
  const auto owner = process_of_epoch_.try_emplace(welcome.epoch, session.who.process).first;
  if (owner->second != session.who.process) {
    broken(who + " is given epoch " + std::to_string(welcome.epoch) + ", which process " +
           std::to_string(owner->second) + " was given");
  }
  if (forgotten_just_now) return;
  if (welcome.epoch > known->second.epoch) broken(who + " is told of an epoch that is not durable");
  if (session.hello.epoch != 0 && session.hello.epoch < welcome.epoch && session.hello.spool == welcome.spool &&
      !ever_restored_) {
    broken(who + " was fenced and is given another epoch");
  }
  if (welcome.last_number > known->second.last_number ||
      (!ever_forgotten && welcome.last_number < session.last_number_then)) {
    broken(who + " is told that " + std::to_string(welcome.last_number) + " is its last commit, the log has " +
           std::to_string(known->second.last_number));
  }
  if (session.hello.spool == welcome.spool && session.hello.acknowledged > welcome.last_number) {
    broken(who + " is not told that what was acknowledged to it is gone");
  }
  for (auto& [other_peer, other] : sessions_) {
    if (other.replaced_by != 0 && other.opened < session.opened && other.who.source == source) other.live = false;
  }
}

void Oracle::tell_outcomes(const Session& session, const std::vector<wire::Outcome>& outcomes) const {
  const std::string& source = session.who.source;
  auto known = truth_.sources.find(source);
  auto goodbye = goodbyes_.find(source);
  if (goodbye != goodbyes_.end() && goodbye->second == round_) return;  // said before it was forgotten
  for (const wire::Outcome& outcome : outcomes) {
    for (std::uint64_t i = 0; i < outcome.run; ++i) {
      wire::Outcome one = outcome;
      one.number += i;
      one.run = 1;
      if (outcome.run > 1 && outcome.events > 0) broken("an outcome of several commits has events");
      if (known == truth_.sources.end() || !known->second.outcomes.contains(one.number)) {
        broken(source + " is told an outcome that is not durable: " + text_of(one));
      }
      const wire::Outcome& first = known->second.outcomes.at(one.number);
      if (one.status == OutcomeStatus::stored_before && first.status == OutcomeStatus::stored &&
          one.number + limits::commits_in_flight_max <= known->second.last_number) {
        continue;
      }
      if (!same(one, first)) {
        broken(source + " is told of " + text_of(one) + "; the log has " + text_of(first));
      }
    }
  }
}

/// What a refused turn settles was let go when the proxy heard of it; what stands behind that in its key is, too.
void Oracle::take_back_refused(const proxy::Peer& peer, const std::string& source,
                               const std::vector<wire::Outcome>& outcomes) {
  if (!life_of_.contains(source)) return;
  for (const wire::Outcome& outcome : outcomes) {
    for (std::uint64_t i = 0; outcome.status == OutcomeStatus::refused && i < outcome.run; ++i) {
      for (const Commit::Settles& settles : commit_of(source, outcome.number + i).settles) {
        GroupTruth* group = truth_.group_named(settles.delivery.group);
        const std::uint64_t offset = settles.delivery.id.offset;
        if (group == nullptr || offset < truth_.first_offset || offset >= truth_.next_offset()) continue;
        let_go_later_of_key(*group, offset, peer);
      }
    }
  }
}

void Oracle::tell_attached(const proxy::Peer& peer, Session& session, const wire::Attached& attached, Now now) {
  auto found = session.members.find(attached.member);
  if (!session.live || found == session.members.end()) return;  // it has left again
  Member& member = found->second;
  GroupTruth* group = truth_.group_named(member.group);
  if (group == nullptr) broken("a member is told of a group that is not in the log");
  const std::string who = session.who.source + " member " + std::to_string(attached.member) + " of " + member.group;
  for (const wire::Pattern& pattern : member.patterns) {
    const bool has = std::any_of(group->patterns.begin(), group->patterns.end(),
                                 [&](const GroupTruth::Wanted& wanted) { return wanted.pattern == pattern; });
    if (!has) broken(who + " is told that it joined, and a pattern is not in the log");
  }
  if (session.replaced_by == 0 && !group->members.contains({session.who.source, attached.member})) {
    broken(who + " is told that it joined, and the log does not have it");
  }
  member.joining = false;
  for (const wire::Claim& claim : attached.claimed) {
    for (std::uint64_t offset = claim.first.offset; offset < claim.first.offset + claim.count; ++offset) {
      const std::string what = who + " keeps offset " + std::to_string(offset);
      const bool asked = std::any_of(member.claims.begin(), member.claims.end(), [&](const wire::Claim& one) {
        return same_handout(one.first, claim.first) && one.attempt == claim.attempt &&
               offset - one.first.offset < one.count;
      });
      if (!asked) broken(what + ", which it did not claim");
      if (offset < truth_.first_offset || offset >= truth_.next_offset()) continue;
      Share& share = truth_.share(*group, offset);
      if (share.changed_in_round == round_) continue;  // settled in the meantime
      if (share.fate != Share::Fate::open) broken(what + ", which is settled");
      if (claim.attempt != share.failed + 1) broken(what + ", an attempt that has failed");
      if (!share.holder.empty() && now.instant < share.held_until && !silently_taken_back())
        broken(what + ", which " + share.holder + " holds");
      let_go(*group, offset);
      if (session.replaced_by != 0 || session.unreachable) continue;
      share.newest = claim.first;
      if (member.settled_since.contains(offset)) {
        share.perhaps = peer;
        continue;
      }
      share.holder = peer;
      share.held_until = Instant::max();
      group->held.insert(offset);
      member.held[offset] = 0;
    }
  }
  if (check_keys) doubt_claims(peer, *group, member);
}

/// What was claimed may be taken back when the proxy has read the keys again, and nothing is told of it then.
void Oracle::doubt_claims(const proxy::Peer& peer, GroupTruth& group, const Member& member) {
  const auto held = member.held;
  for (const auto& [offset, bytes] : held) {
    if (!may_be_taken_back(peer, group, offset)) continue;
    let_go(group, offset);
    truth_.share(group, offset).perhaps = peer;
  }
}

/// Whether one before it in its key is not the member's, or has failed: of that the proxy may have read the key, but
/// not again since it was claimed. It may be one that the group comes to want: its position is back where the log
/// knows it, and its patterns grow from there.
bool Oracle::may_be_taken_back(const proxy::Peer& peer, GroupTruth& group, std::uint64_t offset) const {
  const auto key = events_.at(truth_.at(offset).event).key;
  for (std::uint64_t older = std::max(truth_.first_offset, group.settled_below); key && older < offset; ++older) {
    if (events_.at(truth_.at(older).event).key != key) continue;
    const Share& share = truth_.share(group, older);
    if (share.fate != Share::Fate::open || share.to_bury) continue;
    if (share.failed > 0 || share.holder != peer) return true;
  }
  return false;
}

void Oracle::tell_deliver(const proxy::Outgoing& outgoing, Session& session, const wire::Deliver& deliver, Now now) {
  auto found = session.members.find(deliver.member);
  if (found == session.members.end()) return;  // it has left
  GroupTruth* group = truth_.group_named(found->second.group);
  if (group == nullptr) broken("a group delivers that is not in the log");
  if (deliver.entries.size() != outgoing.message.packets.size()) broken("a deliver's entries are not its packets");
  for (std::size_t i = 0; i < deliver.entries.size(); ++i) {
    const wire::Deliver::Entry& entry = deliver.entries[i];
    const wire::TopicPacket& pair = outgoing.message.packets[i];
    const auto packet = wire::Packet::parse(pair.packet.view, packet_values_);
    if (!packet || packet->header().count != entry.count) broken("a delivered packet is not what its entry says");
    if (!handouts_[group->name].insert({deliver.generation, entry.handout}).second) {
      broken("group " + group->name + " gives hand-out " + std::to_string(entry.handout) + " of generation " +
             std::to_string(deliver.generation) + " twice");
    }
    Delivery delivery;
    delivery.member = deliver.member;
    delivery.group = group->name;
    delivery.attempt = entry.attempt;
    delivery.topic = std::string(pair.topic.view);
    const auto events = packet->events();
    for (std::size_t k = 0; k < events.size(); ++k) {
      delivery.id = {deliver.run, deliver.generation, entry.handout, entry.offset + k};
      delivery.event = event_number(events[k].data);
      delivery.key = packet->key(k);
      tell_delivery(outgoing.peer, session, *group, delivery, now);
    }
  }
}

void Oracle::tell_delivery(const proxy::Peer& peer, Session& session, GroupTruth& group, const Delivery& delivery,
                           Now now) {
  const std::uint64_t offset = delivery.id.offset;
  Member& member = session.members.at(delivery.member);
  const std::string what = "offset " + std::to_string(offset) + " goes to " + peer + " of group " + group.name;
  if (offset >= truth_.next_offset()) broken(what + " before it is durable");
  if (offset < truth_.first_offset) return;  // deleted while it waited to be sent
  const Truth::Entry& entry = truth_.at(offset);
  if (entry.event != delivery.event || truth_.topics[entry.topic] != delivery.topic ||
      delivery.key != events_[entry.event].key) {
    broken(what + " as another event than is stored there");
  }
  const bool matches = std::any_of(member.patterns.begin(), member.patterns.end(),
                                   [&](const wire::Pattern& pattern) { return pattern.matches(delivery.topic); });
  if (!matches && !member.joining) broken(what + ", who does not want it");
  Share& share = truth_.share(group, offset);
  const bool just_changed = share.changed_in_round == round_;  // it waited to be sent when that was decided
  if (share.fate != Share::Fate::open && !just_changed) broken(what + " although it is settled");
  if (share.to_bury && !just_changed) broken(what + " although its last attempt has failed");
  if (delivery.attempt > share.failed + 1) broken(what + " before it is durable that an attempt failed");
  if (delivery.attempt < share.failed + 1 && !just_changed) broken(what + " as an attempt that has failed before");
  const auto order = [](const wire::DeliveryId& id) { return std::pair(id.generation, id.handout); };
  const bool is_newest = order(share.newest) < order(delivery.id);
  const bool theirs =
      session.live && session.replaced_by == 0 && !session.unreachable && !member.joining && !just_changed;
  if (theirs && !is_newest) broken(what + " under an older id than before");
  if (theirs && !share.holder.empty() && now.instant < share.held_until && !scenario_.deadlines_pass) {
    broken(what + " while " + share.holder + " holds it");
  }
  if (is_newest && session.live) {
    share.newest = delivery.id;
    share.newest_attempt = delivery.attempt;
  }
  if (!theirs) {
    if (share.holder.empty()) share.perhaps = peer;
    return;
  }
  share.claimed.clear();
  let_go(group, offset);
  if (check_keys) check_order_by_key(peer, group, delivery, now);
  share.holder = peer;
  share.perhaps.clear();
  share.held_until = Instant::max();
  group.held.insert(offset);
  const bool room =
      member.held.empty() || (member.held.size() < member.credit_events && member.held_bytes < member.credit_bytes);
  if (!room) broken(what + " beyond its credit");
  member.held[offset] = entry.bytes_each;
  member.held_bytes += entry.bytes_each;
}

/// Nobody else has an event of the key, be it older or newer, and none that is older waits.
void Oracle::check_order_by_key(const proxy::Peer& peer, GroupTruth& group, const Delivery& delivery, Now now) const {
  const std::uint64_t offset = delivery.id.offset;
  auto& same = group.open_by_key[delivery.key.value_or(0)];
  for (auto later = same.upper_bound(offset); delivery.key && later != same.end(); ++later) {
    const std::string& holder = truth_.share(group, *later).holder;
    if (holder.empty() || holder == peer || now.instant >= truth_.share(group, *later).held_until) continue;
    broken("offset " + std::to_string(offset) + " goes to " + peer + " of group " + group.name + " while " + holder +
           " holds offset " + std::to_string(*later) + " of the same key");
  }
  const auto older = overtaken(peer, group, offset);
  if (!older) return;
  const std::string& holder = truth_.share(group, *older).holder;
  broken("offset " + std::to_string(offset) + " goes to " + peer + " of group " + group.name + " before offset " +
         std::to_string(*older) + " of the same key is settled, which " + (holder.empty() ? "nobody" : holder) +
         " holds");
}

/// The oldest of the event's key before it that waits, or that somebody else has.
std::optional<std::uint64_t> Oracle::overtaken(const proxy::Peer& peer, GroupTruth& group,
                                               std::uint64_t offset) const {
  const auto key = events_.at(truth_.at(offset).event).key;
  if (!key) return std::nullopt;
  for (std::uint64_t older : group.open_by_key[*key]) {
    if (older >= offset) break;
    if (older < truth_.first_offset) continue;
    const Share& share = truth_.share(group, older);
    if (share.holder != peer && share.perhaps != peer && !share.to_bury) return older;
  }
  return std::nullopt;
}

void Oracle::tell_lost(Session& session, const wire::Lost& lost) {
  auto found = session.members.find(lost.member);
  if (found == session.members.end()) return;
  GroupTruth& group = *truth_.group_named(found->second.group);
  for (const wire::Lost::Range& range : lost.ranges) {
    for (std::uint64_t offset = std::max(range.offset, truth_.first_offset);
         offset < std::min(range.offset + range.count, truth_.next_offset()); ++offset) {
      if (truth_.share(group, offset).fate == Share::Fate::lost) continue;
      broken("group " + group.name + " is told that offset " + std::to_string(offset) + " is lost, and it is not");
    }
  }
}

void Oracle::tell_error(const proxy::Peer& peer, const wire::ErrorMessage& error) {
  const std::string what = who_.contains(peer) ? peer + " is told " + error.code + " (" + error.text + ")" : peer;
  auto found = sessions_.find(peer);
  if (found != sessions_.end() && found->second.id == 0) {  // its hello is refused, so the others go on
    found->second.live = false;
    for (auto& [other_peer, other] : sessions_) {
      if (other.replaced_by == found->second.opened) other.replaced_by = 0;
    }
  }
  const auto code = error_code_named(error.code);
  switch (code.value_or(ErrorCode::malformed)) {
    case ErrorCode::unknown_session:
    case ErrorCode::stale:
    case ErrorCode::spool_full:
    case ErrorCode::io_error: return;
    case ErrorCode::unknown_group:
      if (!ever_restored_) break;
      return;
    case ErrorCode::fenced: {
      if (found == sessions_.end()) return;
      found->second.live = false;
      auto known = truth_.sources.find(found->second.who.source);
      auto goodbye = goodbyes_.find(found->second.who.source);
      const bool was_known = goodbye != goodbyes_.end();
      if (known == truth_.sources.end() ? !was_known : known->second.epoch <= found->second.hello.epoch) {
        broken(what + " and no newer epoch is durable");
      }
      return;
    }
    case ErrorCode::source_forgotten:
      if (!ever_restored_ && found != sessions_.end() && !goodbyes_.contains(found->second.who.source)) break;
      return;
    case ErrorCode::spool_rolled_back:
      if (!ever_restored_) break;
      return;
    default: break;
  }
  broken(what + ", and it kept to the protocol");
}

}  // namespace spindle::simulation
