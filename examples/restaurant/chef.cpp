// Cooks what the waiters pin. Start a second chef and they share the work; kill one in the middle of a dish and the
// ticket goes to the other.
#include <iostream>

#include "menu.hpp"
#include "spindle/spindle.hpp"

using restaurant::Bell;
using restaurant::OrderTicket;

const std::string usage = "restaurant-chef [--proxy tcp://HOST:PORT]: cooks tickets until Ctrl-C";

class Chef final : public spindle::Actor {
 public:
  explicit Chef(spindle::ActorContext& context) : Actor(context) {
    group("kitchen").on(&Chef::cook);  // the group remembers which tickets are done, also while no chef is there
  }

 private:
  void cook(const OrderTicket& ticket) {
    std::cout << "cooking " << ticket.dish << " for table " << ticket.table << std::endl;
    publish(Bell{ticket.table, ticket.dish});  // rings once the ticket is settled
  }
};

int main(int argc, char** argv) {
  spindle::Service service("chef", spindle::parse_options(argc, argv, usage));
  service.add<Chef>();
  return service.run();
}
