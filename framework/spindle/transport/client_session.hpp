#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/transport/holdings.hpp"
#include "spindle/transport/outbox.hpp"
#include "spindle/transport/session_events.hpp"
#include "spindle/wire/message.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::transport {

struct SessionOptions {
  /// Unique for as long as it is remembered: a second process of the same source fences the first. "" for a client
  /// that only administers.
  std::string source;
  /// Commits are taken while fewer bytes than this have no outcome.
  std::size_t outbox_bytes_max = 64 * 1024 * 1024;
  /// A random number for as long as the session lives, so that the proxy knows a late hello of it; 0 for none.
  std::uint64_t process = 0;
};

/// How long nothing may be heard before the session tries another connection, until welcome has told the lease
/// (then half of it); doubled each time, up to patience_max.
inline constexpr Duration patience_default = std::chrono::seconds(5);
inline constexpr Duration patience_max = std::chrono::seconds(60);
/// Before hello is said again after a passing refusal or a goodbye.
inline constexpr Duration hello_again_after = std::chrono::seconds(1);
/// Pauses in a row before the owner is told that nothing is stored: about a second.
inline constexpr std::uint64_t pauses_untold = 50;
/// A session asks whether it still exists once in welcome's heartbeat_ms, but not more often than this.
inline constexpr std::uint64_t heartbeat_ms_min = 100;
/// Claims in one attach; more are given up (msgpack_values_max bounds a message's values).
inline constexpr std::size_t claims_sent_max = 32'768;

/// A source's side of the control protocol, as a state machine without I/O: it is told of connections, messages and
/// time, and gives messages to send and events for its owner. Over any number of sessions it keeps the commits
/// without outcome and the deliveries held by its members, says hello again, claims and sends again. One thread.
class ClientSession {
 public:
  explicit ClientSession(SessionOptions options);

  // What happens to the connection.

  /// A connection is up, the first or another one: says hello.
  void connected(Instant now);
  void disconnected(Instant now);
  /// A whole message from the proxy; the frames of packets stay shared with the events that carry them.
  void on_message(std::span<const SharedBytes> frames, Instant now);
  void on_tick(Instant now);
  std::optional<Instant> next_deadline() const;
  /// True once when the connection ought to be replaced by a new one, since nothing comes by it.
  bool take_reconnect();

  // Commits. Accepted ones are sent in this order, as soon as the window allows, until they have an outcome.
  // Errors: outbox_full (wait for outcomes), too_large, invalid_argument, too_many, closed; nothing is sent then.

  /// Whether the next commit would be taken.
  bool has_room() const { return outbox_.has_room(); }
  /// One commit: all events are stored, with consecutive offsets in this order, or none.
  Result<Ticket> publish(std::span<const OutgoingEvent> events, WallNs now);
  /// One turn, one commit: settles these deliveries and publishes these events, all or nothing. `stale` when one of
  /// the deliveries is not held (any more).
  Result<Ticket> settle(std::span<const wire::Settlement> settlements, std::span<const OutgoingEvent> events,
                        WallNs now);
  /// `count` turns that only acknowledge one delivery each; the ticket of the first. Never outbox_full.
  Result<Ticket> acknowledge_each(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count);
  /// Commits without an outcome.
  std::uint64_t unanswered() const { return outbox_.unanswered(); }

  // Groups.

  /// Joins a group; `request.member` and `request.claims` are filled in here. The member is attached again in every
  /// later session (never creating the group again), until detach() or AttachRefused.
  std::uint64_t attach(wire::Attach request);
  void set_credit(std::uint64_t member, std::uint64_t events, std::uint64_t bytes);
  /// The delivery needs longer: its ack deadline begins anew.
  void extend(std::uint64_t member, const wire::DeliveryId& delivery);
  /// The proxy has taken the delivery back (an earlier one of its key is to come again): it is held no more.
  void forget(std::uint64_t member, const wire::DeliveryId& delivery);
  /// Leaves the group; what is not settled goes back. Wait for the outcomes of its turns first.
  void detach(std::uint64_t member);

  /// Asks the proxy (PROTOCOL.md, "Administration"); answered by AdminAnswered with this number, as `unavailable`
  /// when the session ends before. Asked before a session exists it waits for one.
  std::uint64_t admin(std::string verb, std::string subject, Bytes arguments = {});

  /// Ends the session; nothing is sent after it.
  void goodbye(std::string reason);

  // What to do about it.

  /// The next message to send.
  std::optional<wire::Message> next_message();
  std::vector<SessionEvent> take_events();

  bool ready() const { return state_ == State::ready; }
  /// Nothing is stored for now, and no commit is under way: those without an outcome are not stored.
  bool halted() const { return state_ == State::ready && halts_in_a_row_ > 0 && !outbox_.in_flight(); }
  bool failed() const { return state_ == State::closed; }
  /// 0 while there is none.
  std::uint64_t session() const { return session_; }
  /// The newest one; epoch 0 before the first.
  const wire::Welcome& welcome() const { return welcome_; }

 private:
  enum class State : std::uint8_t { offline, waiting, greeting, attaching, ready, closed };
  struct Member {
    wire::Attach request;
    std::uint64_t asked_by = 0;  // number of the attach without an answer
    std::optional<Instant> again_at;
    Holdings held;
    bool may_create = false;  // as its owner asked: a log that is another one may not have the group
    bool joined = false;      // in this log
  };
  struct AdminRequest {
    std::uint64_t id = 0;
    wire::Admin admin;
  };

  template <class M>
  std::uint64_t queue(const M& message);
  void say_hello();
  void end_session(const Error& why, State next);
  void end_for_good(Error why);
  void send_attach(Member& member);
  void start_anew(const Error& why);
  Result<void> begin_in(const wire::Welcome& welcome);
  void go_on_in(const wire::Welcome& welcome, bool other_spool);
  void send_admin(const AdminRequest& request);
  void become_ready_if_attached();
  bool expects_answer() const;
  Result<void> check_open() const;
  Member* find(std::uint64_t member);
  void release_settled();

  void on_checked_message(const wire::Head& head, std::span<const SharedBytes> frames, Instant now);
  void on_welcome(const wire::Welcome& welcome);
  void on_outcomes(const std::vector<wire::Outcome>& outcomes);
  void on_halted(const wire::Halted& halted, Instant now);
  void on_attached(const wire::Attached& attached);
  void on_deliver(const wire::Deliver& deliver, std::span<const SharedBytes> frames);
  void on_detached(const wire::Detached& detached);
  void on_admin_reply(const wire::AdminReply& reply);
  void on_goodbye(const wire::Goodbye& goodbye, Instant now);
  void on_error(std::uint64_t session, const wire::ErrorMessage& message, Instant now);
  void on_session_error(const Error& error, Instant now);
  void on_hello_error(const wire::ErrorMessage& message, Instant now);
  void on_group_deleted(std::uint64_t member, const Error& error);
  void on_request_error(std::uint64_t answers, const Error& error, Instant now);

  SessionOptions options_;
  State state_ = State::offline;
  Outbox outbox_;
  wire::Welcome welcome_;
  std::uint64_t session_ = 0;
  std::uint64_t last_number_ = 0;   // of messages; never begins anew, so answers to old sessions match nothing
  std::uint64_t hello_number_ = 0;  // of the newest hello
  std::uint64_t hellos_ = 0;
  std::optional<Instant> hello_at_;
  /// Why the log does not have what it should: the next hello asks for nothing of it.
  std::optional<Error> anew_;
  std::optional<Instant> resume_at_;
  Instant renew_at_{};
  std::uint64_t halts_in_a_row_ = 0;
  std::uint64_t halted_from_ = 0;

  Instant quiet_since_{};
  Duration patience_ = patience_default;
  bool expected_answer_ = false;
  bool reconnect_ = false;

  std::map<std::uint64_t, Member> members_;
  std::uint64_t last_member_ = 0;
  std::map<std::uint64_t, std::uint64_t> detaching_;  // by message number
  std::map<std::uint64_t, std::uint64_t> asked_;      // admin requests by message number
  std::vector<AdminRequest> to_ask_;
  std::uint64_t last_request_ = 0;

  std::deque<wire::Message> out_;
  std::vector<SessionEvent> events_;
  wire::Values values_;
};

}  // namespace spindle::transport
