// One service of a chain. See `usage` below; runs until SIGTERM.
#include <iostream>
#include <string>
#include <string_view>

#include "spindle/spindle.hpp"

const std::string usage =
    "chain-stage 1|2|3 [--proxy tcp://HOST:PORT]: consumes chain.N and publishes chain.N+1, one event a turn";

/// Stage N consumes Step<N>.
template <int n>
struct Step {
  static constexpr char name[] = {'c', 'h', 'a', 'i', 'n', '.', '0' + n};
  static constexpr std::string_view topic{name, sizeof name};
  static constexpr bool durable = true;
  std::uint64_t number = 0;
  std::string padding;
  MSGPACK_DEFINE_MAP(number, padding)
};

template <int n>
class Stage final : public spindle::Actor {
 public:
  explicit Stage(spindle::ActorContext& context) : Actor(context) {
    group("stage-" + std::to_string(n)).on(&Stage::pass_on);
  }

 private:
  /// The last one publishes the number alone: the chain ends there.
  void pass_on(const Step<n>& step) { publish(Step<n + 1>{step.number, n == 3 ? std::string() : step.padding}); }
};

int main(int argc, char** argv) {
  const spindle::Options options = spindle::parse_options(argc, argv, usage, spindle::OwnArguments::some);
  const std::string stage = options.rest.size() == 1 ? options.rest[0] : "";
  if (stage != "1" && stage != "2" && stage != "3") {
    std::cerr << "usage: " << usage << std::endl;
    return 2;
  }
  spindle::Service service("stage-" + stage, options);
  if (stage == "1") service.add<Stage<1>>();
  if (stage == "2") service.add<Stage<2>>();
  if (stage == "3") service.add<Stage<3>>();
  return service.run();
}
