#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spindle/wire/message.hpp"

namespace spindle::wire {

/// How a group treats its deliveries; set when the group is made, or altered. Nothing set means: what the group has,
/// or the default for a new one.
struct GroupOptions {
  std::optional<std::uint64_t> max_attempts;
  std::optional<std::uint64_t> backoff_min_ms;
  std::optional<std::uint64_t> backoff_max_ms;
  std::optional<std::uint64_t> backoff_factor;
  std::optional<std::uint64_t> ack_deadline_ms;
  std::optional<std::uint64_t> keep_at_most_ms;
  std::optional<std::uint64_t> keep_at_most_bytes;
  std::optional<std::uint64_t> expires_ms;

  void write(Writer& to) const;
  void read(Cursor& at);
  friend bool operator==(const GroupOptions&, const GroupOptions&) = default;
};

/// Where a new group begins.
struct Start {
  enum class At : std::uint8_t { beginning, now, offset };
  At at = At::beginning;
  std::uint64_t offset = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Names the deliveries of `count` consecutive events from `offset`, as one deliver entry handed them out.
struct DeliveryId {
  /// The proxy's run, the group's generation and the hand-out's number within the run.
  std::uint64_t run = 0;
  std::uint64_t generation = 0;
  std::uint64_t handout = 0;
  std::uint64_t offset = 0;
};

/// A delivery that a member still holds from before its session ended.
struct Claim {
  DeliveryId first;
  std::uint64_t count = 1;
  std::uint64_t attempt = 1;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client: joins a group as the member of this number (chosen by the client, unique in its source).
struct Attach {
  static constexpr Kind kind = Kind::attach;
  static constexpr std::size_t field_count = 11;
  std::uint64_t member = 0;
  std::string group;
  std::vector<std::string> patterns;
  /// Whether the group may be made: only at a process's first attach.
  bool create = true;
  Start start;
  GroupOptions options;
  /// The most that may be delivered and unsettled at this member; one event is always delivered to one that holds
  /// none.
  std::uint64_t credit_events = 0;
  std::uint64_t credit_bytes = 0;
  std::vector<Claim> claims;
  /// Options that differ from those of an existing group change it; otherwise they are an error.
  bool alter = false;
  /// Options of a group that this attach makes, besides `options`; an existing group may have others.
  GroupOptions create_options;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: the member is in the group; deliveries follow. Claims that are not listed are somebody else's now.
struct Attached {
  static constexpr Kind kind = Kind::attached;
  static constexpr std::size_t field_count = 5;
  std::uint64_t answers = 0;
  std::uint64_t member = 0;
  std::uint64_t generation = 0;
  /// The group's next unread offset.
  std::uint64_t position = 0;
  std::vector<Claim> claimed;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: events for a member; entry i belongs to the message's packet i and names all its events.
struct Deliver {
  static constexpr Kind kind = Kind::deliver;
  static constexpr std::size_t field_count = 4;
  struct Entry {
    std::uint64_t handout = 0;
    std::uint64_t offset = 0;
    std::uint64_t count = 0;
    std::uint64_t attempt = 1;
  };
  std::uint64_t member = 0;
  std::uint64_t run = 0;
  std::uint64_t generation = 0;
  std::vector<Entry> entries;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client: changes the member's credit.
struct Credit {
  static constexpr Kind kind = Kind::credit;
  static constexpr std::size_t field_count = 3;
  std::uint64_t member = 0;
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

enum class Verdict : std::uint8_t { ack = 0, retry = 1, reject = 2 };

/// What a turn says of deliveries with consecutive offsets of one hand-out.
struct Settlement {
  std::uint64_t member = 0;
  DeliveryId first;
  std::uint64_t count = 1;
  Verdict verdict = Verdict::ack;
  /// For retry: not before this long from now; nothing means the group's backoff.
  std::optional<std::uint64_t> retry_after_ms;
  /// For retry and reject: why, for people.
  std::string reason;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Events [first, first + count) of packet number `packet` of the message.
struct Publication {
  std::uint64_t packet = 0;
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// One commit of a settle: what it settles and what it publishes, all or nothing.
struct Turn {
  /// More than 1: that many commits with consecutive numbers, each the bare ack of one delivery of `settlements[0]`,
  /// whose count equals `run`. The short form for handlers that only acknowledge.
  std::uint64_t run = 1;
  std::vector<Settlement> settlements;
  std::vector<Publication> publications;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client: turns with the numbers first_number, first_number + 1, … in the source's stream of commits.
struct Settle {
  static constexpr Kind kind = Kind::settle;
  static constexpr std::size_t field_count = 2;
  std::uint64_t first_number = 0;
  std::vector<Turn> turns;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client: this delivery needs longer; its ack deadline begins anew.
struct Extend {
  static constexpr Kind kind = Kind::extend;
  static constexpr std::size_t field_count = 5;  // the delivery id has four
  std::uint64_t member = 0;
  DeliveryId delivery;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Client: the member leaves its group; what it has not settled goes back, uncounted.
struct Detach {
  static constexpr Kind kind = Kind::detach;
  static constexpr std::size_t field_count = 1;
  std::uint64_t member = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: answers detach.
struct Detached {
  static constexpr Kind kind = Kind::detached;
  static constexpr std::size_t field_count = 2;
  std::uint64_t answers = 0;
  std::uint64_t member = 0;

  void write(Writer& to) const;
  void read(Cursor& at);
};

/// Proxy: events that the member's group never settled and never gets: damaged on the disk, or no longer kept. What
/// the member held of them it holds no more.
struct Lost {
  static constexpr Kind kind = Kind::lost;
  static constexpr std::size_t field_count = 3;
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t count = 0;

    void write(Writer& to) const;
    void read(Cursor& at);
  };
  std::uint64_t member = 0;
  std::vector<Range> ranges;
  std::string reason;

  void write(Writer& to) const;
  void read(Cursor& at);
};

}  // namespace spindle::wire
