// One of three services: requests -> orders -> payments -> shipments. It remembers nothing from one event to the
// next: that each is there once in the end is the log's doing alone. See `usage` below; runs until SIGTERM.
#include <iostream>
#include <string>
#include <string_view>

#include "spindle/spindle.hpp"

namespace {

const std::string usage =
    "chain-service orders|billing|shipping [--proxy tcp://HOST:PORT]: publishes one event for each that it consumes";

/// More than the kills of a test: an event that is at work at each of them is no dead letter yet.
constexpr std::uint64_t attempts_enough = 1'000'000;

struct Request {
  static constexpr std::string_view topic = "requests";
  static constexpr bool durable = true;
  std::uint64_t number = 0;
  MSGPACK_DEFINE_MAP(number)
};

struct Order {
  static constexpr std::string_view topic = "orders";
  static constexpr bool durable = true;
  std::uint64_t number = 0;
  std::string key() const { return std::to_string(number); }
  MSGPACK_DEFINE_MAP(number)
};

struct Payment {
  static constexpr std::string_view topic = "payments";
  static constexpr bool durable = true;
  std::uint64_t number = 0;
  std::string key() const { return std::to_string(number); }
  MSGPACK_DEFINE_MAP(number)
};

struct Shipment {
  static constexpr std::string_view topic = "shipments";
  static constexpr bool durable = true;
  std::uint64_t number = 0;
  std::string key() const { return std::to_string(number); }
  MSGPACK_DEFINE_MAP(number)
};

template <class In, class Out>
class Stage final : public spindle::Actor {
 public:
  Stage(spindle::ActorContext& context, const std::string& name) : Actor(context) {
    group(name, {.max_attempts = attempts_enough}).on(&Stage::pass_on);
  }

 private:
  void pass_on(const In& in) { publish(Out{in.number}); }
};

}  // namespace

int main(int argc, char** argv) {
  const spindle::Options options = spindle::parse_options(argc, argv, usage, spindle::OwnArguments::some);
  const std::string name = options.rest.size() == 1 ? options.rest[0] : "";
  if (name != "orders" && name != "billing" && name != "shipping") {
    std::cerr << "usage: " << usage << std::endl;
    return 2;
  }
  spindle::Service service(name, options);
  if (name == "orders") service.add<Stage<Request, Order>>(name);
  if (name == "billing") service.add<Stage<Order, Payment>>(name);
  if (name == "shipping") service.add<Stage<Payment, Shipment>>(name);
  return service.run();
}
