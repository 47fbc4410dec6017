#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/broker.hpp"
#include "proxy/broker_config.hpp"
#include "proxy/dead_request.hpp"
#include "proxy/group_log.hpp"
#include "proxy/group_table.hpp"
#include "proxy/ledger.hpp"
#include "proxy/log.hpp"
#include "proxy/log_records.hpp"
#include "proxy/retention.hpp"
#include "proxy/session.hpp"
#include "proxy/source_table.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::proxy {

/// The inside of the Broker. Its parts, by file: broker_sessions (hello, leases, ends), broker_sources,
/// broker_publish, broker_settle, broker_groups (attach, hand out, dead letters), broker_admin (what operators ask
/// for), broker_dead (their work on dead letters), broker_group_admin and broker_group_changes (what they change of
/// groups), broker_recovery (state, replay, start).
class BrokerState {
 public:
  explicit BrokerState(BrokerConfig config);

  // broker_recovery.cpp
  Result<void> replay(const spool::Record& record, Now now);
  void start(std::optional<Broker::Log> log, Now now);

  // broker.cpp
  void on_message(const Peer& peer, std::span<const SharedBytes> frames, Now now);
  void on_durable(std::uint64_t batch);
  void on_space(std::uint64_t free_bytes);
  std::vector<Outgoing> take_outgoing();
  std::optional<Broker::Decided> take_batch(Now now);

  // broker_sessions.cpp
  void on_unreachable(const Peer& peer, Now now);
  void expire_sessions(Now now);
  void say_goodbye();
  void say_failed(const Error& why);

  // broker_sources.cpp
  void tick_sources(Now now);

  // broker_publish.cpp
  Result<void> on_captured(BytesView topic, BytesView bytes, Now now);

  // broker_groups.cpp
  void on_block(const ReadRequest& request, const spool::Block& block, Now now);
  void on_read_error(const ReadRequest& request, const Error& error, Now now);
  void on_read_lost(const ReadRequest& request, const Error& error, Interval range, Now now);
  std::vector<ReadRequest> take_reads(Now now);
  void tick_groups(Now now);

  // broker_retention.cpp
  void retain(Now now);

  std::optional<Instant> next_deadline();

  Ledger& ledger() { return *ledger_; }

 private:
  // broker.cpp
  bool is_deaf_to(const Peer& peer, const wire::Head& head, Now now);
  void dispatch(Session& session, const wire::Head& head, std::span<const SharedBytes> frames, Now now);
  template <class M>
  void send(Session& session, const M& message, std::uint64_t batch, std::vector<wire::TopicPacket> packets = {});
  void send_error(Session& session, std::uint64_t answers, const Error& error);
  void send_error(const Peer& peer, std::uint64_t answers, const Error& error);
  void answer(Session& session, std::vector<wire::Outcome>& answers, std::vector<wire::Outcome> outcomes);
  void flush_answers();
  template <class Answer>
  void send_outcomes(Session& session, std::vector<wire::Outcome>& outcomes, std::uint64_t answers);

  // broker_sessions.cpp
  void hello(const Peer& peer, const wire::Head& head, Now now);
  Session& open_session(const Peer& peer, const wire::Hello& hello, Now now);
  void renew(const wire::Head& head, Now now);
  void goodbye(Session& session, Now now);
  Session* session_of(const Peer& peer);
  Session* session_of_source(std::string_view source);
  void end_session(std::uint64_t id, bool lost, Now now);
  void leave_group(Session& session, std::uint64_t member, bool lost, Now now);
  void leave(Group& group, const MemberKey& member, bool lost, Now now);
  void drop_unjoined(Session& session, Now now);
  std::uint64_t publish_window() const;
  void unsay_what_waits(const Error& why);

  // broker_sources.cpp
  Result<Source*> admit(const wire::Hello& hello);
  Result<void> admit_past(const wire::Hello& hello, const Source* source) const;
  void grant_epoch(Source& source, Now now);
  void log_sources(const std::vector<SourceRecord>& records, Now now);
  void forget(const std::vector<Source*>& sources, Now now);
  void start_sources(Now now);
  Duration source_clock_interval();
  bool clock_runs();
  void forget_idle(Now now);

  // broker_publish.cpp
  void publish(Session& session, const wire::Head& head, std::span<const SharedBytes> frames, Now now);
  void resume(Session& session, const wire::Head& head);
  Result<std::vector<wire::Packet>> check_packets(const Session& session, std::span<const SharedBytes> frames);
  void gap(Session& session, const Source& source, std::uint64_t number, std::uint64_t message, Now now);
  wire::Outcome refuse(const Session& session, Source& source, std::uint64_t number, const Error& error, Now now);
  bool has_window(Session& session, std::uint64_t bytes, std::uint64_t message, Now now);
  void count_unanswered(Session& session, std::uint64_t bytes);
  void halt(Session& session, std::uint64_t number, std::uint64_t message, const Error& why,
            std::uint64_t retry_after_ms);
  bool halt_if_forgetful(Session& session, std::uint64_t number, std::uint64_t message);
  bool halt_if_full(Session& session, std::uint64_t number, std::uint64_t message, std::uint64_t bytes, Tier tier,
                    Now now);
  void append_events(BytesView topic, BytesView packet, std::uint32_t count);
  Bytes own_packet(BytesView topic, wire::PacketBuilder& builder, BytesView attributes, Now now);

  // broker_settle.cpp
  struct SettlePlan;
  void settle(Session& session, const wire::Head& head, std::span<const SharedBytes> frames, Now now);
  Tier publishing_tier(const wire::Settle& settle) const;
  Tier tier_of_settling(std::uint64_t offset) const;
  SettlePlan plan_settle(const Session& session, std::span<const SharedBytes> frames);
  static std::optional<Error> claim_events(SettlePlan& plan, const wire::Turn& turn);
  void plan_turn(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number, Now now);
  void plan_run(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number, Now now);
  void refuse_turn(Session& session, SettlePlan& plan, const wire::Turn& turn, std::uint64_t number, const Error& why,
                   Now now);
  void take_back_repeated(const Session& session, const wire::Settle& settle, std::uint64_t fresh, Now now);
  void take_back(const Session& session, const wire::Settlement& settlement, Now now);
  void commit_settle(Session& session, Source& source, SettlePlan& plan, Now now);
  void log_settle(const Session& session, SettlePlan& plan, Now now);

  // broker_groups.cpp
  void attach(Session& session, const wire::Head& head, Now now);
  Result<void> may_join(const Session& session, const wire::Attach& attach, const Group::Joining& joining);
  Result<Group*> group_for(const wire::Attach& attach, const Group::Joining& joining, Now now);
  Result<Group*> make_group(const wire::Attach& attach, Now now);
  void detach(Session& session, const wire::Head& head, Now now);
  void credit(Session& session, const wire::Head& head);
  void extend(Session& session, const wire::Head& head, Now now);
  Group* group_of(const Session& session, std::uint64_t member);
  Group* group_named(std::string_view name);
  void deliver(Group& group, const std::vector<HandedOut>& handed, const spool::Block& block);
  void bury(Group& group, const std::vector<Burial>& burials, Now now);
  Bytes dead_letter(const Group& group, const Burial& burial, const wire::Packet& packet,
                    const wire::PacketEvent& event, Now now);
  void log_group(const GroupRecord& record, Now now);
  void log_left(Group& group, const MemberKey& member, Now now);
  void log_effects(Group& group, std::vector<GroupEffect> effects, Now now);
  void log_effects_in_parts(Group& group, const std::vector<GroupEffect>& effects, Now now);
  MemberKey key_of(const Session& session, std::uint64_t member) const { return {session.source, member}; }

  // broker_admin.cpp
  void admin(Session& session, const wire::Head& head, Now now);
  void answer_admin(Session& session, std::uint64_t answers, const wire::Admin& admin, Result<Bytes> body);
  Result<Bytes> do_admin(const wire::Admin& admin, Now now);
  Result<Bytes> admin_groups(const wire::Admin& admin, Now now);
  Bytes group_figures(std::string_view only, std::uint64_t after, Now now) const;
  void write_members(const std::vector<Group::MemberFigures>& members, wire::Writer& to, Now now) const;
  std::optional<Duration> silent_for(const std::string& source, Now now) const;
  void write_figures(const Group& group, bool is_pin, Bytes& out, Now now) const;

  // broker_group_admin.cpp
  Result<Group*> group_to_change(const wire::Admin& admin);
  Result<Bytes> admin_pause(const wire::Admin& admin, Now now);
  Result<Bytes> admin_delete(const wire::Admin& admin, Now now);
  Result<Bytes> admin_seek(const wire::Admin& admin, Now now);
  Result<Bytes> admin_alter(const wire::Admin& admin, Now now);
  Result<Bytes> seek(const wire::Admin& admin, std::uint64_t asked, bool dry_run, Now now);
  Result<void> may_drop(const Group& group, const std::string& pattern) const;
  bool defer_seek(const Session& session, std::uint64_t answers, const wire::Admin& admin, Now now);
  void search_times(std::vector<ReadRequest>& reads);
  void finish_searches(Now now);
  void search_on(std::uint64_t id, std::uint64_t from, Now now);
  void on_searched(std::uint64_t id, const spool::Block& block, Now now);
  void finish_search(std::uint64_t id, Result<std::uint64_t> position, Now now);

  // broker_group_changes.cpp
  void change_group(Group& group, GroupRecord record, Now now);
  static Result<void> apply_change(Group& group, const GroupRecord& record);
  void seek_group(Group& group, std::uint64_t position, Now now);
  void alter_group(Group& group, const GroupSettings& settings, Now now);
  void drop_group_pattern(Group& group, const std::string& pattern, Now now);
  void delete_group(Group& group, const std::string& reason, Now now);
  void set_clock(std::uint64_t clock_ms);
  void expire_groups(Now now);

  // broker_dead.cpp
  void admin_dead(Session& session, std::uint64_t answers, const wire::Admin& admin, Now now);
  void take_dead_reads(std::vector<ReadRequest>& reads);
  void answer_dead(const DeadRequest& request);
  void drop_dead_requests(std::uint64_t session);
  void note_replayed(const DeadRequest& request);
  void on_dead_block(const ReadRequest& read, const spool::Block& block, Now now);
  void on_dead_read_error(const ReadRequest& read, const Error& error);
  bool take_letter(DeadRequest& request, Group& group, const spool::Record& record, Now now);
  bool replay_letter(DeadRequest& request, Group& group, const DeadLetter& letter, Now now);
  void discard_letters(Group& group, DeadRequest& request, Now now);

  // broker_retention.cpp
  std::uint64_t missing_bytes();
  WallNs retention_time(Now now) const;
  void note_all_passed(Now now);
  void end_old_segment(Now now);
  void plan_trim(Now now);
  bool free_from_groups(std::size_t segment, Retention::Why why, Now now);
  bool beyond_keep_at_most(const Group& group, std::size_t segment, Now now) const;
  void remove_trimmed();
  void note_pinned(const Group& group, const Retention::Kept& segment, Retention::Why why, Now now);
  std::uint64_t kept_bytes(const Group& group) const;
  std::string pins(const Group& group) const;
  const Group* oldest_pin() const;
  bool lose(Group& group, Interval range, std::string_view reason, Now now);
  bool present_member(const Group& group);
  void tell_lost(const Group& group, const std::vector<Interval>& ranges, const std::string& reason);
  void send_lost(Session& session, std::uint64_t member, const std::vector<Interval>& ranges,
                 const std::string& reason);
  void tell_earlier_losses(Group& group, Session& session, std::uint64_t member, Now now);
  void bound_letters(Group& group, Now now);
  Error full_error(Tier tier);
  void note_halt(const Error& why, Now now);
  void note_publishing(Now now);

  // broker_recovery.cpp
  Bytes state() const;
  void leave_lost_time(Now now);
  void note_incarnation();
  Result<void> restore(BytesView state, Now now);
  Result<void> replay_events(const spool::Record& record);
  Result<void> replay_settle(const spool::Record& record, Now now);
  Result<void> replay_group(const spool::Record& record, Now now);

  BrokerConfig config_;
  std::unique_ptr<Ledger> ledger_;
  std::string spool_;
  std::uint64_t incarnation_ = 0;
  std::uint64_t first_offset_ = 0;

  // retention
  Retention retention_;
  Instant retain_at_{};
  Now started_{};
  /// A segment began; what groups passed over is to be logged in it.
  bool rolled_ = false;
  struct Trimming {
    /// The batch with everything that makes the segments superfluous; they may go once it is durable.
    std::uint64_t after_batch;
    std::size_t count;
  };
  std::optional<Trimming> trimming_;
  /// The batch that deletes segments, or none. What it frees is seen by the next on_space() only.
  std::uint64_t removing_batch_ = 0;
  Instant say_pinned_at_{};
  bool publishing_halted_ = false;
  Instant halted_last_{};
  /// Members whose leaving waits for space to be logged.
  struct Leaving {
    std::uint64_t group;
    MemberKey member;
    bool lost;
  };
  std::vector<Leaving> leaving_;
  /// Not even small records have space; found out now and then.
  bool full_ = false;
  /// A dead letter had no space; it is tried again when the disk is measured.
  bool letters_wait_ = false;

  // logged: part of the state at the head of each segment
  SourceTable sources_{outcome_bytes_max};
  GroupTable groups_;
  std::uint64_t last_epoch_ = 0;
  std::uint64_t last_group_ = 0;
  std::uint64_t run_ = 0;

  // not logged
  std::map<std::uint64_t, Session> sessions_;
  std::unordered_map<Peer, std::uint64_t> session_of_peer_;
  std::map<std::string, std::uint64_t, std::less<>> session_of_source_;
  std::set<Peer> told_unknown_;
  log::Throttle unheard_;
  GroupLog group_log_;
  /// Sessions that have outcomes to be sent.
  std::vector<std::uint64_t> answering_;
  struct Unanswered {
    std::uint64_t batch;
    std::uint64_t session;
    std::uint64_t bytes;
  };
  std::deque<Unanswered> unanswered_;
  std::uint64_t unanswered_bytes_ = 0;
  /// Since when the sources' clock has not gone on, and whether some may be idle for too long.
  Instant source_clock_since_{};
  bool forgetting_ = false;
  /// Above the hand-outs of the groups that were deleted in this run.
  std::uint64_t handouts_of_deleted_ = 0;
  /// Seeks that wait until the log was read as far as their time.
  struct TimeSeek {
    std::uint64_t session;
    std::uint64_t answers;
    wire::Admin admin;
    /// The one that is meant, though another one may have its name by then.
    std::uint64_t group;
    WallNs time_ns;
    bool dry_run;
    /// What is to be read of the log yet.
    std::uint64_t from;
    std::uint64_t end;
  };
  std::map<std::uint64_t, TimeSeek> time_seeks_;
  std::uint64_t last_time_seek_ = 0;
  std::mt19937_64 random_;
  wire::Values values_;
  wire::Values packet_values_;

  /// What operators asked that has to be read first.
  std::map<std::uint64_t, DeadRequest> dead_requests_;
  std::uint64_t last_dead_request_ = 0;

  // the proxy as a source of its own: captured events and dead letters
  std::uint64_t own_epoch_ = 0;
  std::uint64_t own_sequence_ = 0;
  std::map<std::string, std::uint64_t, std::less<>> own_counts_;

  // replay: whether the record at hand begins a commit, and whether that is a publish, or a group's with a letter
  bool replay_begins_commit_ = true;
  bool replay_is_publish_ = false;
  bool replay_is_letter_ = false;
  static constexpr std::uint64_t no_commit = ~std::uint64_t{0};
  std::uint64_t replay_commit_ = no_commit;  // the offset at which more packets of the same publish would stand
};

inline constexpr std::string_view own_source = "_spindle/proxy";
inline constexpr std::size_t sessions_max = 10'000;
inline constexpr std::size_t groups_max = 10'000;
/// How often the sources' clock goes on: what a crash may set it back by, and one small commit each time.
inline constexpr Duration source_clock_interval_min = std::chrono::seconds(1);
inline constexpr Duration source_clock_interval_max = std::chrono::minutes(5);
/// After a start nobody is forgotten sooner: clients that were cut off come back first.
inline constexpr Duration forget_grace = std::chrono::hours(1);
/// Sources that are forgotten, or found to be present, at once.
inline constexpr std::size_t sources_looked_at_max = 256;
/// Answers that wait for the disk, to one connection and to all: who asks on beyond it is not heard. One answer
/// always goes over.
inline constexpr std::size_t held_answer_bytes_per_peer_max = 1024 * 1024;
inline constexpr std::size_t held_answer_bytes_max = 32 * 1024 * 1024;
/// Answers and deliveries together: beyond it nothing more is read for groups.
inline constexpr std::size_t held_bytes_max = 64 * 1024 * 1024;
/// The sum of all publish windows: what clients may make the proxy hold that is not on disk yet.
inline constexpr std::uint64_t publish_windows_bytes_max = 64 * 1024 * 1024;
inline constexpr std::uint64_t publish_window_bytes_min = 256 * 1024;
/// Retention looks for what may go this often, and says at most this often who is in the way.
inline constexpr Duration retention_interval = std::chrono::milliseconds(500);
inline constexpr Duration say_pinned_interval = std::chrono::minutes(1);
/// Publishing is said to go on when nobody was halted for this long.
inline constexpr Duration publishing_calm = std::chrono::seconds(2);
/// Segments deleted at once: each takes a sync of the directory, and commits wait for that.
inline constexpr std::size_t segments_per_trim_max = 16;
/// What a small record of the broker comes to at most, a name and a source included; its texts are extra.
inline constexpr std::uint64_t small_record_bytes_max = 1024;
/// An effect without its reason.
inline constexpr std::uint64_t effect_bytes_max = 64;
inline constexpr std::uint64_t halt_retry_ms = 250;
/// The oldest segments whose events turns may settle and publish over with less of the reserve left (Tier::drain).
inline constexpr std::size_t drained_segments = 2;
inline constexpr std::uint64_t busy_retry_ms = 20;
/// Each topic that --capture stores costs a counter.
inline constexpr std::size_t captured_topics_max = 100'000;
/// What a turn counts for in the publish window, besides what it publishes.
inline constexpr std::uint64_t settle_turn_bytes = 256;
/// Why a commit was refused, as far as it is kept.
inline constexpr std::size_t refusal_bytes_max = 300;
/// Outcomes in one answer: six values each, and a message has at most limits::msgpack_values_max.
inline constexpr std::size_t outcomes_per_answer_max = 16'384;
/// Packets in one deliver: two frames each.
inline constexpr std::size_t packets_per_deliver_max = (limits::message_frames_max - 1) / 2;
/// Effects that are logged as one record, so that it fits into the smallest segment.
inline constexpr std::size_t effects_per_record_max = 512;
/// Seeks of a time that read the log at once; who asks beyond it is told to ask again.
inline constexpr std::size_t time_seeks_max = 16;
/// Figures in one answer to `groups`, besides those of its last group.
inline constexpr std::size_t figures_bytes_max = 512 * 1024;
/// Members, topics that nobody handles, and failed events in the figures of one group.
inline constexpr std::size_t figures_members_max = 1'000;
inline constexpr std::size_t figures_failed_max = 20;
inline constexpr std::size_t figures_topics_max = 100;
/// How much of the log a group reads at once.
inline constexpr std::size_t read_bytes_max = 512 * 1024;

template <class M>
void BrokerState::send(Session& session, const M& message, std::uint64_t batch,
                       std::vector<wire::TopicPacket> packets) {
  if (session.peer.empty()) return;  // its connection is lost; it will say hello again
  session.sent_after_batch = std::max(session.sent_after_batch, batch);
  ledger_->hold(session.peer, {wire::encode(session.id, ++session.sent, message), std::move(packets)},
                session.sent_after_batch);
}

}  // namespace spindle::proxy
