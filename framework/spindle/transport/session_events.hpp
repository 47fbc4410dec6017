#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"

namespace spindle::transport {

/// Names a commit at its client: 1, 2, 3, … in the order they were given to the session. The commit's number in the
/// source's stream is that much above what the proxy had stored when the client first said hello.
using Ticket = std::uint64_t;

/// What a ClientSession tells its owner, in the order it happened.
namespace session_event {

/// A session began, the first or another one. After it `Ready` follows when members are attached again.
struct Welcomed {
  wire::Welcome welcome;
};

/// Members are attached and commits flow.
struct Ready {};

/// The session ended (connection lost, proxy stopped, session unknown); the next one is being sought. Commits and
/// members are kept.
struct Lost {
  Error why;
};

/// What became of the `outcome.run` commits from `first` on: told once for each commit, and durable. The outcome's
/// number is the source's, not the ticket.
struct Committed {
  Ticket first = 0;
  wire::Outcome outcome;
  /// In the packets of the first commit: with it and a count of what was published before on the topic, an owner
  /// knows the ids of its events. 0 if they were never sent.
  std::uint64_t epoch = 0;
};

/// The proxy takes no commits for now; they are kept and sent again by themselves.
struct Halted {
  Error why;
};

/// Events for a member: all those of the packet, with the offsets first.offset, first.offset + 1, …
struct Delivered {
  std::uint64_t member = 0;
  wire::DeliveryId first;
  std::uint64_t count = 0;
  std::uint64_t attempt = 1;
  wire::TopicPacket events;
};

struct Attached {
  std::uint64_t member = 0;
  std::uint64_t generation = 0;
  std::uint64_t position = 0;
};

/// The member is not in the group (any more).
struct AttachRefused {
  std::uint64_t member = 0;
  Error why;
};

/// These deliveries are not this member's any more: forget them. Turns already given to the session are not among
/// them; their outcome comes as `Committed`.
struct DeliveriesLost {
  std::uint64_t member = 0;
  std::vector<wire::Claim> deliveries;
};

struct Detached {
  std::uint64_t member = 0;
};

/// Events that the member's group never gets: damaged on the proxy's disk, or no longer kept.
struct EventsLost {
  wire::Lost lost;
};

/// Answers admin(). The body is one msgpack value.
struct AdminAnswered {
  std::uint64_t request = 0;
  Result<Bytes> body;
};

/// The log does not have what was acknowledged, or does not know this source any more: it was restored from an older
/// copy, is another one, or forgot a source that was idle for long. The session goes on in it by itself; commits
/// without an outcome follow, or are refused with this error when they may be stored already.
struct StartedAnew {
  Error why;
  /// Numbers of the commits that were acknowledged and are not in the log; none when last < first.
  std::uint64_t first = 1;
  std::uint64_t last = 0;
};

/// Something went wrong that the session gets over by itself: for the log.
struct Trouble {
  Error what;
};

/// The end: this source was fenced or refused, and never says hello again. Commits without an
/// outcome have none.
struct Failed {
  Error why;
};

}  // namespace session_event

/// One line for people: which commits are lost, and why.
std::string describe(const session_event::StartedAnew& anew);

using SessionEvent =
    std::variant<session_event::Welcomed, session_event::Ready, session_event::Lost, session_event::Committed,
                 session_event::Halted, session_event::Delivered, session_event::Attached,
                 session_event::AttachRefused, session_event::DeliveriesLost, session_event::Detached,
                 session_event::EventsLost, session_event::AdminAnswered, session_event::StartedAnew,
                 session_event::Trouble, session_event::Failed>;

}  // namespace spindle::transport
