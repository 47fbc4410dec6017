#pragma once

#include <span>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/outgoing_event.hpp"
#include "spindle/wire/group_messages.hpp"

namespace spindle::actor {

/// Names a commit until its outcome is known.
using Ticket = std::uint64_t;

/// Where the effects of turns go: the worker's connection to the proxy, or a test's record of them.
class Port {
 public:
  virtual ~Port() = default;

  /// Whether another durable turn may begin.
  virtual bool has_room() = 0;
  /// One turn, one commit: all or nothing. `stale` when a delivery is no longer held.
  virtual Result<Ticket> settle(std::span<const wire::Settlement> settlements,
                                std::span<const transport::OutgoingEvent> events) = 0;
  /// `count` turns that acknowledge one delivery each, from `first` on; the ticket of the first.
  virtual Result<Ticket> acknowledge_each(std::uint64_t member, const wire::DeliveryId& first,
                                          std::uint64_t count) = 0;
  virtual Result<Ticket> publish(std::span<const transport::OutgoingEvent> events) = 0;
  virtual Result<void> publish_live(const transport::OutgoingEvent& event) = 0;
  virtual void extend(std::uint64_t member, const wire::DeliveryId& delivery) = 0;
  /// The proxy has taken this delivery back: it is held no more and will not be settled.
  virtual void forget(std::uint64_t member, const wire::DeliveryId& delivery) = 0;
};

}  // namespace spindle::actor
