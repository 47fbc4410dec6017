#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "event.hpp"
#include "proxy/broker.hpp"
#include "scenario.hpp"
#include "spindle/spool/batch.hpp"
#include "spindle/spool/reader.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/spool/recovery.hpp"
#include "spindle/wire/message.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"
#include "truth.hpp"

namespace spindle::simulation {

/// Sees everything that goes into the proxy, comes out of it or becomes durable, knows what the processes asked for,
/// and says at once when a promise does not hold. It never looks into the broker. By file: oracle.cpp (who asks, and
/// crashes), oracle_log.cpp (what becomes durable), oracle_received.cpp and oracle_sent.cpp (messages),
/// trace.cpp (for people).
class Oracle {
 public:
  explicit Oracle(const Scenario& scenario) : scenario_(scenario) {}

  // --- the processes ---
  std::uint64_t new_event(Event event);
  const Event& event(std::uint64_t number) const { return events_.at(number); }
  std::uint64_t new_life() { return ++lives_; }
  struct Who {
    std::uint64_t process = 0;
    std::uint64_t life = 0;
    std::string source;
  };
  void connected(const proxy::Peer& peer, Who who) { who_[peer] = std::move(who); }
  void asked(Commit commit);

  // --- the proxy's process ---
  void begin_recovery();
  void see_recovered(const spool::Record& record);
  void end_recovery(const spool::RecoveredLog& log);
  /// The state at the head of this segment is damaged: the one before must serve, and the records since.
  void see_damage(std::uint64_t serial) { damaged_ = serial; }
  void begin_run(Now now);
  /// All events that are kept stand where they stood.
  void compare_log(spool::Reader& reader) const;
  void see_death();
  void see_copy() { copy_ = std::make_unique<Truth>(truth_); }
  void go_back_to_copy();

  // --- what it decides ---
  void see_batch(std::shared_ptr<const spool::Batch> batch);
  /// The batch is on disk.
  void see_durable(Now now);

  // --- messages ---
  void see_received(const proxy::Peer& peer, std::span<const SharedBytes> frames, Now now);
  void see_sent(const proxy::Outgoing& outgoing, Now now);
  /// The broker knows what is durable, and what waited for it was sent.
  void end_round() { ++round_; }
  void see_unreachable(const proxy::Peer& peer);
  void see_tick(Now now);

  /// Nothing is under way any more: what is not settled now never will be.
  void check_rest() const;
  /// What is not settled, for people; "" when all is.
  std::string unsettled() const;

  const Truth& truth() const { return truth_; }
  /// Events have keys, and the order by them is checked.
  bool check_keys = false;
  /// Prints every message and every record that becomes durable.
  bool trace = false;

 private:
  struct Member {
    std::string group;
    std::vector<wire::Pattern> patterns;
    bool joining = true;
    std::vector<wire::Claim> claims;
    /// What it claimed and has settled since, before it was told what it keeps.
    std::set<std::uint64_t> settled_since;
    std::uint64_t credit_events = 0;
    std::uint64_t credit_bytes = 0;
    /// Offsets that it holds and what each counts for.
    std::map<std::uint64_t, std::uint64_t> held;
    std::uint64_t held_bytes = 0;
  };
  struct Session {
    Who who;
    wire::Hello hello;
    std::uint64_t last_number_then = 0;
    std::uint64_t id = 0;
    bool live = true;
    bool unreachable = false;
    std::uint64_t opened = 0;
    std::uint64_t replaced_by = 0;  // the session of a newer hello, which may be refused yet
    Instant lease_until{};
    std::uint64_t sent = 0;
    std::map<std::uint64_t, Member> members;
  };
  struct Pending {
    std::shared_ptr<const spool::Batch> batch;
    /// A record, or a segment that begins, or segments that go.
    struct Item {
      std::optional<spool::Record> record;
      std::uint64_t serial = 0;
      std::uint64_t first_offset = nowhere;
    };
    std::vector<Item> items;
  };

  // oracle.cpp
  void forget_holders();
  void apply_survivors(std::uint64_t serial, std::size_t records);

  // oracle_log.cpp
  void apply(const Pending::Item& item, Now now);
  void apply_commit();
  void apply_publish();
  void apply_settle();
  void apply_group();
  void apply_outcome();
  void apply_source();
  void apply_effect(const proxy::GroupEffect& effect, bool has_letter);
  void apply_turn(const std::string& source, const Commit& commit);
  void check_settled(GroupTruth& group, proxy::Interval range);
  void check_letter(GroupTruth& group, std::uint64_t offset, const spool::Record& record);
  void take_back_behind(GroupTruth& group, std::uint64_t offset);
  void settle(GroupTruth& group, std::uint64_t offset, Share::Fate fate);
  std::vector<std::uint64_t> append(const spool::Record& record);
  void place(std::uint64_t event, std::uint64_t offset);
  void remember(const std::string& source, const wire::Outcome& outcome);
  void trim(std::uint64_t first_offset);
  std::uint32_t topic_number(BytesView topic);
  void recount_wanted(GroupTruth& group);
  void recount_open(GroupTruth& group);
  const Commit& commit_of(const std::string& source, std::uint64_t number) const;

  // trace.cpp
  void trace_message(const char* way, const proxy::Peer& peer, BytesView head, Now now) const;
  void trace_record(const spool::Record& record) const;

  // oracle_received.cpp
  void hear_hello(const proxy::Peer& peer, const wire::Head& head, Now now);
  void hear_renew(const wire::Head& head, Now now);
  void hear_settle(Session& session, const wire::Head& head);
  void hear_attach(Session& session, const wire::Head& head, Now now);
  void hear_commit(const Session& session, std::uint64_t number);
  void end(Session& session);
  void let_go(GroupTruth& group, std::uint64_t offset);
  void let_go_later_of_key(GroupTruth& group, std::uint64_t offset, const proxy::Peer& holder);
  void leave(Session& session, std::uint64_t member);
  /// The log does not say that what is behind an event in its key was taken back with it when a deadline passed.
  /// After a restart whoever had it then may claim it, too.
  bool silently_taken_back() const { return check_keys && scenario_.deadlines_pass; }

  // oracle_sent.cpp
  void tell_welcome(const proxy::Peer& peer, const wire::Welcome& welcome);
  void tell_outcomes(const Session& session, const std::vector<wire::Outcome>& outcomes) const;
  void take_back_refused(const proxy::Peer& peer, const std::string& source,
                         const std::vector<wire::Outcome>& outcomes);
  void tell_attached(const proxy::Peer& peer, Session& session, const wire::Attached& attached, Now now);
  void tell_deliver(const proxy::Outgoing& outgoing, Session& session, const wire::Deliver& deliver, Now now);
  void tell_delivery(const proxy::Peer& peer, Session& session, GroupTruth& group, const Delivery& delivery, Now now);
  void tell_lost(Session& session, const wire::Lost& lost);
  void tell_error(const proxy::Peer& peer, const wire::ErrorMessage& error);
  void doubt_claims(const proxy::Peer& peer, GroupTruth& group, const Member& member);
  bool may_be_taken_back(const proxy::Peer& peer, GroupTruth& group, std::uint64_t offset) const;
  std::optional<std::uint64_t> overtaken(const proxy::Peer& peer, GroupTruth& group, std::uint64_t offset) const;
  void check_order_by_key(const proxy::Peer& peer, GroupTruth& group, const Delivery& delivery, Now now) const;

  const Scenario& scenario_;
  std::vector<Event> events_{1};
  std::uint64_t lives_ = 0;
  std::unordered_map<proxy::Peer, Who> who_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Commit> commits_;  // by life and number
  /// By source and number: what was asked last under it, in a session that was alive.
  std::map<std::string, std::map<std::uint64_t, std::uint64_t>> life_of_;

  Truth truth_;
  std::unique_ptr<Truth> copy_;
  bool ever_restored_ = false;
  bool restored_ = false;
  std::optional<Pending> pending_;
  std::vector<std::size_t> recovered_;
  std::uint64_t damaged_ = 0;
  std::vector<spool::Record> commit_;  // its records so far
  std::uint64_t round_ = 1;

  std::map<proxy::Peer, Session> sessions_;
  std::uint64_t opened_ = 0;
  std::map<std::uint64_t, std::uint64_t> process_of_epoch_;
  /// By group: generation and hand-out of all deliveries that were ever told.
  std::map<std::string, std::set<std::pair<std::uint64_t, std::uint64_t>>> handouts_;
  /// By source that said goodbye: its last commit that was durable then.
  std::map<std::string, std::uint64_t> last_at_goodbye_;
  std::map<std::string, std::uint64_t> goodbyes_;  // by source: the round of the newest forgetting

  mutable wire::Values values_;
  mutable wire::Values packet_values_;
};

}  // namespace spindle::simulation
