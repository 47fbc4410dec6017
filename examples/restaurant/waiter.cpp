// Pins a ticket for each line on standard input, and hears the chef's bell.
#include <iostream>
#include <sstream>
#include <string>

#include "menu.hpp"
#include "spindle/spindle.hpp"

using namespace std::chrono_literals;
using restaurant::Bell;
using restaurant::OrderTicket;

const std::string usage =
    "restaurant-waiter [--proxy tcp://HOST:PORT]: pins a ticket for each line, as: 4 tomato soup (for table 4)";

class Waiter final : public spindle::Actor {
 public:
  explicit Waiter(spindle::ActorContext& context) : Actor(context) { on_live(&Waiter::fetch); }

 private:
  void fetch(const Bell& bell) { std::cout << "ding! " << bell.dish << " for table " << bell.table << std::endl; }
};

int failed(const spindle::Error& error) {
  std::cerr << "restaurant-waiter: " << error.message() << std::endl;
  return 1;
}

int main(int argc, char** argv) {
  spindle::Service service("waiter", spindle::parse_options(argc, argv, usage));
  service.add<Waiter>();
  if (auto started = service.start(); !started) return failed(started.error());
  // A ticket could be pinned at once; but the bell is live, so first make sure that it will be heard.
  if (auto ready = service.wait_until_ready(10s); !ready) return failed(ready.error());

  std::cout << "Which table, which dish? As: 4 tomato soup (Ctrl-D ends)" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    OrderTicket ticket;
    std::istringstream words(line);
    if (!(words >> ticket.table && std::getline(words >> std::ws, ticket.dish))) {
      std::cerr << "a table's number and a dish, please, as: 4 tomato soup" << std::endl;
      continue;
    }
    auto receipt = service.publish(ticket);
    if (!receipt) return failed(receipt.error());
    auto offset = receipt->wait(1min);  // returns when the ticket is safely on the proxy's disk
    if (!offset) return failed(offset.error());
    std::cout << "pinned ticket " << *offset << std::endl;
  }
  service.stop();
  return service.wait();
}
