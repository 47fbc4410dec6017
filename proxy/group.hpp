#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/group_settings.hpp"
#include "proxy/interval_set.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/timers.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::spool {
struct Record;
}

namespace spindle::proxy {

/// Names a member: the source that attached and the number it gave the member.
struct MemberKey {
  std::string source;
  std::uint64_t number = 0;

  friend auto operator<=>(const MemberKey&, const MemberKey&) = default;
};

/// One change of a group's logged state; a record holds some of them. Applied when decided and again at recovery.
struct GroupEffect {
  enum class What : std::uint8_t {
    done = 0,    ///< settled, or buried
    failed = 1,  ///< an attempt failed; another may begin at not_before_ns
    bury = 2,    ///< the last attempt failed, or it was rejected: to be copied to the dead letters
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
  const GroupSettings& settings() const { return settings_; }

  // --- logged state -------------------------------------------------------------------------------------------
  void apply(const GroupEffect& effect, Now now);
  /// The union of what its members ever asked for.
  void add_pattern(const wire::Pattern& pattern);
  bool has_pattern(const wire::Pattern& pattern) const;
  const std::vector<wire::Pattern>& patterns() const { return patterns_; }
  /// The log knows who the members are, so that after a restart they are waited for with what they hold.
  void note_member(const MemberKey& member) { logged_members_.insert(member); }
  void forget_member(const MemberKey& member) { logged_members_.erase(member); }
  bool knows_member(const MemberKey& member) const { return logged_members_.contains(member); }
  void write(wire::Writer& to) const;
  static Result<Group> read(wire::Cursor& at, std::uint64_t run, Now now);
  /// Hand-out numbers of this run of the proxy follow.
  void begin_run(std::uint64_t run) { last_handout_ = run << 40; }
  /// After recovery: nothing is handed out before this, unless all expected members are back.
  void hold_until(Instant until);

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
  /// Takes the deliveries from the member and says what that changes; the caller logs and applies it.
  std::vector<GroupEffect> settle(const MemberKey& key, const wire::Settlement& settlement, Now now);
  bool extend(const MemberKey& key, const wire::DeliveryId& delivery, Now now);

  // --- handing out --------------------------------------------------------------------------------------------
  /// The offset it wants to read from; nothing when nobody could take an event or none is there below `durable_end`.
  std::optional<std::uint64_t> wants(std::uint64_t durable_end, Now now) const;
  struct Offered {
    std::vector<HandedOut> handed;
    std::vector<Burial> burials;
  };
  /// Records of events in offset order, gapless from `from` (as wanted) to `next`. Views in the result point at them.
  Offered offer(std::uint64_t from, const std::vector<spool::Record>& records, std::uint64_t next, Now now);
  /// Deadlines that have passed and retries that are due.
  std::vector<GroupEffect> tick(Now now);
  std::optional<Instant> next_due() const;

  // --- figures ------------------------------------------------------------------------------------------------
  struct MemberFigures {
    MemberKey key;
    std::uint64_t pending = 0;
  };
  std::vector<MemberFigures> members() const;
  std::uint64_t pending() const;
  /// Events from its position to `end`, and those waiting to be handed out again.
  std::uint64_t lag(std::uint64_t end) const;
  std::uint64_t position() const { return cursor_; }
  /// Every event below is settled.
  std::uint64_t floor() const { return done_.end_of(0); }
  std::uint64_t retrying() const { return failures_.size(); }
  /// Dead letters it ever made.
  std::uint64_t dead() const { return dead_; }

  /// Reading for it failed: it hands nothing out until something about it changes.
  void stall(std::string why) {
    stalled = std::move(why);
    blocked_ = true;
  }
  /// Why it hands nothing out although it could, for `groups`.
  std::string stalled;
  /// The batch that holds the newest decision about this group: deliveries may not overtake it.
  std::uint64_t decided_in_batch = 0;

 private:
  struct Member {
    MemberKey key;
    std::vector<wire::Pattern> patterns;
    bool suspended = false;
    std::uint64_t credit_events = 0;
    std::uint64_t credit_bytes = 0;
    std::uint64_t pending_events = 0;
    std::uint64_t pending_bytes = 0;
    /// In the order handed out; settled ones are dropped when they reach the front.
    std::deque<std::uint64_t> handouts;
    /// When its oldest unsettled delivery became the oldest: the ack deadline runs from here.
    Instant oldest_since{};

    bool has_room() const;
    bool matches(std::string_view topic) const;
  };
  struct Handout {
    MemberKey member;
    IntervalSet left;
    std::uint64_t attempt = 1;
    std::uint64_t bytes_each = 0;
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
  Member* next_with_room(std::string_view topic, bool& anybody);
  std::uint64_t hand_out(const spool::Record& record, Interval range, std::uint64_t attempt, std::size_t records_left,
                         Now now, std::vector<HandedOut>& out);
  void remember(Member& member, Handout handout, std::uint64_t number, Now now);
  void take(Handout& handout, Interval range, Now now);
  void drop_settled_front(Member& member, Now now);
  void give_back(std::uint64_t handout_number, Now now);
  void withdraw(Interval range);
  void hand_out_again(Interval range, std::uint64_t attempt);
  std::vector<wire::Claim> claim(Member& member, const wire::Claim& claim, Now now);
  bool available(std::uint64_t offset) const;
  void take_available(std::uint64_t offset);
  void fail_attempt(std::uint64_t offset, std::uint64_t attempts, std::string reason, std::optional<Duration> delay,
                    Now now, std::vector<GroupEffect>& effects) const;
  std::optional<Interval> oldest(const Member& member) const;
  bool holding(Now now) const;
  void offer_again(const spool::Record& record, std::size_t records_left, Now now, Offered& out);
  bool offer_new(const spool::Record& record, std::size_t records_left, Now now, Offered& out);

  // logged
  Identity identity_;
  GroupSettings settings_;
  std::vector<wire::Pattern> patterns_;
  IntervalSet done_;
  std::map<std::uint64_t, Failure> failures_;
  std::set<MemberKey> logged_members_;
  std::uint64_t dead_ = 0;
  // not logged: rebuilt from the above
  std::uint64_t last_handout_ = 0;
  /// Everything below was looked at: done, handed out, waiting in one of the queues below, or somebody else's topic.
  std::uint64_t cursor_ = 0;
  /// Offsets at or above the cursor that it must pass over: done, claimed or failed before a restart.
  IntervalSet ahead_;
  std::vector<Member> members_;
  std::size_t next_member_ = 0;
  std::unordered_map<std::uint64_t, Handout> handouts_;
  /// To be handed out again as soon as somebody has room, by first offset.
  std::map<std::uint64_t, Again> ready_;
  /// Failed events whose next attempt is not due yet.
  Timers<std::uint64_t> waiting_;
  std::set<std::uint64_t> waiting_offsets_;
  /// Events that no present member wants although the group does, by topic.
  std::map<std::string, std::vector<std::pair<Interval, std::uint64_t>>, std::less<>> parked_;
  std::set<std::uint64_t> to_bury_;
  /// The last offer found nobody for anything: reading again is useless until something changes.
  bool blocked_ = false;
  std::set<MemberKey> expected_;
  Instant hold_until_{};
};

}  // namespace spindle::proxy
