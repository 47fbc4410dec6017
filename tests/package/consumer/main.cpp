#include <spindle/spindle.hpp>

struct Ping {
  static constexpr std::string_view topic = "ping";
  static constexpr bool durable = false;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

class Echo final : public spindle::Actor {
 public:
  explicit Echo(spindle::ActorContext& context) : Actor(context) { on_live(&Echo::print); }

 private:
  void print(const Ping& /*ping*/) {}
};

int main(int argc, char** argv) {
  spindle::Service service("echo", spindle::parse_options(argc, argv));
  service.add<Echo>();
  if (argc > 1) return 0;  // it links and starts; there is no proxy here to serve
  return service.run();
}
