#include "spindle/actor/delivery.hpp"

#include "spindle/actor/delivery_desk.hpp"
#include "spindle/actor/incoming.hpp"

namespace spindle {

struct Delivery::Held {
  std::shared_ptr<actor::DeliveryDesk> desk;
  std::uint64_t member;
  wire::DeliveryId id;

  Result<void> settle(wire::Verdict verdict, std::optional<std::uint64_t> retry_after_ms, std::string reason) {
    wire::Settlement settlement;
    settlement.member = member;
    settlement.first = id;
    settlement.verdict = verdict;
    settlement.retry_after_ms = retry_after_ms;
    settlement.reason = std::move(reason);
    return desk->settle(std::move(settlement));
  }
};

namespace {

tl::unexpected<Error> decided() { return fail(ErrorCode::invalid_argument, "this delivery was decided already"); }

}  // namespace

Delivery::Delivery(std::shared_ptr<actor::DeliveryDesk> desk, const actor::Incoming& incoming)
    : held_(std::make_unique<Held>(std::move(desk), incoming.member, incoming.delivery.value())),
      attempt_(incoming.attempt) {}

Delivery::Delivery(Delivery&& other) noexcept = default;

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this != &other) {
    std::unique_ptr<Held> undecided = std::exchange(held_, std::move(other.held_));
    attempt_ = other.attempt_;
    if (undecided) (void)undecided->settle(wire::Verdict::retry, std::nullopt, "dropped undecided");
  }
  return *this;
}

Delivery::~Delivery() {
  // Outside a turn this fails, as when the service stops: then the delivery goes back with the session's end.
  if (held_) (void)held_->settle(wire::Verdict::retry, std::nullopt, "dropped undecided");
}

Result<void> Delivery::ack() {
  if (!held_) return decided();
  return std::exchange(held_, nullptr)->settle(wire::Verdict::ack, std::nullopt, {});
}

Result<void> Delivery::retry_after(std::chrono::milliseconds delay, std::string reason) {
  if (!held_) return decided();
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(0, delay.count()));
  return std::exchange(held_, nullptr)->settle(wire::Verdict::retry, ms, std::move(reason));
}

Result<void> Delivery::reject(std::string reason) {
  if (!held_) return decided();
  return std::exchange(held_, nullptr)->settle(wire::Verdict::reject, std::nullopt, std::move(reason));
}

void Delivery::extend() {
  if (held_) held_->desk->extend(held_->member, held_->id);
}

std::uint64_t Delivery::offset() const { return held_ ? held_->id.offset : 0; }

}  // namespace spindle
