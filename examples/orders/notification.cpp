// Writes the customers' mail, here into a file. See `usage` below; runs until Ctrl-C.
#include <iostream>

#include "flag.hpp"
#include "ledger.hpp"
#include "orders/events.hpp"
#include "spindle/spindle.hpp"

using orders::OrderPlaced;
using orders::Shipped;

constexpr const char* usage = "orders-notification --mails FILE [--proxy tcp://HOST:PORT]";

class Notification final : public spindle::Actor {
 public:
  Notification(spindle::ActorContext& context, orders::Ledger& mails) : Actor(context), mails_(mails) {
    // One group, two kinds of events: its member gets them in the order in which they were stored, so the thanks for
    // an order go out before the word that its parcel is on its way.
    group("notification").on(&Notification::thank).on(&Notification::announce);
  }

 private:
  void thank(const OrderPlaced& order, const spindle::Meta& meta) {
    mails_.enter(meta.id(), "thanks " + order.order_id + " " + order.email + " Dear " + order.customer +
                                ", thank you for your order " + order.order_id);
  }

  void announce(const Shipped& shipped, const spindle::Meta& meta) {
    mails_.enter(meta.id(), "shipped " + shipped.order_id + " " + shipped.email + " Dear " + shipped.customer +
                                ", your parcel " + shipped.parcel + " is on its way");
  }

  orders::Ledger& mails_;
};

int main(int argc, char** argv) try {
  const spindle::Options options = spindle::parse_options(argc, argv, usage, spindle::OwnArguments::some);
  orders::Ledger mails(orders::text_flag(argc, argv, "--mails", usage));
  spindle::Service service("notification", options);
  service.add<Notification>(mails);
  return service.run();
} catch (const std::exception& error) {
  std::cerr << "orders-notification: " << error.what() << std::endl;
  return 1;
}
