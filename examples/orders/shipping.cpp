// Sends a parcel for each order that was paid, until Ctrl-C. It keeps nothing in memory and nothing on disk: what it
// must know comes with the event, so a crash costs it nothing, and two of them share the work.
#include "flag.hpp"
#include "orders/events.hpp"
#include "spindle/spindle.hpp"

using orders::PaymentTaken;
using orders::Shipped;

constexpr const char* usage = "orders-shipping [--proxy tcp://HOST:PORT]";

class Shipping final : public spindle::Actor {
 public:
  explicit Shipping(spindle::ActorContext& context) : Actor(context) { group("shipping").on(&Shipping::send); }

 private:
  void send(const PaymentTaken& paid) {
    // The parcel's number follows from the order's, so that an order that comes again gets the same one.
    publish(Shipped{paid.order_id, paid.customer, paid.email, "P-" + paid.order_id});
  }
};

int main(int argc, char** argv) {
  const spindle::Options options = spindle::parse_options(argc, argv, usage);
  spindle::Service service("shipping", options);
  service.add<Shipping>();
  return service.run();
}
