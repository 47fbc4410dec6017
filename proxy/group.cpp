// The part of a group that the log holds: what is settled, what has failed, whose it is.
#include "proxy/group.hpp"

#include <algorithm>

#include "proxy/group_topics.hpp"

namespace spindle::proxy {
namespace {

void write_member(wire::Writer& to, const MemberKey& key, std::uint64_t own_from) {
  to.array(3).str(key.source).uint(key.number).uint(own_from);
}

std::pair<MemberKey, std::uint64_t> read_member(wire::Cursor& at) {
  std::pair<MemberKey, std::uint64_t> member;
  const std::uint32_t fields = at.array("member");
  member.first.source = at.str("source");
  member.first.number = at.uint("member number");
  if (fields > 2) member.second = at.uint("own from");
  return member;
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
  if (word > 7) at.fail(ErrorCode::newer_format, "a group effect is unknown: use the Spindle that wrote it");
  what = static_cast<What>(word);
  range.begin = at.uint("offset");
  range.end = range.begin + at.uint("count");
  attempts = at.uint("attempts");
  not_before_ns = at.sint("not_before_ns");
  reason = at.str("reason");
}

void add_effect(std::vector<GroupEffect>& effects, GroupEffect effect) {
  if (!effects.empty()) {
    GroupEffect& last = effects.back();
    if (last.what == effect.what && last.group == effect.group && last.range.end == effect.range.begin &&
        last.attempts == effect.attempts && last.not_before_ns == effect.not_before_ns &&
        last.reason == effect.reason) {
      last.range.end = effect.range.end;
      return;
    }
  }
  effects.push_back(std::move(effect));
}

Group::Group(Identity identity, GroupSettings settings, std::uint64_t start, std::uint64_t run)
    : identity_(std::move(identity)),
      settings_(settings),
      replay_prefix_(replay_topic(identity_.name, identity_.id, {})),
      run_(run),
      last_handout_(run << 40),
      cursor_(start) {
  done_.add({0, start});
}

void Group::apply(const GroupEffect& effect, Now now) {
  switch (effect.what) {  // what is not about its events
    case GroupEffect::What::letter: return apply_letter(effect.range);
    case GroupEffect::What::replayed:
    case GroupEffect::What::discarded: return remove_letters(effect.range);
    case GroupEffect::What::told: untold_ = 0; return;
    default: break;
  }
  unblock();
  claimed_.remove(effect.range);
  if (effect.what != GroupEffect::What::failed) {
    to_learn_.remove(effect.range);
    // One that failed, and was claimed and settled before its key was known.
    order_.settle_waiting(effect.range.begin, effect.range.end);
    let_go();
  }
  withdraw(effect.range);
  switch (effect.what) {
    case GroupEffect::What::done: apply_done(effect.range); break;
    case GroupEffect::What::lost: apply_lost(effect, now); break;
    default: apply_failed(effect, now);
  }
  pass_settled();
}

void Group::apply_done(Interval range) {
  done_.add(range);
  auto failure = failures_.lower_bound(range.begin);
  while (failure != failures_.end() && failure->first < range.end) {
    if (failure->second.bury) ++dead_;
    failure = failures_.erase(failure);
  }
}

void Group::apply_letter(Interval range) {
  letters_.add(range);
  letter_count_ += range.size();
}

void Group::remove_letters(Interval range) {
  if (letter_count_ == 0 || !letters_.intersects(range)) return;
  std::uint64_t others = 0;
  for (const Interval& gap : letters_.gaps(range)) others += gap.size();
  letter_count_ -= range.size() - others;
  letters_.remove(range);
}

void Group::apply_lost(const GroupEffect& effect, Now now) {
  const Interval range = effect.range;
  remove_letters(range);
  for (Member& member : members_) {
    // Copies: taking the last event of a hand-out ends it.
    const auto handouts = member.handouts;
    for (const auto& [number, handout] : handouts) {
      for (const Interval& held : handout.left.intervals()) {
        const Interval part{std::max(held.begin, range.begin), std::min(held.end, range.end)};
        if (part.begin < part.end) take(member, number, part, now);
      }
    }
  }
  done_.add(range);
  order_.settle(range.begin, range.end);
  let_go();
  failures_.erase(failures_.lower_bound(range.begin), failures_.lower_bound(range.end));
  forget_parked(range);
  note_loss({range, effect.reason});
}

void Group::note_loss(Loss loss) {
  lost_ += loss.range.size();
  untold_ = std::min(untold_ + 1, group_losses_max);
  if (!losses_.empty() && losses_.back().range.end == loss.range.begin && losses_.back().reason == loss.reason) {
    losses_.back().range.end = loss.range.end;
    untold_ = std::min(untold_, losses_.size());
    return;
  }
  if (losses_.size() == group_losses_max) losses_.pop_front();
  losses_.push_back(std::move(loss));
}

/// What is settled at the cursor need not be read, and may not even be there any more.
void Group::pass_settled() { cursor_ = done_.end_of(cursor_); }

std::vector<GroupEffect> Group::lose(Interval range, std::string_view reason) const {
  std::vector<GroupEffect> effects;
  IntervalSet kept;  // what the group wants of the range: unsettled events, and dead letters
  for (const Interval& gap : done_.gaps(range)) kept.add(gap);
  for (const Interval& letter : letters_.intervals()) {
    kept.add({std::max(letter.begin, range.begin), std::min(letter.end, range.end)});
  }
  for (const Interval& gone : kept.intervals()) {
    effects.push_back({GroupEffect::What::lost, identity_.id, gone, 0, 0, std::string(reason)});
  }
  return effects;
}

Interval Group::oldest_letter() const {
  const std::uint64_t oldest = letters_.intervals().front().begin;
  return {oldest, oldest + 1};
}

std::uint64_t Group::needs_from() const {
  return letters_.empty() ? floor() : std::min(floor(), letters_.intervals().front().begin);
}

std::string Group::needs_why() const {
  const std::uint64_t offset = needs_from();
  if (letters_.contains(offset))
    return std::to_string(letter_count_) + " dead letters, to be replayed or discarded (spindle dead list " + name() +
           ")";
  for (const Member& member : members_) {
    for (const auto& [number, handout] : member.handouts) {
      if (handout.left.contains(offset)) return "pending at " + member.key.source;
    }
  }
  if (failures_.contains(offset)) return "waiting for another attempt";
  return members_.empty() ? "unsettled, and it has no member" : "unsettled";
}

void Group::apply_failed(const GroupEffect& effect, Now now) {
  const Interval range = effect.range;
  const bool bury = effect.what == GroupEffect::What::bury;
  const bool due = effect.not_before_ns <= now.wall_ns;
  const Instant due_at = now.instant + Duration(due ? 0 : effect.not_before_ns - now.wall_ns);
  for (std::uint64_t offset = range.begin; offset < range.end; ++offset) {
    failures_[offset] = {effect.attempts, effect.not_before_ns, effect.reason, bury};
    if (bury) to_bury_.insert(offset);
    if (!bury && !due) waiting_until_[offset] = due_at;
  }
  if (bury) return;
  if (due) {
    again(range);
  } else {
    waiting_.set(due_at, range);
  }
}

std::optional<GroupEffect> Group::note_passed() {
  if (!passed_over_ || floor() == 0) return std::nullopt;
  passed_over_ = floor() < cursor_;
  return GroupEffect{GroupEffect::What::done, identity_.id, {0, floor()}, 0, 0, {}};
}

std::vector<GroupEffect> Group::all_done() const {
  std::vector<GroupEffect> effects;
  for (const Interval& range : done_.intervals()) {
    effects.push_back({GroupEffect::What::done, identity_.id, range, 0, 0, {}});
  }
  return effects;
}

std::uint64_t Group::attempt_of(std::uint64_t offset) const {
  const auto failure = failures_.find(offset);
  return failure == failures_.end() ? 1 : failure->second.attempts + 1;
}

void Group::add_pattern(const wire::Pattern& pattern) {
  if (has_pattern(pattern)) return;
  patterns_.push_back(pattern);
  topics_ = nullptr;
}

bool Group::has_pattern(const wire::Pattern& pattern) const {
  return std::find(patterns_.begin(), patterns_.end(), pattern) != patterns_.end();
}

void Group::write(wire::Writer& to) const {
  to.array(15).uint(identity_.id).str(identity_.name).uint(identity_.generation);
  settings_.options().write(to);
  to.uint(dead_).uint(patterns_.size()).uint(logged_members_.size());
  to.uint(done_.intervals().size()).uint(failures_.size()).uint(lost_).uint(losses_.size());
  to.uint(untold_).uint(letters_.intervals().size()).boolean(paused_);
  memberless_since_ms_ ? to.uint(*memberless_since_ms_) : to.nil();
  for (const wire::Pattern& pattern : patterns_) to.str(pattern.text());
  for (const auto& [key, own_from] : logged_members_) write_member(to, key, own_from);
  for (const Interval& range : done_.intervals()) to.array(2).uint(range.begin).uint(range.end);
  for (const auto& [offset, failure] : failures_) {
    to.array(5).uint(offset).uint(failure.attempts).sint(failure.not_before_ns).str(failure.reason);
    to.boolean(failure.bury);
  }
  for (const Loss& loss : losses_) to.array(3).uint(loss.range.begin).uint(loss.range.end).str(loss.reason);
  for (const Interval& range : letters_.intervals()) to.array(2).uint(range.begin).uint(range.end);
}

Result<Group> Group::read(ValueStream& from, std::uint64_t run, Now now) {
  Identity identity;
  wire::GroupOptions options;
  std::uint64_t dead = 0;
  std::uint64_t patterns = 0;
  std::uint64_t members = 0;
  std::uint64_t ranges = 0;
  std::uint64_t failures = 0;
  std::uint64_t lost = 0;
  std::uint64_t losses = 0;
  std::uint64_t untold = 0;
  std::uint64_t letters = 0;
  bool paused = false;
  std::optional<std::uint64_t> memberless_since_ms;
  auto done = from.next([&](wire::Cursor& at) {
    const std::uint32_t fields = at.array("group");
    identity.id = at.uint("group id");
    identity.name = at.str("group name");
    identity.generation = at.uint("generation");
    options.read(at);
    dead = at.uint("dead");
    patterns = at.uint("patterns");
    members = at.uint("members");
    ranges = at.uint("done");
    failures = at.uint("failures");
    lost = at.uint("lost");
    losses = at.uint("losses");
    if (fields < 13) return;  // as the first spools have it
    untold = at.uint("untold");
    letters = at.uint("letters");
    if (fields < 15) return;
    paused = at.boolean("paused");
    if (!at.nil()) memberless_since_ms = at.uint("memberless since");
  });
  if (!done) return fail(std::move(done.error()));
  auto settings = GroupSettings::with(options);
  if (!settings) return fail(std::move(settings.error()));
  Group group(std::move(identity), *settings, 0, run);
  group.dead_ = dead;
  group.paused_ = paused;
  for (std::uint64_t i = 0; done && i < patterns; ++i) {
    done = from.next([&](wire::Cursor& at) {
      const std::string_view text = at.str("pattern");
      auto pattern = wire::Pattern::parse(text);
      pattern ? group.add_pattern(*pattern) : at.fail(ErrorCode::corrupt, pattern.error().text);
    });
  }
  for (std::uint64_t i = 0; done && i < members; ++i) {
    done = from.next([&](wire::Cursor& at) { group.logged_members_.insert(read_member(at)); });
  }
  group.memberless_since_ms_ = memberless_since_ms;
  for (std::uint64_t i = 0; done && i < ranges; ++i) {
    done = from.next([&](wire::Cursor& at) {
      at.array("done");
      const std::uint64_t begin = at.uint("begin");
      group.done_.add({begin, at.uint("end")});
    });
  }
  group.cursor_ = group.floor();
  for (std::uint64_t i = 0; done && i < failures; ++i) {
    done = from.next([&](wire::Cursor& at) {
      at.array("failure");
      GroupEffect effect;
      effect.range.begin = at.uint("offset");
      effect.range.end = effect.range.begin + 1;
      effect.attempts = at.uint("attempts");
      effect.not_before_ns = at.sint("not_before_ns");
      effect.reason = at.str("reason");
      effect.what = at.boolean("bury") ? GroupEffect::What::bury : GroupEffect::What::failed;
      if (at.ok()) group.apply(effect, now);
    });
  }
  for (std::uint64_t i = 0; done && i < losses; ++i) {
    done = from.next([&](wire::Cursor& at) {
      at.array("loss");
      Loss loss;
      loss.range.begin = at.uint("begin");
      loss.range.end = at.uint("end");
      loss.reason = at.str("reason");
      group.note_loss(std::move(loss));
    });
  }
  group.lost_ = lost;
  group.untold_ = static_cast<std::size_t>(std::min<std::uint64_t>(untold, group.losses_.size()));
  for (std::uint64_t i = 0; done && i < letters; ++i) {
    done = from.next([&](wire::Cursor& at) {
      at.array("letters");
      const std::uint64_t begin = at.uint("begin");
      const Interval range{begin, at.uint("end")};
      if (at.ok() && range.begin < range.end) group.apply_letter(range);
    });
  }
  if (!done) return fail(std::move(done.error()));
  return group;
}

void Group::begin_run(std::uint64_t run, std::uint64_t log_end, Instant hold_until) {
  run_ = run;
  last_handout_ = run << 40;  // 40 bits count hand-outs within a run, so that a number is never used twice
  claimable_end_ = log_end;
  pass_settled();
  for (const auto& [offset, failure] : failures_) {
    if (!failure.bury) to_learn_.add({offset, offset + 1});
  }
  members_then_ = logged_members_;
  expected_.clear();
  for (const auto& [key, own_from] : logged_members_) expected_.insert(key);
  hold_until_ = hold_until;
}

std::vector<MemberKey> Group::take_missing(Now now) {
  if (expected_.empty() || awaiting_members(now)) return {};
  unblock();
  const auto missing = std::exchange(expected_, {});
  return {missing.begin(), missing.end()};
}

std::vector<GroupEffect> Group::tick(Now now) {
  std::vector<GroupEffect> effects;
  for (const Interval& range : waiting_.expired(now.instant)) {
    auto due = waiting_until_.lower_bound(range.begin);
    while (due != waiting_until_.end() && due->first < range.end) {
      if (due->second > now.instant) {  // failed once more meanwhile
        ++due;
        continue;
      }
      const Interval one{due->first, due->first + 1};
      due = waiting_until_.erase(due);
      again(one);
    }
  }
  for (Member& member : members_) {
    const auto late = oldest(member);
    if (!late || now.instant < member.oldest_since + settings_.ack_deadline()) continue;
    const auto& [number, handout] = *member.handouts.begin();
    const Interval first{late->begin, late->begin + 1};
    const bool keyed = handout.keyed;
    fail_attempt(first, handout.attempt, "deadline", std::nullopt, now, effects);
    const bool last = effects.back().what == GroupEffect::What::bury;
    take(member, number, first, now);
    if (keyed && last) {
      settle_keys(first);
    } else if (keyed) {
      fail_keys(member, first, false, now);
    }
    use_room(member);
  }
  return effects;
}

std::optional<Instant> Group::next_due() const {
  std::optional<Instant> due = waiting_.next();
  auto consider = [&](Instant when) { due = due ? std::min(*due, when) : when; };
  if (!expected_.empty()) consider(hold_until_);
  for (const Member& member : members_) {
    if (!member.handouts.empty()) consider(member.oldest_since + settings_.ack_deadline());
  }
  return due;
}

void Group::fail_attempt(Interval range, std::uint64_t attempts, std::string_view reason,
                         std::optional<Duration> delay, Now now, std::vector<GroupEffect>& effects) const {
  GroupEffect effect;
  effect.group = identity_.id;
  effect.range = range;
  effect.attempts = attempts;
  effect.reason = reason;
  if (attempts >= settings_.max_attempts) {
    effect.what = GroupEffect::What::bury;
  } else {
    effect.what = GroupEffect::What::failed;
    effect.not_before_ns = now.wall_ns + delay.value_or(settings_.backoff(attempts)).count();
  }
  add_effect(effects, std::move(effect));
}

}  // namespace spindle::proxy
