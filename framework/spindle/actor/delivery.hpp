#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "spindle/base/result.hpp"

namespace spindle {

namespace wire {
enum class Verdict : std::uint8_t;
}
namespace actor {
class DeliveryDesk;
struct Incoming;
}  // namespace actor

/// The right and the duty to settle one durable event. A handler that takes one may keep it and settle in a later
/// turn; what that turn publishes is then atomic with it. Dropped undecided it means retry. Move-only; its worker's
/// thread only. After a decision the others give invalid_argument; outside a turn they give it too, and decide
/// nothing. When the turn that decides throws, the decision is undone and the event comes again.
class Delivery {
 public:
  Delivery(std::shared_ptr<actor::DeliveryDesk> desk, const actor::Incoming& incoming);
  Delivery(Delivery&& other) noexcept;
  Delivery& operator=(Delivery&& other) noexcept;
  ~Delivery();

  /// Done. The event never comes again.
  Result<void> ack();
  /// Try again, not before `delay` has passed; counts as an attempt.
  Result<void> retry_after(std::chrono::milliseconds delay, std::string reason = "asked for");
  /// Never again: goes to the dead letters with the reason.
  Result<void> reject(std::string reason);
  /// More time: the group's ack deadline begins anew.
  void extend();

  std::uint64_t offset() const { return offset_; }
  std::uint64_t attempt() const { return attempt_; }

 private:
  struct Held;
  Result<void> decide(wire::Verdict verdict, std::optional<std::uint64_t> retry_after_ms, std::string reason);

  std::unique_ptr<Held> held_;  // null when decided or moved from
  std::uint64_t offset_ = 0;
  std::uint64_t attempt_ = 1;
};

}  // namespace spindle
