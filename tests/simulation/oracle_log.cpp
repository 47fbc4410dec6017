// What becomes durable: each commit is one that was asked for, or that the proxy had reason to make.
#include <algorithm>

#include "broken.hpp"
#include "oracle.hpp"
#include "proxy/log_records.hpp"
#include "proxy/value_stream.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::simulation {

using proxy::GroupEffect;
using proxy::GroupRecord;
using proxy::Interval;
using wire::OutcomeStatus;

namespace {

constexpr std::string_view dead_topics = "_spindle.dead.";

std::string at(std::uint64_t offset) { return "offset " + std::to_string(offset); }

}  // namespace

void Oracle::apply(const Pending::Item& item, Now) {
  if (item.serial != 0) {
    if (!commit_.empty()) broken("a commit goes on in another segment");
    truth_.serial = item.serial;
    truth_.records_before = std::exchange(truth_.records, {});
  } else if (item.first_offset != nowhere) {
    trim(item.first_offset);
  } else {
    if (trace) trace_record(*item.record);
    commit_.push_back(*item.record);
    if (item.record->last_of_commit) apply_commit();
  }
}

void Oracle::apply_commit() {
  switch (commit_.front().kind) {
    case spool::Kind::events: apply_publish(); break;
    case spool::Kind::settle: apply_settle(); break;
    case spool::Kind::group: apply_group(); break;
    case spool::Kind::outcome: apply_outcome(); break;
    case spool::Kind::source: apply_source(); break;
    default: broken("a commit begins with a record of an unknown kind");
  }
  commit_.clear();
}

const Commit& Oracle::commit_of(const std::string& source, std::uint64_t number) const {
  auto of = life_of_.find(source);
  if (of != life_of_.end()) {
    auto life = of->second.find(number);
    if (life != of->second.end()) return commits_.at({life->second, number});
  }
  broken("commit " + std::to_string(number) + " of " + source +
         " is stored, and no process asked for it in a session that was alive");
}

void Oracle::apply_publish() {
  const auto packet = wire::Packet::parse(commit_.front().body, packet_values_);
  if (!packet) broken("a packet is stored that cannot be read");
  const std::string source(packet->header().source);
  SourceTruth& known = truth_.sources[source];
  const Commit& commit = commit_of(source, known.last_number + 1);
  wire::Outcome outcome;
  outcome.number = commit.number;
  outcome.first_offset = commit_.front().offset;
  std::vector<std::uint64_t> stored;
  for (const spool::Record& record : commit_) {
    for (std::uint64_t event : append(record)) stored.push_back(event);
  }
  if (commit.is_turn || stored != commit.events) {
    broken("what is stored as commit " + std::to_string(commit.number) + " of " + source + " is not what was asked");
  }
  outcome.events = stored.size();
  remember(source, outcome);
}

void Oracle::apply_settle() {
  auto settle_record = proxy::SettleRecord::decode(commit_.front().body, values_);
  if (!settle_record) broken("a settle is stored that cannot be read");
  const std::string& source = settle_record->source;
  std::vector<std::uint64_t> published;
  std::uint64_t offset = truth_.next_offset();
  for (const wire::Outcome& outcomes : settle_record->outcomes) {
    std::uint64_t first = outcomes.first_offset;
    for (std::uint64_t i = 0; i < outcomes.run; ++i) {
      wire::Outcome outcome = outcomes;
      outcome.run = 1;
      outcome.number += i;
      const Commit& commit = commit_of(source, outcome.number);
      if (outcome.status == OutcomeStatus::stored) {
        if (!commit.is_turn || outcome.events != commit.events.size()) {
          broken("turn " + std::to_string(outcome.number) + " of " + source + " is not what was asked");
        }
        if (!commit.events.empty() && first != offset) broken("a turn's first offset is not where its events stand");
        offset += commit.events.size();
        published.insert(published.end(), commit.events.begin(), commit.events.end());
        apply_turn(source, commit);
      }
      remember(source, outcome);
    }
  }
  std::vector<std::uint64_t> stored;
  for (std::size_t i = 1; i < commit_.size(); ++i) {
    for (std::uint64_t event : append(commit_[i])) stored.push_back(event);
  }
  if (stored != published) broken("a commit of turns does not hold what its stored turns published, and only that");
  for (const GroupEffect& effect : settle_record->effects) apply_effect(effect, false);
}

/// Who settles holds it, under its newest id.
void Oracle::apply_turn(const std::string& source, const Commit& commit) {
  for (const Commit::Settles& settles : commit.settles) {
    const Delivery& delivery = settles.delivery;
    const std::string what = "turn " + std::to_string(commit.number) + " of " + source + " settles " +
                             at(delivery.id.offset) + " of group " + delivery.group;
    GroupTruth* group = truth_.group_named(delivery.group);
    if (group == nullptr) broken(what + ", which the log does not have");
    if (delivery.id.offset < truth_.first_offset) broken(what + ", which is not kept any more");
    Share& share = truth_.share(*group, delivery.id.offset);
    if (share.fate != Share::Fate::open) broken(what + " although that was settled before");
    const auto is_this = [&](const wire::DeliveryId& id) { return same_handout(id, delivery.id); };
    const bool fits = is_this(share.newest) || std::ranges::any_of(share.claimed, is_this);
    if (!fits) {
      broken(what + " under a stale id: it was delivered again since");
    }
    if (settles.verdict == wire::Verdict::ack) settle(*group, delivery.id.offset, Share::Fate::acked);
    if (settles.verdict == wire::Verdict::retry) take_back_behind(*group, delivery.id.offset);
  }
}

/// An attempt has failed: what is behind it in its key is taken back from whoever had it, also what that one was told
/// of after it settled this, or is on its way to it.
void Oracle::take_back_behind(GroupTruth& group, std::uint64_t offset) {
  const Share& failed = truth_.share(group, offset);
  const std::string holder = failed.holder.empty() ? failed.perhaps : failed.holder;
  let_go_later_of_key(group, offset, holder);
  const auto key = events_.at(truth_.at(offset).event).key;
  for (std::uint64_t later = offset + 1; key && later < truth_.next_offset(); ++later) {
    if (events_.at(truth_.at(later).event).key != key) continue;
    Share& behind = truth_.share(group, later);
    behind.changed_in_round = round_;
    if (behind.perhaps == holder) behind.perhaps.clear();
  }
}

void Oracle::settle(GroupTruth& group, std::uint64_t offset, Share::Fate fate) {
  Share& share = truth_.share(group, offset);
  share.fate = fate;
  share.changed_in_round = round_;
  let_go(group, offset);
  if (const auto key = events_.at(truth_.at(offset).event).key; check_keys && key) {
    group.open_by_key[*key].erase(offset);
  }
}

/// What the log calls done was settled one by one.
void Oracle::check_settled(GroupTruth& group, Interval range) {
  const std::uint64_t begin = std::max({range.begin, group.settled_below, truth_.first_offset});
  for (std::uint64_t offset = begin; offset < std::min(range.end, truth_.next_offset()); ++offset) {
    if (truth_.wants(group, offset) && truth_.share(group, offset).fate == Share::Fate::open) {
      broken("group " + group.name + " counts " + at(offset) + " as done, and nobody settled it");
    }
  }
  if (range.begin <= group.settled_below) group.settled_below = std::max(group.settled_below, range.end);
}

void Oracle::apply_effect(const GroupEffect& effect, bool has_letter) {
  GroupTruth& group = truth_.groups.at(effect.group);
  const std::uint64_t begin = std::max(effect.range.begin, truth_.first_offset);
  const std::uint64_t end = std::min(effect.range.end, truth_.next_offset());
  switch (effect.what) {
    case GroupEffect::What::done:
      if (has_letter && effect.range.size() == 1 && begin < end && truth_.share(group, begin).to_bury) {
        settle(group, begin, Share::Fate::dead);
      }
      return check_settled(group, effect.range);
    case GroupEffect::What::failed:
    case GroupEffect::What::bury:
      for (std::uint64_t offset = begin; offset < end; ++offset) {
        Share& share = truth_.share(group, offset);
        const std::string what = "group " + group.name + ": an attempt at " + at(offset) + " fails";
        if (share.fate != Share::Fate::open) broken(what + " although it is settled");
        if (effect.attempts != share.failed + 1) broken(what + " that is not the next one");
        share.failed = effect.attempts;
        share.to_bury = effect.what == GroupEffect::What::bury;
        share.changed_in_round = round_;
        if (!share.to_bury) take_back_behind(group, offset);  // nothing waits for what is dead
        let_go(group, offset);
        share.perhaps.clear();
      }
      return;
    case GroupEffect::What::lost:
      if (!scenario_.may_lose(group.name))
        broken("group " + group.name + " loses events, and nothing may be dropped");
      for (std::uint64_t offset = begin; offset < end; ++offset) {
        const Share::Fate fate = truth_.share(group, offset).fate;
        if (truth_.wants(group, offset) && fate != Share::Fate::open) {
          broken("group " + group.name + " loses " + at(offset) + ", which was settled");
        }
        settle(group, offset, Share::Fate::lost);
      }
      return;
    default: return;
  }
}

void Oracle::apply_group() {
  auto change = GroupRecord::decode(commit_.front().body, values_);
  if (!change) broken("a change of a group is stored that cannot be read");
  if (change->what == GroupRecord::What::create) {
    proxy::ValueStream from(change->value, values_);
    auto made = proxy::Group::read(from, 0, {});
    if (!made) broken("a group is stored that cannot be read");
    GroupTruth& group = truth_.groups[change->group];
    group.name = made->name();
    group.shares.resize(truth_.log.size());
    group.settled_below = made->floor();
    recount_wanted(group);
    return;
  }
  auto found = truth_.groups.find(change->group);
  if (found == truth_.groups.end()) broken("a group is changed that the log does not have");
  GroupTruth& group = found->second;
  const std::pair member{change->member.source, change->member.number};
  switch (change->what) {
    case GroupRecord::What::pattern: {
      // The first ones stand beside the group's beginning; others count from where the group is then, at most the
      // end.
      const std::uint64_t start = group.joined ? truth_.next_offset() : group.settled_below;
      group.patterns.push_back({*wire::Pattern::parse(change->pattern), start});
      recount_wanted(group);
      return recount_open(group);
    }
    case GroupRecord::What::joined:
      group.joined = true;
      group.members.insert(member);
      return;
    case GroupRecord::What::left: group.members.erase(member); return;
    default: break;
  }
  const bool has_letter = commit_.size() == 2;
  for (const GroupEffect& effect : change->effects) {
    if (has_letter && effect.what == GroupEffect::What::done && effect.range.size() == 1) {
      check_letter(group, effect.range.begin, commit_[1]);
    }
    apply_effect(effect, has_letter);
  }
  for (std::size_t i = 1; i < commit_.size(); ++i) append(commit_[i]);
}

/// A dead letter is a copy of what is buried.
void Oracle::check_letter(GroupTruth& group, std::uint64_t offset, const spool::Record& record) {
  if (record.topic != std::string(dead_topics) + group.name) broken("a dead letter is on another topic");
  const auto packet = wire::Packet::parse(record.body, packet_values_);
  if (!packet || packet->header().count != 1) broken("a dead letter is not one event");
  const std::uint64_t event = event_number(packet->events()[0].data);
  const bool is_copy = event == truth_.at(offset).event && packet->key(0) == events_.at(event).key;
  if (!is_copy) broken("a dead letter is not the event that was buried");
  if (!truth_.share(group, offset).to_bury) broken("an event is buried that has attempts left");
}

/// Enters the events of the record into the log; returns them.
std::vector<std::uint64_t> Oracle::append(const spool::Record& record) {
  const auto packet = wire::Packet::parse(record.body, packet_values_);
  if (!packet || packet->header().count != record.count) broken("a packet is stored that cannot be read");
  if (record.offset != truth_.next_offset()) broken("a record's offset is not the next one");
  const std::uint32_t topic = topic_number(record.topic);
  const bool is_letter = record.topic.starts_with('_');
  std::vector<std::uint64_t> stored;
  for (const wire::PacketEvent& data : packet->events()) {
    const std::uint64_t number = event_number(data.data);
    const std::uint64_t offset = truth_.next_offset();
    const std::optional<std::uint32_t> key = events_.at(number).key;
    if (!is_letter && record.topic != events_.at(number).topic) broken("an event is stored on another topic");
    if (!is_letter) place(number, offset);
    truth_.log.push_back(
        {number, topic, std::max<std::uint64_t>(1, record.body.size() / record.count), record.time_ns});
    for (auto& [id, group] : truth_.groups) {
      group.shares.emplace_back();
      if (check_keys && key && truth_.wants(group, offset)) group.open_by_key[*key].insert(offset);
    }
    stored.push_back(number);
  }
  return stored;
}

void Oracle::place(std::uint64_t event, std::uint64_t offset) {
  truth_.offset_of.resize(events_.size(), nowhere);
  if (truth_.offset_of[event] != nowhere) {
    broken("an event is stored twice, at " + at(truth_.offset_of[event]) + " and " + at(offset));
  }
  truth_.offset_of[event] = offset;
}

void Oracle::apply_outcome() {
  auto record = proxy::OutcomeRecord::decode(commit_.front().body, values_);
  if (!record) broken("an outcome is stored that cannot be read");
  (void)commit_of(record->source, record->outcome.number);
  remember(record->source, record->outcome);
}

void Oracle::remember(const std::string& source, const wire::Outcome& outcome) {
  SourceTruth& known = truth_.sources[source];
  if (outcome.number != known.last_number + 1) {
    broken("commit " + std::to_string(outcome.number) + " of " + source + " is decided when " +
           std::to_string(known.last_number + 1) + " is next");
  }
  known.last_number = outcome.number;
  known.outcomes[outcome.number] = outcome;
}

void Oracle::apply_source() {
  for (const spool::Record& of : commit_) {
    auto record = proxy::SourceRecord::decode(of.body, values_);
    if (!record) broken("a source is stored that cannot be read");
    if (record->source.empty()) continue;
    if (record->forget) {
      auto then = last_at_goodbye_.find(record->source);
      for (const auto& [number, outcome] : truth_.sources[record->source].outcomes) {
        if (then == last_at_goodbye_.end() || number <= then->second || outcome.status != OutcomeStatus::stored)
          continue;
        broken(record->source + " is forgotten although commits were unanswered when it said goodbye");
      }
      truth_.sources.erase(record->source);
      goodbyes_[record->source] = round_;
    } else {
      SourceTruth& known = truth_.sources[record->source];
      if (record->epoch <= known.epoch) broken("a source's epoch does not grow");
      known.epoch = record->epoch;
    }
  }
}

/// Nothing goes that a group needs, nor what is too young for that no group needs it.
void Oracle::trim(std::uint64_t first_offset) {
  if (first_offset < truth_.first_offset || first_offset > truth_.next_offset()) broken("the log is trimmed wrongly");
  for (auto& [id, group] : truth_.groups) {
    for (std::uint64_t offset = truth_.first_offset; offset < first_offset; ++offset) {
      const Share::Fate fate = truth_.share(group, offset).fate;
      if (truth_.wants(group, offset) && fate == Share::Fate::open) {
        broken("group " + group.name + " has not settled " + at(offset) + ", which is deleted");
      }
      const bool is_letter = truth_.topics[truth_.at(offset).topic] == std::string(dead_topics) + group.name;
      if (is_letter && fate != Share::Fate::lost) broken("a dead letter is deleted: " + at(offset));
    }
    group.shares.erase(group.shares.begin(),
                       group.shares.begin() + static_cast<std::ptrdiff_t>(first_offset - truth_.first_offset));
    group.held.erase(group.held.begin(), group.held.lower_bound(first_offset));
  }
  truth_.log.erase(truth_.log.begin(),
                   truth_.log.begin() + static_cast<std::ptrdiff_t>(first_offset - truth_.first_offset));
  truth_.first_offset = first_offset;
}

std::uint32_t Oracle::topic_number(BytesView topic) {
  for (std::size_t i = 0; i < truth_.topics.size(); ++i) {
    if (truth_.topics[i] == topic) return static_cast<std::uint32_t>(i);
  }
  truth_.topics.emplace_back(topic);
  for (auto& [id, group] : truth_.groups) recount_wanted(group);
  return static_cast<std::uint32_t>(truth_.topics.size() - 1);
}

void Oracle::recount_wanted(GroupTruth& group) {
  group.wanted_from.assign(truth_.topics.size(), nowhere);
  for (std::size_t i = 0; i < truth_.topics.size(); ++i) {
    for (const GroupTruth::Wanted& wanted : group.patterns) {
      if (wanted.pattern.matches(truth_.topics[i])) {
        group.wanted_from[i] = std::min(group.wanted_from[i], wanted.from);
      }
    }
  }
}

/// A group may want what was stored before it was there.
void Oracle::recount_open(GroupTruth& group) {
  group.open_by_key.clear();
  for (std::uint64_t offset = truth_.first_offset; check_keys && offset < truth_.next_offset(); ++offset) {
    const auto key = events_.at(truth_.at(offset).event).key;
    const bool open = key && truth_.wants(group, offset) && truth_.share(group, offset).fate == Share::Fate::open;
    if (open) group.open_by_key[*key].insert(offset);
  }
}

}  // namespace spindle::simulation
