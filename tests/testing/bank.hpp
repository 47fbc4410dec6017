#pragma once

#include <stdexcept>
#include <string>

#include "spindle/spindle.hpp"
#include "spindle/testing/harness.hpp"

namespace bank {

using namespace std::chrono_literals;

struct OrderPlaced {
  static constexpr std::string_view topic = "orders.placed";
  static constexpr bool durable = true;
  std::string order_id;
  std::int64_t total_cents = 0;
  std::string_view key() const { return order_id; }
  MSGPACK_DEFINE_MAP(order_id, total_cents)
};

struct PaymentTaken {
  static constexpr std::string_view topic = "payments.taken";
  static constexpr bool durable = true;
  std::string order_id;
  MSGPACK_DEFINE_MAP(order_id)
};

struct FakeBank {
  bool open = true;
  void charge(std::int64_t, const std::string&) const {
    if (!open) throw std::runtime_error("the bank is closed");
  }
};

class Billing final : public spindle::Actor {
 public:
  Billing(spindle::ActorContext& context, FakeBank& at) : Actor(context), bank_(at) {
    group("billing", {.max_attempts = 3, .backoff_min = 1s}).on(&Billing::charge);
  }

 private:
  void charge(const OrderPlaced& order, const spindle::Meta& meta) {
    bank_.charge(order.total_cents, meta.id());
    publish(PaymentTaken{order.order_id});
  }
  FakeBank& bank_;
};

}  // namespace bank
