// Takes the money for each order once. See `usage` below; runs until Ctrl-C.
#include <iostream>

#include "flag.hpp"
#include "ledger.hpp"
#include "orders/events.hpp"
#include "spindle/spindle.hpp"

using namespace std::chrono_literals;
using orders::OrderPlaced;
using orders::PaymentTaken;

constexpr const char* usage = "orders-billing --ledger FILE [--proxy tcp://HOST:PORT]";

class Billing final : public spindle::Actor {
 public:
  Billing(spindle::ActorContext& context, orders::Ledger& ledger) : Actor(context), ledger_(ledger) {
    group("billing", {.max_attempts = 8, .backoff_min = 1s}).on(&Billing::charge);
  }

 private:
  // Throwing from here (the ledger's disk is full) means: publish nothing, try this order again in a second, and
  // after eight attempts put it with the dead letters.
  void charge(const OrderPlaced& order, const spindle::Meta& meta) {
    // Money is outside the log. If this process dies after the charge and before its turn is stored, the same order
    // comes again, with the same id: the ledger sees that and does not charge twice.
    if (!ledger_.enter(meta.id(), order.order_id + " " + std::to_string(order.total_cents))) {
      std::cout << order.order_id << " was charged before: attempt " << meta.attempt() << std::endl;
    }
    // Inside the log there is no such doubt: this event and the word that the order is dealt with are stored together
    // or not at all.
    publish(PaymentTaken{order.order_id, order.customer, order.email, order.address, order.total_cents});
  }

  orders::Ledger& ledger_;
};

int main(int argc, char** argv) try {
  const spindle::Options options = spindle::parse_options(argc, argv, usage, spindle::OwnArguments::some);
  orders::Ledger ledger(orders::text_flag(argc, argv, "--ledger", usage));
  spindle::Service service("billing", options);
  service.add<Billing>(ledger);
  return service.run();
} catch (const std::exception& error) {
  std::cerr << "orders-billing: " << error.what() << std::endl;
  return 1;
}
