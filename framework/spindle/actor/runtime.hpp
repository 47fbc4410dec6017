#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "spindle/actor/actor.hpp"
#include "spindle/actor/awaiting.hpp"
#include "spindle/actor/delivery_desk.hpp"
#include "spindle/actor/handler.hpp"
#include "spindle/actor/port.hpp"
#include "spindle/actor/retried_keys.hpp"
#include "spindle/actor/turn.hpp"
#include "spindle/actor/turn_watch.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/timers.hpp"
#include "spindle/wire/message.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::actor {

/// Runs the turns of one worker's actors, without I/O and without a clock: deliveries, live events, outcomes and time
/// come in; commits go out through the Port. The production worker and the test harness drive the same one. One
/// thread.
class Runtime {
 public:
  Runtime();
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Takes an actor over; its constructor has registered its handlers here.
  void own(std::unique_ptr<Actor> actor) { actors_.push_back(std::move(actor)); }
  /// Before anything runs; outlives the runtime.
  void set_port(Port& port) { port_ = &port; }

  // What actors register. A mistake (a topic that is none, a group opened twice, a handler added while running)
  // throws std::logic_error.
  void bind_live(Actor& actor, std::string_view pattern, Handler handler);
  void open_group(const std::string& name, const GroupOptions& options);
  void bind_group(Actor& actor, const std::string& name, std::string_view pattern, Handler handler,
                  bool takes_delivery);
  /// No more of that from here on. Fails when a group has no handler, or more patterns than a member may have.
  Result<void> finish_registration();

  struct Subscription {
    wire::Pattern pattern;
    Actor* actor;
    Handler handler;
    bool takes_delivery;
  };
  struct Group {
    std::string name;
    GroupOptions options;
    std::vector<Subscription> subscriptions;
    /// Its number at the session, once attached.
    std::uint64_t member = 0;
    /// Of the newest delivery.
    std::uint64_t generation = 0;

    std::vector<std::string> patterns() const;
    wire::Attach attach() const;
  };
  std::deque<Group>& groups() { return groups_; }
  const std::vector<Subscription>& live() const { return live_; }

  // Inputs.

  /// Timers begin to run.
  void start(Now now);
  /// Events for a member: kept until step() handles them.
  void deliver(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count, std::uint64_t attempt,
               wire::TopicPacket events);
  /// These deliveries are somebody else's now: those not handled yet are forgotten.
  void lose(std::uint64_t member, const std::vector<wire::Claim>& deliveries);
  /// One live event; runs its turns at once.
  void on_live(const Incoming& incoming, Now now);
  /// Events that a group never gets: logged, and told to the actors that handle the group.
  void tell_lost(const wire::Lost& lost);
  /// What became of commits from `first` on; told once for each, in any order.
  void on_outcome(Ticket first, const wire::Outcome& outcome, Now now);
  /// Runs timers that are due; the delay of one that was set since the last tick counts from here.
  void tick(Now now);
  std::optional<Instant> next_deadline() const;

  /// Handles one delivered event, if one waits and the port has room. False when there was nothing to do.
  bool step(Now now);
  /// Gives acknowledgements that were held together to the port: after the last step of a loop turn.
  void flush_acks();
  bool idle() const { return inbox_.empty(); }
  /// Events that were delivered and are forgotten when the service stops: they go back with the session.
  void drop_inbox() { inbox_.clear(); }

  // For actors.
  Turn& turn() { return turn_; }
  /// Whether the port takes another durable turn.
  bool has_room() { return port_->has_room(); }
  std::uint64_t set_timer(Actor& actor, Duration delay, std::optional<Duration> interval, std::function<void()> run);
  void cancel_timer(std::uint64_t id) { timer_tasks_.erase(id); }

  /// For the keeper.
  const TurnWatch& watch() const { return watch_; }
  /// Handlers and timers that threw, and turns that were refused, since the beginning.
  std::uint64_t thrown() const { return thrown_; }
  std::uint64_t refused() const { return refused_; }

 private:
  using Actors = std::vector<Actor*>;
  struct Parcel {
    std::uint64_t number = 0;  // in the order of arrival
    std::uint64_t member = 0;
    wire::DeliveryId first;
    std::uint64_t count = 0;
    std::uint64_t attempt = 1;
    wire::TopicPacket message;
    std::uint64_t next = 0;
    /// Offsets that were lost: first and one behind the last.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> lost;
    // Filled when its first event is handled:
    bool opened = false;
    std::optional<wire::Packet> packet;
    std::vector<wire::PacketEvent> events;
    std::vector<const Subscription*> subscriptions;
    Actors actors;
    bool kept = false;  // a handler takes the Delivery

    bool is_lost(std::uint64_t offset) const;
    void skip_lost();
  };
  struct TimerTask {
    Actor* actor;
    Duration delay;
    std::optional<Duration> interval;
    Instant due;
    std::function<void()> run;
  };
  struct LiveEvent {
    std::string topic;
    Bytes data;
    std::optional<std::uint32_t> key;
  };
  /// Of a commit: live events that wait for its outcome, and whom to tell of a refusal.
  struct Note {
    Actors actors;
    std::string topic;
    std::uint64_t offset = 0;
    std::vector<LiveEvent> live;
    std::uint64_t member = 0;
    std::optional<std::uint32_t> key = {};
  };
  class Desk;

  bool open(Parcel& parcel);
  void handle(Parcel& parcel, std::uint64_t index);
  bool took_back(const Parcel& parcel, std::uint64_t index);
  void reject_unreadable(const Parcel& parcel, const std::string& reason);
  wire::Settlement settlement_of(const Incoming& incoming, wire::Verdict verdict, std::string reason) const;
  /// Runs the handlers; false when one threw or could not decode, with the turn undone and the input settled so.
  bool run_handlers(std::span<const Subscription* const> subscriptions, const Incoming& incoming);
  /// Turns what the handlers asked for into one commit. `actors` are told when it is refused.
  void finish_turn(const Actors& actors, const Incoming* input, bool ack_input);
  void send_live();
  void run_task(Actor* actor, const char* what, const std::function<void()>& run, bool told_of_refusal);
  void add_ack(const Actors& actors, const Incoming& input);
  void note(Ticket ticket, const Actors& actors, const Incoming* input);
  /// The port did not take the turn.
  void on_not_sent(const Actors& actors, const Incoming* input, const Error& why);
  void tell_refused(const Actors& actors, const Refusal& refusal);
  Group* group_of(std::uint64_t member);
  void check_registering() const;

  Port* port_ = nullptr;
  std::shared_ptr<Desk> desk_;
  Turn turn_;
  bool registering_ = true;
  std::vector<Subscription> live_;
  std::deque<Group> groups_;
  std::deque<Parcel> inbox_;
  std::uint64_t last_parcel_ = 0;
  RetriedKeys retried_keys_;
  /// Acknowledgements of consecutive deliveries that nothing else came between.
  struct Acks {
    std::uint64_t member = 0;
    wire::DeliveryId first;
    std::uint64_t count = 0;
    Note note;
  } acks_;
  Awaiting<Note> notes_;
  Timers<std::uint64_t> timers_;
  std::unordered_map<std::uint64_t, TimerTask> timer_tasks_;
  std::uint64_t last_timer_ = 0;
  std::vector<std::uint64_t> new_timers_;  // since the last tick
  bool started_ = false;
  Now now_{};
  wire::Values values_;
  TurnWatch watch_;
  std::uint64_t thrown_ = 0;
  std::uint64_t refused_ = 0;
  // Last: their destructors may drop deliveries.
  std::vector<std::unique_ptr<Actor>> actors_;
};

}  // namespace spindle::actor
