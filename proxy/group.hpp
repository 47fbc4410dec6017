#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/group_settings.hpp"
#include "proxy/interval_set.hpp"
#include "proxy/key_order.hpp"
#include "proxy/value_stream.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/timers.hpp"
#include "spindle/spool/topic_filter.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::spool {
struct Record;
}

namespace spindle::proxy {

/// Members of one group, present or waited for.
inline constexpr std::size_t group_members_max = 10'000;
/// Different patterns that the members of one group ever asked for.
inline constexpr std::size_t group_patterns_max = 4'096;
/// What one member may hold at once, whatever credit it asks for.
inline constexpr std::uint64_t member_events_max = 1'000'000;
/// Failed events of one group that wait for another attempt; at the limit it hands out retries only.
inline constexpr std::size_t group_failures_max = 100'000;
/// Ranges of events that no present member handles, or none of those that do has room for while others have; at the
/// limit the group waits for one.
inline constexpr std::size_t group_parked_max = 100'000;
/// Ranges granted in one answer to attach; what is claimed beyond goes to others.
inline constexpr std::size_t granted_claims_max = 16'384;
/// Dead letters that a group keeps from being deleted; beyond it the oldest are given up.
inline constexpr std::size_t group_letters_max = 100'000;
/// The newest losses that a group remembers; how many events were lost in all is counted for ever.
inline constexpr std::size_t group_losses_max = 16;
/// Why an attempt failed, as far as it is kept.
inline constexpr std::size_t reason_bytes_max = 300;

/// Names a member: the source that attached and the number it gave the member.
struct MemberKey {
  std::string source;
  std::uint64_t number = 0;

  friend auto operator<=>(const MemberKey&, const MemberKey&) = default;
};

/// One change of a group's logged state; a record holds some of them. Applied when decided and again at recovery. All
/// events of the range fare alike.
struct GroupEffect {
  enum class What : std::uint8_t {
    done = 0,       ///< settled, or buried
    failed = 1,     ///< an attempt failed; another may begin at not_before_ns
    bury = 2,       ///< the last attempt failed, or they were rejected: to be copied to the dead letters
    lost = 3,       ///< settled because they can no longer be delivered: damaged on the disk, or no longer kept
    letter = 4,     ///< not the group's events: these are its dead letters, which stay until they are dealt with
    told = 5,       ///< no range: a member was told of all that was lost so far
    replayed = 6,   ///< its dead letters that an operator had handed to it again: they are letters no more
    discarded = 7,  ///< its dead letters that an operator gave up
  };
  What what = What::done;
  std::uint64_t group = 0;
  Interval range;
  std::uint64_t attempts = 0;
  WallNs not_before_ns = 0;
  std::string reason;

  void write(wire::Writer& to) const;
  void read(wire::Cursor& at);
};

/// Events that a group never settled and never will.
struct Loss {
  Interval range;
  std::string reason;

  friend bool operator==(const Loss&, const Loss&) = default;
};

/// Adds an effect, as one with the last where they say the same of consecutive events.
void add_effect(std::vector<GroupEffect>& effects, GroupEffect effect);

/// Events handed to a member in one deliver entry; they are consecutive and stand in one record of the log.
struct HandedOut {
  MemberKey member;
  std::uint64_t handout = 0;
  Interval range;
  std::uint64_t attempt = 1;
  const spool::Record* record = nullptr;
};

/// An event that is to be copied to the dead letters now that its record has been read.
struct Burial {
  std::uint64_t offset = 0;
  std::uint64_t attempts = 0;
  std::string reason;
  const spool::Record* record = nullptr;
};

/// A named durable subscription: who gets which event next, and what is settled. A state machine without I/O: records
/// of the log come in through offer(), and what it decides that must survive comes out as GroupEffects, which the
/// broker logs and gives to apply(). One thread.
class Group {
 public:
  struct Identity {
    std::uint64_t id = 0;
    std::string name;
    std::uint64_t generation = 1;
  };

  /// A new group that begins at offset `start`. `run` is the proxy's and makes hand-out numbers unique for ever.
  Group(Identity identity, GroupSettings settings, std::uint64_t start, std::uint64_t run);

  const std::string& name() const { return identity_.name; }
  std::uint64_t id() const { return identity_.id; }
  std::uint64_t generation() const { return identity_.generation; }
  /// No delivery id that was ever given out fits any more. Before begin_run().
  void raise_generation(std::uint64_t at_least) {
    identity_.generation = std::max(identity_.generation + 1, at_least);
  }
  const GroupSettings& settings() const { return settings_; }
  /// The newest number that it gave to a hand-out; a later group of its name goes on above it.
  std::uint64_t last_handout() const { return last_handout_; }
  void hand_out_above(std::uint64_t number) { last_handout_ = std::max(last_handout_, number); }

  // --- logged state -------------------------------------------------------------------------------------------
  void apply(const GroupEffect& effect, Now now);
  /// Events that nobody here wants are passed over without a record. This logs them with the next one that is
  /// written: everything below the floor is done. Nothing when no event was passed over since the last time.
  std::optional<GroupEffect> note_passed();
  /// What of the range is not settled yet, as lost: to be logged and applied. Members that hold some of it lose it.
  std::vector<GroupEffect> lose(Interval range, std::string_view reason) const;
  /// Whether note_passed() has something: what the log knows of the floor may be less than is so.
  bool passed_unlogged() const { return passed_over_; }
  /// All that is done, for when the meaning of "passed over" is about to change: a pattern is added. And of how many
  /// effects that is.
  std::vector<GroupEffect> all_done() const;
  std::size_t all_done_size() const { return done_.intervals().size(); }
  /// The union of what its members ever asked for.
  void add_pattern(const wire::Pattern& pattern);
  bool has_pattern(const wire::Pattern& pattern) const;
  const std::vector<wire::Pattern>& patterns() const { return patterns_; }
  /// Whether a pattern wants what is stored on this topic; of replays only its own, by the original topic.
  bool wants_topic(std::string_view stored) const;
  /// What its patterns want now, for the reads it asks for.
  std::shared_ptr<const spool::TopicFilter> topics();
  /// The log knows who the members are, so that after a restart they are waited for with what they hold.
  /// Hand-outs numbered below `own_from` are not its own: it had left when they were given back.
  void note_member(const MemberKey& member, std::uint64_t own_from = 0) {
    logged_members_[member] = own_from;
    memberless_since_ms_.reset();
  }
  /// For a member that joined anew: what it was granted of its claims is its own, and whatever it is handed now.
  std::uint64_t own_from(const std::vector<wire::Claim>& granted) const;
  void forget_member(const MemberKey& member) { logged_members_.erase(member); }
  bool knows_member(const MemberKey& member) const { return logged_members_.contains(member); }
  std::size_t logged_member_count() const { return logged_members_.size(); }
  /// As a stream of msgpack values: no limit on one value is a limit on a group.
  void write(wire::Writer& to) const;
  static Result<Group> read(ValueStream& from, std::uint64_t run, Now now);
  /// After recovery: hand-out numbers of this run of the proxy follow. Nothing is handed out before `hold_until`,
  /// unless all members that the log knows are back before. Events below `log_end` may have been handed out before.
  void begin_run(std::uint64_t run, std::uint64_t log_end, Instant hold_until);
  /// Members that did not come back in time; the caller logs that they left.
  std::vector<MemberKey> take_missing(Now now);

  // --- changes by operators, as the log has them (group_changes.cpp) ------------------------------------------
  /// A paused group hands nothing out; what is out may be settled.
  void set_paused(bool paused);
  bool paused() const { return paused_; }
  /// Goes on from `position`: what is below is settled, what is at or above is not, whatever was so before. Nobody
  /// holds anything any more, and the generation makes every delivery id of before stale. Dead letters stay.
  void seek(std::uint64_t position, std::uint64_t generation);
  void alter(const GroupSettings& settings);
  /// Its events are passed over from here on. drop_waiting() says what to settle of those that were read.
  void drop_pattern(std::string_view pattern);
  /// Events that were read and wait for a member of this pattern, which was dropped, and no other: to be settled.
  std::vector<GroupEffect> drop_waiting(std::string_view pattern);
  /// Which those are, or would be if the pattern was dropped.
  IntervalSet waiting_only_for(std::string_view pattern) const;
  /// A member that is here and asked for this pattern.
  const MemberKey* present_member_with(std::string_view pattern) const;
  /// The clock of PROTOCOL.md's `expires_ms` stands here now: it does not go on while no proxy runs.
  void note_clock(std::uint64_t clock_ms);
  bool expired(std::uint64_t clock_ms) const;
  /// It has no member, and is to be deleted if that stays so.
  bool expires() const { return settings_.expires_ms > 0 && logged_members_.empty(); }

  // --- members ------------------------------------------------------------------------------------------------
  struct Joining {
    MemberKey key;
    std::vector<wire::Pattern> patterns;
    std::uint64_t credit_events = 0;
    std::uint64_t credit_bytes = 0;
    std::vector<wire::Claim> claims;
  };
  /// Adds the member, or brings it back under its key; returns the claims that are granted. What it was handed before
  /// and does not claim goes to others, uncounted.
  std::vector<wire::Claim> join(const Joining& joining, Now now);
  /// The member's connection is in doubt: nothing is handed to it until it joins again or leaves.
  void suspend(const MemberKey& key);
  /// The member is gone; its deliveries go to others at once. `lost` (it did not say so itself) counts an attempt for
  /// the one it was working on and returns that as effects to log.
  std::vector<GroupEffect> leave(const MemberKey& key, bool lost, Now now);
  void set_credit(const MemberKey& key, std::uint64_t events, std::uint64_t bytes);
  std::size_t member_count() const { return members_.size(); }

  // --- settling -----------------------------------------------------------------------------------------------
  /// Whether the member holds every delivery that the settlement names, under that id.
  bool holds(const MemberKey& key, const wire::Settlement& settlement) const;
  /// The parts of the settlement's events that the member holds under that id.
  std::vector<Interval> held_of(const MemberKey& key, const wire::Settlement& settlement) const;
  /// Takes the deliveries, all of which it holds, from the member and adds what that changes; the caller logs and
  /// applies it.
  void settle(const MemberKey& key, const wire::Settlement& settlement, Now now, std::vector<GroupEffect>& effects);
  /// The member has dropped these, and what it got of their keys behind them: what it holds of them goes back, to be
  /// handed out again, uncounted. Whether it held any.
  bool take_back(const MemberKey& key, const wire::Settlement& settlement, Now now);
  bool extend(const MemberKey& key, const wire::DeliveryId& delivery, Now now);

  /// The topic that members see: the original one of an event that was replayed to this group.
  std::string_view topic_for_members(std::string_view stored) const;

  // --- handing out --------------------------------------------------------------------------------------------
  struct Wanted {
    std::uint64_t offset = 0;
    /// This very event is wanted, to be handed out again or buried: the patterns do not matter for it.
    bool at_offset = false;
  };
  /// Where it wants to read from; nothing when nobody could take an event or none is there below `durable_end`.
  std::optional<Wanted> wants(std::uint64_t durable_end, Now now) const;
  struct Offered {
    std::vector<HandedOut> handed;
    std::vector<Burial> burials;
    /// Events to be settled: their pattern was dropped.
    std::vector<Interval> unwanted;
  };
  /// Records of events in offset order, of those from `from` (as wanted) to `next`. What is missing between them is
  /// passed over: the patterns must not want it. Views in the result point at them.
  Offered offer(std::uint64_t from, const std::vector<spool::Record>& records, std::uint64_t next, Now now);
  /// No event from its position to `end` is wanted: it need not read them.
  void pass_unwanted_to(std::uint64_t end) {
    Offered nothing;  // those that failed before, and are settled when their pattern is dropped, are read
    pass_over(end, nullptr, nothing);
  }
  /// Deadlines that have passed and retries that are due.
  std::vector<GroupEffect> tick(Now now);
  std::optional<Instant> next_due() const;

  // --- figures (group_figures.cpp) ----------------------------------------------------------------------------
  /// The delivery that is out for longest.
  struct Oldest {
    Duration age{};
    std::uint64_t attempt = 1;
    std::uint64_t offset = 0;
  };
  struct MemberFigures {
    MemberKey key;
    std::uint64_t pending = 0;
    bool suspended = false;
    std::optional<Oldest> oldest = std::nullopt;
  };
  std::vector<MemberFigures> members(Now now) const;
  std::vector<MemberKey> member_keys() const;
  /// What this member holds.
  std::uint64_t pending_of(const MemberKey& member) const;
  struct PatternFigures {
    std::string pattern;
    /// Out, counted at the first pattern that matches.
    std::uint64_t pending = 0;
    /// Events that no present member handles, of those that were read.
    std::uint64_t unhandled = 0;
    /// An upper bound: topics are known of events that were read and wait.
    std::uint64_t lag = 0;
  };
  std::vector<PatternFigures> by_pattern(std::uint64_t end) const;
  /// Topics that the group wants and no present member handles, of events that were read; those with the most first.
  struct Unhandled {
    std::string topic;
    std::uint64_t events = 0;
  };
  std::vector<Unhandled> unhandled() const;
  /// Events handed out under attempt 2 or higher, in this run of the proxy.
  std::uint64_t redelivered() const { return redelivered_; }
  void note_handed(const std::vector<HandedOut>& handed);
  std::uint64_t pending() const;
  /// Events from its position to `end`, and those waiting to be handed out again.
  std::uint64_t lag(std::uint64_t end) const;
  std::uint64_t position() const { return cursor_; }
  /// Every event below is settled.
  std::uint64_t floor() const { return done_.end_of(0); }
  std::uint64_t retrying() const { return failures_.size(); }
  /// Of an event whose attempts so far failed.
  struct Failed {
    std::uint64_t offset = 0;
    std::uint64_t attempts = 0;
    std::string reason;
    /// When the next attempt is due; nothing when it is, or is under way.
    std::optional<Instant> due;
  };
  /// The `most` oldest of them.
  std::vector<Failed> failed(std::size_t most) const;
  /// Events that wait behind others of their keys.
  std::uint64_t held_back() const { return order_.held_by_others(); }
  /// Events below `offset` that are not settled, those that it does not want and has not read included; and events
  /// from `offset` to `end` that are.
  std::uint64_t unsettled_below(std::uint64_t offset) const;
  std::uint64_t settled_from(std::uint64_t offset, std::uint64_t end) const;
  /// Dead letters it ever made.
  std::uint64_t dead() const { return dead_; }
  /// Events that were ever lost, and the newest of them, oldest first.
  std::uint64_t lost() const { return lost_; }
  const std::deque<Loss>& losses() const { return losses_; }
  /// Those that no member was told of.
  std::vector<Loss> untold_losses() const {
    return {losses_.end() - static_cast<std::ptrdiff_t>(untold_), losses_.end()};
  }
  /// Dead letters that it keeps, which they are, and the oldest of them.
  std::uint64_t letters() const { return letter_count_; }
  const IntervalSet& letter_offsets() const { return letters_; }
  Interval oldest_letter() const;
  /// The log is needed from here on: unsettled events and dead letters; and what is in the way there, for people.
  std::uint64_t needs_from() const;
  std::string needs_why() const;

  /// Reading for it failed at `offset`: it hands nothing out until something about it changes. stalled() tells of it
  /// until that offset is read or settled, so also while no member is there for whom to read.
  void stall(std::uint64_t offset, std::string why);
  /// Why it hands nothing out although it could, or "".
  std::string stalled() const;
  /// Whether there is no space to log what is decided when it reads: then what is to be buried, or is to be settled
  /// because its pattern was dropped, waits. Said by the broker.
  void wait_for_space(bool waits);
  /// An offered burial was not made after all.
  void bury_later(std::uint64_t offset) { to_bury_.insert(offset); }
  /// The batch that holds the newest decision about this group: deliveries may not overtake it.
  std::uint64_t decided_in_batch = 0;

 private:
  static constexpr std::uint16_t no_pattern = 0xffff;
  static_assert(group_patterns_max < no_pattern);
  struct Handout {
    IntervalSet left;  // never empty
    std::uint64_t attempt = 1;
    std::uint64_t bytes_each = 0;
    bool keyed = false;  // order_ knows its events
    /// The first of patterns_ that matches, as far as it is known.
    std::uint16_t pattern = no_pattern;
    Instant since{};
  };
  using Handouts = std::map<std::uint64_t, Handout>;
  struct Member {
    MemberKey key;
    KeyOrder::Seat seat = 0;
    std::vector<wire::Pattern> patterns;
    bool suspended = false;
    std::uint64_t credit_events = 0;
    std::uint64_t credit_bytes = 0;
    std::uint64_t pending_events = 0;
    std::uint64_t pending_bytes = 0;
    /// By number: in the order handed out.
    Handouts handouts;
    /// When its oldest unsettled delivery became the oldest: the ack deadline runs from here.
    Instant oldest_since{};

    bool has_room() const;
    std::uint64_t room_events() const;
    bool matches(std::string_view topic) const;
  };
  struct Failure {
    std::uint64_t attempts = 0;
    WallNs not_before_ns = 0;
    std::string reason;
    bool bury = false;
  };
  /// Events on their way to a member again, under attempt number `attempt`.
  struct Again {
    std::uint64_t end = 0;
    std::uint64_t attempt = 1;
  };

  Member* find(const MemberKey& key);
  const Member* find(const MemberKey& key) const;
  Member* at_seat(KeyOrder::Seat seat);
  const Handout* handout_of(const MemberKey& key, const wire::DeliveryId& delivery) const;
  std::uint64_t attempt_of(std::uint64_t offset) const;
  void apply_done(Interval range);
  void apply_letter(Interval range);
  void remove_letters(Interval range);
  void apply_lost(const GroupEffect& effect, Now now);
  void apply_failed(const GroupEffect& effect, Now now);
  void note_loss(Loss loss);
  void pass_settled();

  // group_members.cpp
  void remember(Member& member, std::uint64_t number, Interval range, const Handout& like, Now now);
  void take(Member& member, std::uint64_t handout, Interval range, Now now);
  void give_back(const Handouts& handouts);
  std::vector<wire::Claim> keep(Member& member, const wire::Claim& claim, Handouts& before, Now now);
  std::vector<wire::Claim> claim(Member& member, const wire::Claim& claim, Now now);
  IntervalSet available(const MemberKey& key, const wire::Claim& claim) const;
  std::vector<wire::Claim> claims_of_one_who_left(const Joining& joining) const;
  bool others_have(const MemberKey& key, const wire::Claim& claim) const;
  void settle_keys(Interval range);
  void take_back_behind(Member& member, std::uint64_t offset, Now now);
  void fail_keys(Member& member, Interval range, bool last, Now now);
  void fail_attempt(Interval range, std::uint64_t attempts, std::string_view reason, std::optional<Duration> delay,
                    Now now, std::vector<GroupEffect>& effects) const;
  std::optional<Interval> oldest(const Member& member) const;
  /// Whether nothing is to be handed out: it is paused, or members are waited for.
  bool holding(Now now) const { return paused_ || awaiting_members(now); }
  bool awaiting_members(Now now) const { return !expected_.empty() && now.instant < hold_until_; }
  bool reads_on() const { return failures_.size() < group_failures_max && order_.held() < group_held_events_max; }
  void unblock();

  // group_changes.cpp
  bool wanted_only_as(std::string_view topic, std::string_view pattern) const;
  bool pass_unwanted(const spool::Record& record, Offered& out);
  void settle_unwanted(Interval range, Offered& out);

  // group_figures.cpp
  bool is_handled(std::string_view topic) const;
  std::uint16_t pattern_of(std::string_view topic) const;
  void count_pending(std::uint16_t pattern, std::int64_t events);
  void uncount(const Handouts& handouts);

  // group_queues.cpp: what waits to be handed out again
  void withdraw(Interval range);
  void hand_out_again(Interval range, std::uint64_t attempt);
  void again(Interval range);
  void let_go();
  void give_back_keyed(std::uint64_t offset);
  bool park(std::string_view topic, Interval range, std::uint64_t attempt);
  void forget_parked(Interval range);
  void unpark(std::string_view topic, std::uint64_t events_max);
  void use_room(Member& member);
  void unpark_for_room();

  // group_handout.cpp
  struct Run;
  Member* next_with_room(std::string_view topic, bool& anybody);
  bool has_room_besides(std::string_view topic) const;
  std::uint64_t hand_out(const spool::Record& record, Interval range, std::uint64_t attempt, std::size_t records_left,
                         Now now, std::vector<HandedOut>& out);
  std::uint64_t hand_out_free(const spool::Record& record, Interval range, std::uint64_t attempt,
                              std::size_t records_left, Now now, std::vector<HandedOut>& out);
  std::uint64_t hand_out_keyed(const spool::Record& record, Interval range, std::size_t records_left, Now now,
                               std::vector<HandedOut>& out);
  void offer_again(const spool::Record& record, std::size_t records_left, Now now, Offered& out);
  bool offer_new(const spool::Record& record, std::size_t records_left, Now now, Offered& out);
  Interval next_fresh(std::uint64_t end) const;
  void pass_over(std::uint64_t end, const spool::Record* record, Offered& out);
  bool pass_known(std::uint64_t until, const spool::Record* record);
  bool learn(const spool::Record& record, Now now);
  void learn_claimed(std::uint64_t offset, std::uint32_t key, Now now);
  void read_keys_of(const spool::Record& record);
  std::uint32_t key_in(const spool::Record& record, std::uint64_t offset) const;

  // logged
  Identity identity_;
  GroupSettings settings_;
  std::vector<wire::Pattern> patterns_;
  std::shared_ptr<const spool::TopicFilter> topics_;  // of patterns_; null: to be made
  std::uint64_t topics_made_ = 0;                     // each is another one for the reader
  IntervalSet done_;
  bool passed_over_ = false;  // since note_passed()
  std::map<std::uint64_t, Failure> failures_;
  std::map<MemberKey, std::uint64_t> logged_members_;  // and from which hand-out on these are their own
  std::uint64_t dead_ = 0;
  std::uint64_t lost_ = 0;
  std::deque<Loss> losses_;
  std::size_t untold_ = 0;  // the newest of losses_
  IntervalSet letters_;
  std::uint64_t letter_count_ = 0;  // the total of letters_
  bool paused_ = false;
  /// The clock when it was first seen without a member.
  std::optional<std::uint64_t> memberless_since_ms_;
  // not logged: rebuilt from the above
  std::string replay_prefix_;
  std::uint64_t run_ = 0;
  std::uint64_t last_handout_ = 0;
  /// Events that an earlier run of the proxy may have handed out are below.
  std::uint64_t claimable_end_ = 0;
  /// Who may have held them then: what members held that had left was given to others, whatever they claim.
  std::map<MemberKey, std::uint64_t> members_then_;
  /// Everything below was looked at: done, handed out, waiting in one of the queues below, or somebody else's topic.
  std::uint64_t cursor_ = 0;
  /// Offsets at or above the cursor that are out: claimed after a restart.
  IntervalSet claimed_;
  /// Events that failed or were claimed, and whose keys are not known since the restart.
  IntervalSet to_learn_;
  std::vector<Member> members_;
  std::size_t next_member_ = 0;
  KeyOrder order_;
  KeyOrder::Seat last_seat_ = 0;
  /// Of the record that is being offered: a key for each event, or none.
  std::vector<std::uint32_t> keys_;
  /// Below the cursor, to be handed out again as soon as somebody has room, by first offset.
  std::map<std::uint64_t, Again> ready_;
  /// Failed events whose next attempt is not due yet, and when it is.
  Timers<Interval> waiting_;
  std::map<std::uint64_t, Instant> waiting_until_;
  /// Events that no present member handles although the group wants them, or that wait until one of those that do has
  /// room, by topic.
  std::map<std::string, std::deque<std::pair<Interval, std::uint64_t>>, std::less<>> parked_;
  std::size_t parked_ranges_ = 0;
  std::set<std::uint64_t> to_bury_;
  bool waits_for_space_ = false;
  /// Offers found nobody for what waits below ready_from_ (of ready_), or for what is at the cursor: to read that
  /// again is useless until something changes.
  std::uint64_t ready_from_ = 0;
  bool blocked_ = false;
  std::string read_error_;
  std::uint64_t read_error_at_ = 0;
  bool read_failed_ = false;  // since something changed
  std::vector<std::uint64_t> pending_by_pattern_;
  std::uint64_t redelivered_ = 0;
  std::set<MemberKey> expected_;
  Instant hold_until_{};
};

}  // namespace spindle::proxy
