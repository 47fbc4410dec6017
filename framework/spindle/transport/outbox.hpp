#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/transport/outgoing_event.hpp"
#include "spindle/transport/session_events.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/message.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::transport {

/// A settle message is closed at this size, so that several are in flight within the window; a single turn may be
/// larger, up to commit_bytes_max.
inline constexpr std::size_t settle_bytes_target = 256 * 1024;
inline constexpr std::size_t commits_per_settle_target = 256;
/// Payload of one commit: what fits in a message with its head.
inline constexpr std::size_t commit_bytes_max = limits::message_bytes_max - 512 * 1024;
inline constexpr std::size_t packets_per_message_max = (limits::message_frames_max - 1) / 2 - 1;
inline constexpr std::uint64_t settlements_per_turn_max = 16'384;

/// The commits of a source that have no outcome yet: what waits for the window, what is in flight, and what must be
/// sent again. A commit gets its number when it is sent; until the proxy says that it is not stored it keeps number
/// and bytes. Pure; one thread.
class Outbox {
 public:
  /// Takes commits while it holds less than `bytes_max`.
  Outbox(std::string source, std::size_t bytes_max);

  bool has_room() const { return bytes_ < bytes_max_; }
  Result<Ticket> publish(std::span<const OutgoingEvent> events, WallNs now);
  /// Turns given one after another share a message.
  Result<Ticket> settle(std::span<const wire::Settlement> settlements, std::span<const OutgoingEvent> events,
                        WallNs now);
  /// `count` turns, each the bare ack of one delivery; the first one's ticket.
  Ticket acknowledge_each(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count);

  /// A session begins: everything without an outcome will be sent, in order. Fails with spool_rolled_back or
  /// number_gap when the proxy's last number is not where these commits can follow.
  Result<void> begin(const wire::Welcome& welcome);
  /// The source begins anew in a log that does not have all it acknowledged, or does not know this source any more:
  /// what has no outcome follows the last number there.
  struct NewLog {
    /// Not the log that it was: nothing of this process is in it, and what was packed is packed anew.
    bool other = false;
    /// Why commits that were sent cannot be sent again: they may be stored there. They get this as their outcome.
    std::optional<Error> in_doubt;
  };
  void begin_anew(const wire::Welcome& welcome, const NewLog& log, std::vector<SessionEvent>& events);
  /// The proxy stores nothing from `number` on, and has not: all of that will be sent again. Turns that publish
  /// nothing go first: they may be what the proxy waits for to have space again.
  void halt(std::uint64_t number);
  /// The next message the window lets through.
  std::optional<wire::Message> next(std::uint64_t session, std::uint64_t message_number);

  /// An outcome from the proxy: tells `events` of the commits whose outcome was not known before.
  void on_outcome(const wire::Outcome& outcome, std::vector<SessionEvent>& events);
  /// Gives every commit this refusal as its outcome: nothing can be stored.
  void refuse_all(const Error& why, std::vector<SessionEvent>& events);
  /// Deliveries of the turns that got an outcome since the last call.
  struct SettledRange {
    std::uint64_t member = 0;
    wire::DeliveryId first;
    std::uint64_t count = 0;
  };
  std::vector<SettledRange> take_settled() { return std::exchange(settled_, {}); }

  /// The highest number of a commit with an outcome.
  std::uint64_t acknowledged() const { return acknowledged_; }
  /// Commits without an outcome, sent or not.
  std::uint64_t unanswered() const { return unanswered_; }
  bool in_flight() const { return sent_ > 0; }
  /// Whether the message of this number, in this session, carried commits that are without an outcome.
  bool carried_by(std::uint64_t message_number) const;
  std::size_t bytes() const { return bytes_; }

 private:
  /// Events of one topic on their way into a packet, whose header needs the epoch and the commit's number.
  struct Draft {
    std::string topic;
    wire::PacketBuilder events;
    WallNs time_ns = 0;
    Ticket ticket = 0;
  };
  /// Commits with consecutive tickets: a publish, or a turn of a settle.
  struct Part {
    Ticket first = 0;
    std::uint64_t run = 1;
    std::uint64_t events = 0;
  };
  /// One message: a publish, or the turns of a settle.
  struct Shipment {
    bool is_publish = false;
    bool sealed = false;       // its bytes are final
    std::uint64_t number = 0;  // of its first commit; 0 while it has none
    std::uint64_t epoch = 0;   // in its packets, once sealed
    std::uint64_t commits = 0;
    std::size_t bytes = 0;
    std::uint64_t message_number = 0;  // when it was sent last
    std::vector<Draft> drafts;
    std::vector<wire::TopicPacket> packets;
    std::vector<Part> parts;
    std::vector<wire::Turn> turns;  // of a settle: one for each part

    std::uint64_t end() const { return number + commits; }
    bool has_events() const { return !drafts.empty() || !packets.empty(); }
  };

  Result<void> check_commit(std::span<const OutgoingEvent> events) const;
  Shipment& new_shipment(bool is_publish);
  Shipment& open_settle(std::size_t bytes, std::size_t packets);
  wire::Turn& new_turn(Shipment& shipment, std::uint64_t run);
  bool extends_last_turn(const Shipment& shipment, const wire::Settlement& settlement) const;
  void add_commits(Shipment& to, std::uint64_t count, std::size_t bytes);
  void add_events(Shipment& to, std::span<const OutgoingEvent> events, WallNs now, wire::Turn* turn);
  void seal(Shipment& shipment);
  void unseal(Shipment& shipment);
  static std::size_t first_publisher(const Shipment& shipment, std::size_t packet);
  static std::size_t sealed_bytes(const Shipment& shipment);
  void set_bytes(Shipment& shipment, std::size_t bytes);
  void number(Shipment& shipment);
  Shipment take_bare_turns(Shipment& shipment);
  void keep_unanswered(Shipment& shipment);
  bool window_has_room(const Shipment& shipment) const;

  /// A part, or what of it has numbers in a range.
  struct Slice {
    const Shipment* shipment;
    std::size_t part;
    std::uint64_t number;
    std::uint64_t skip;
    std::uint64_t run;
  };
  std::vector<Slice> slices(std::uint64_t from, std::uint64_t to) const;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> unanswered_in(std::uint64_t from, std::uint64_t to) const;
  void tell(const wire::Outcome& outcome, std::uint64_t from, std::uint64_t to, std::vector<SessionEvent>& events);
  void collect_settled(const Slice& slice);
  void mark_answered(std::uint64_t from, std::uint64_t to);
  void drop_answered();

  std::string source_;
  std::size_t bytes_max_;
  std::uint64_t window_bytes_ = 0;
  std::uint64_t commits_max_ = 0;
  std::uint64_t epoch_ = 0;
  bool begun_ = false;

  std::deque<Shipment> shipments_;  // without an outcome for all of their commits; those with numbers first
  std::size_t sent_ = 0;            // how many of them, from the front, were sent in this session
  std::uint64_t bytes_in_flight_ = 0;
  std::size_t bytes_ = 0;

  Ticket last_ticket_ = 0;
  std::uint64_t unanswered_ = 0;
  // Numbers:
  std::uint64_t next_number_ = 1;                          // of what is sent next for the first time
  std::uint64_t acknowledged_ = 0;                         // the highest with an outcome
  std::uint64_t answered_ = 0;                             // all up to here have one
  std::map<std::uint64_t, std::uint64_t> answered_above_;  // and these: first to one behind the last
  bool halted_ = false;  // since the last outcome: turns with and without events do not share messages
  std::vector<SettledRange> settled_;

  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  std::unordered_map<std::string, std::uint64_t, TextHash, std::equal_to<>> topic_counts_;  // in epoch_
};

}  // namespace spindle::transport
