#pragma once

#include <cstdint>
#include <optional>

#include "spindle/base/result.hpp"
#include "spindle/wire/group_messages.hpp"

namespace spindle::actor {

/// Where deliveries are settled: the worker's runtime. Deliveries that outlive it settle nothing (their events come
/// again).
class DeliveryDesk {
 public:
  virtual ~DeliveryDesk() = default;
  /// Within a turn; `key` is the event's.
  virtual Result<void> settle(wire::Settlement settlement, std::optional<std::uint32_t> key) = 0;
  virtual void extend(std::uint64_t member, const wire::DeliveryId& delivery) = 0;
};

}  // namespace spindle::actor
