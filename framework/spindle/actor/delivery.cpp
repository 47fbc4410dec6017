#include "spindle/actor/delivery.hpp"

#include <algorithm>
#include <utility>

#include "spindle/actor/delivery_desk.hpp"
#include "spindle/actor/incoming.hpp"

namespace spindle {

struct Delivery::Held {
  std::shared_ptr<actor::DeliveryDesk> desk;
  std::uint64_t member;
  wire::DeliveryId id;
  std::optional<std::uint32_t> key;

  Result<void> settle(wire::Verdict verdict, std::optional<std::uint64_t> retry_after_ms, std::string reason) {
    wire::Settlement settlement;
    settlement.member = member;
    settlement.first = id;
    settlement.verdict = verdict;
    settlement.retry_after_ms = retry_after_ms;
    settlement.reason = std::move(reason);
    return desk->settle(std::move(settlement), key);
  }
};

Delivery::Delivery(std::shared_ptr<actor::DeliveryDesk> desk, const actor::Incoming& incoming)
    : held_(new Held{std::move(desk), incoming.member, incoming.delivery.value(), incoming.key}),
      offset_(incoming.delivery->offset),
      attempt_(incoming.attempt) {}

Delivery::Delivery(Delivery&& other) noexcept = default;

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this != &other) {
    std::unique_ptr<Held> undecided = std::exchange(held_, std::move(other.held_));
    offset_ = other.offset_;
    attempt_ = other.attempt_;
    if (undecided) (void)undecided->settle(wire::Verdict::retry, std::nullopt, "dropped undecided");
  }
  return *this;
}

Delivery::~Delivery() {
  // Outside a turn this fails, as when the service stops: then the delivery goes back with the session's end.
  if (held_) (void)held_->settle(wire::Verdict::retry, std::nullopt, "dropped undecided");
}

Result<void> Delivery::decide(wire::Verdict verdict, std::optional<std::uint64_t> retry_after_ms,
                              std::string reason) {
  if (!held_) return fail(ErrorCode::invalid_argument, "this delivery was decided already");
  auto settled = held_->settle(verdict, retry_after_ms, std::move(reason));
  if (settled) held_.reset();  // else, outside a turn, it is kept and may be settled in one
  return settled;
}

Result<void> Delivery::ack() { return decide(wire::Verdict::ack, std::nullopt, {}); }

Result<void> Delivery::retry_after(std::chrono::milliseconds delay, std::string reason) {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, delay.count()));
  return decide(wire::Verdict::retry, ms, std::move(reason));
}

Result<void> Delivery::reject(std::string reason) {
  return decide(wire::Verdict::reject, std::nullopt, std::move(reason));
}

void Delivery::extend() {
  if (held_) held_->desk->extend(held_->member, held_->id);
}

}  // namespace spindle
