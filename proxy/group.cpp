// The part of a group that the log holds: what is settled, what has failed, whose it is.
#include "proxy/group.hpp"

#include <algorithm>

namespace spindle::proxy {
namespace {

void write_key(wire::Writer& to, const MemberKey& key) { to.array(2).str(key.source).uint(key.number); }

MemberKey read_key(wire::Cursor& at) {
  MemberKey key;
  at.array("member");
  key.source = at.str("source");
  key.number = at.uint("member number");
  return key;
}

}  // namespace

void GroupEffect::write(wire::Writer& to) const {
  to.array(7).uint(group).uint(static_cast<std::uint64_t>(what)).uint(range.begin).uint(range.size());
  to.uint(attempts).sint(not_before_ns).str(reason);
}

void GroupEffect::read(wire::Cursor& at) {
  at.array("effect");
  group = at.uint("group");
  const std::uint64_t word = at.uint("what");
  if (word > 2) at.fail(ErrorCode::corrupt, "a group effect is unknown");
  what = static_cast<What>(word);
  range.begin = at.uint("offset");
  range.end = range.begin + at.uint("count");
  attempts = at.uint("attempts");
  not_before_ns = at.sint("not_before_ns");
  reason = at.str("reason");
}

Group::Group(Identity identity, GroupSettings settings, std::uint64_t start, std::uint64_t run)
    : identity_(std::move(identity)), settings_(settings), cursor_(start) {
  // 40 bits count hand-outs within a run, so that a number is never used twice, restarts included.
  begin_run(run);
  done_.add({0, start});
}

void Group::apply(const GroupEffect& effect, Now now) {
  blocked_ = false;
  if (effect.range.end > cursor_) ahead_.add({std::max(effect.range.begin, cursor_), effect.range.end});
  withdraw(effect.range);
  if (effect.what == GroupEffect::What::done) {
    done_.add(effect.range);
    auto failure = failures_.lower_bound(effect.range.begin);
    while (failure != failures_.end() && failure->first < effect.range.end) {
      if (failure->second.bury) ++dead_;
      failure = failures_.erase(failure);
    }
    return;
  }
  const std::uint64_t offset = effect.range.begin;
  const bool bury = effect.what == GroupEffect::What::bury;
  failures_[offset] = {effect.attempts, effect.not_before_ns, effect.reason, bury};
  if (bury) {
    to_bury_.insert(offset);
  } else if (effect.not_before_ns <= now.wall_ns) {
    hand_out_again({offset, offset + 1}, effect.attempts + 1);
  } else {
    waiting_offsets_.insert(offset);
    waiting_.set(now.instant + Duration(effect.not_before_ns - now.wall_ns), offset);
  }
}

/// Takes the range out of the queues of what is to be handed out again: at recovery an effect may follow another one.
void Group::withdraw(Interval range) {
  waiting_offsets_.erase(waiting_offsets_.lower_bound(range.begin), waiting_offsets_.lower_bound(range.end));
  to_bury_.erase(to_bury_.lower_bound(range.begin), to_bury_.lower_bound(range.end));
  auto run = ready_.lower_bound(range.begin);
  if (run != ready_.begin() && std::prev(run)->second.end > range.begin) --run;
  while (run != ready_.end() && run->first < range.end) {
    const auto [begin, again] = *run;
    run = ready_.erase(run);
    if (begin < range.begin) ready_[begin] = {range.begin, again.attempt};
    if (range.end < again.end) ready_[range.end] = again;
  }
}

void Group::add_pattern(const wire::Pattern& pattern) {
  if (!has_pattern(pattern)) patterns_.push_back(pattern);
}

bool Group::has_pattern(const wire::Pattern& pattern) const {
  return std::find(patterns_.begin(), patterns_.end(), pattern) != patterns_.end();
}

void Group::write(wire::Writer& to) const {
  to.array(9).uint(identity_.id).str(identity_.name).uint(identity_.generation);
  settings_.options().write(to);
  to.array(patterns_.size());
  for (const wire::Pattern& pattern : patterns_) to.str(pattern.text());
  to.array(done_.intervals().size() * 2);
  for (const Interval& range : done_.intervals()) to.uint(range.begin).uint(range.end);
  to.array(failures_.size());
  for (const auto& [offset, failure] : failures_) {
    to.array(5).uint(offset).uint(failure.attempts).sint(failure.not_before_ns).str(failure.reason);
    to.boolean(failure.bury);
  }
  to.array(logged_members_.size());
  for (const MemberKey& key : logged_members_) write_key(to, key);
  to.uint(dead_);
}

Result<Group> Group::read(wire::Cursor& at, std::uint64_t run, Now now) {
  at.array("group");
  Identity identity;
  identity.id = at.uint("group id");
  identity.name = at.str("group name");
  identity.generation = at.uint("generation");
  wire::GroupOptions options;
  options.read(at);
  if (!at.ok()) return fail(at.error());
  auto settings = GroupSettings::with(options);
  if (!settings) return fail(settings.error());
  Group group(std::move(identity), *settings, 0, run);
  const std::uint32_t patterns = at.array("patterns");
  for (std::uint32_t i = 0; i < patterns && at.ok(); ++i) {
    auto pattern = wire::Pattern::parse(at.str("pattern"));
    if (!pattern) return fail(pattern.error());
    group.add_pattern(*pattern);
  }
  const std::uint32_t ends = at.array("done");
  for (std::uint32_t i = 0; i + 1 < ends && at.ok(); i += 2) {
    Interval range;
    range.begin = at.uint("begin");
    range.end = at.uint("end");
    group.done_.add(range);
  }
  group.cursor_ = group.floor();
  for (const Interval& range : group.done_.intervals()) {
    if (range.begin >= group.cursor_) group.ahead_.add(range);
  }
  const std::uint32_t failures = at.array("failures");
  for (std::uint32_t i = 0; i < failures && at.ok(); ++i) {
    at.array("failure");
    GroupEffect effect;
    effect.range.begin = at.uint("offset");
    effect.range.end = effect.range.begin + 1;
    effect.attempts = at.uint("attempts");
    effect.not_before_ns = at.sint("not_before_ns");
    effect.reason = at.str("reason");
    effect.what = at.boolean("bury") ? GroupEffect::What::bury : GroupEffect::What::failed;
    if (at.ok()) group.apply(effect, now);
  }
  const std::uint32_t members = at.array("members");
  for (std::uint32_t i = 0; i < members && at.ok(); ++i) group.logged_members_.insert(read_key(at));
  group.dead_ = at.uint("dead");
  if (!at.ok()) return fail(at.error());
  return group;
}

void Group::hold_until(Instant until) {
  expected_ = logged_members_;
  hold_until_ = until;
}

bool Group::holding(Now now) const { return !expected_.empty() && now.instant < hold_until_; }

std::vector<GroupEffect> Group::tick(Now now) {
  std::vector<GroupEffect> effects;
  if (!expected_.empty() && now.instant >= hold_until_) {
    expected_.clear();
    blocked_ = false;
  }
  for (std::uint64_t offset : waiting_.expired(now.instant)) {
    if (waiting_offsets_.erase(offset) == 0) continue;  // settled meanwhile
    hand_out_again({offset, offset + 1}, failures_.at(offset).attempts + 1);
  }
  for (Member& member : members_) {
    const auto late = oldest(member);
    if (!late || now.instant < member.oldest_since + settings_.ack_deadline()) continue;
    Handout& handout = handouts_.at(member.handouts.front());
    const std::uint64_t attempt = handout.attempt;
    take(handout, {late->begin, late->begin + 1}, now);
    fail_attempt(late->begin, attempt, "deadline", Duration::zero(), now, effects);
  }
  return effects;
}

std::optional<Instant> Group::next_due() const {
  std::optional<Instant> due = waiting_.next();
  auto consider = [&](Instant when) { due = due ? std::min(*due, when) : when; };
  if (!expected_.empty()) consider(hold_until_);
  for (const Member& member : members_) {
    if (oldest(member)) consider(member.oldest_since + settings_.ack_deadline());
  }
  return due;
}

void Group::fail_attempt(std::uint64_t offset, std::uint64_t attempts, std::string reason,
                         std::optional<Duration> delay, Now now, std::vector<GroupEffect>& effects) const {
  GroupEffect effect;
  effect.group = identity_.id;
  effect.range = {offset, offset + 1};
  effect.attempts = attempts;
  effect.reason = std::move(reason);
  if (attempts >= settings_.max_attempts) {
    effect.what = GroupEffect::What::bury;
  } else {
    effect.what = GroupEffect::What::failed;
    effect.not_before_ns = now.wall_ns + delay.value_or(settings_.backoff(attempts)).count();
  }
  effects.push_back(std::move(effect));
}

std::vector<Group::MemberFigures> Group::members() const {
  std::vector<MemberFigures> figures;
  for (const Member& member : members_) figures.push_back({member.key, member.pending_events});
  return figures;
}

std::uint64_t Group::pending() const {
  std::uint64_t pending = 0;
  for (const Member& member : members_) pending += member.pending_events;
  return pending;
}

std::uint64_t Group::lag(std::uint64_t end) const {
  std::uint64_t lag = waiting_offsets_.size();
  for (const auto& [begin, again] : ready_) lag += again.end - begin;
  for (const auto& [topic, ranges] : parked_) {
    for (const auto& [range, attempt] : ranges) lag += range.size();
  }
  if (cursor_ < end) {
    for (const Interval& gap : ahead_.gaps({cursor_, end})) lag += gap.size();
  }
  return lag;
}

}  // namespace spindle::proxy
