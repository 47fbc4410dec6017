// A member of a group, to be killed or stopped. See `usage` below; runs until SIGTERM.
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>

#include "spindle/spindle.hpp"

namespace {

const std::string usage =
    "takeover-member GROUP NAME [GATE] [--proxy tcp://HOST:PORT]\n"
    "Consumes jobs in the group and publishes what was done on done.GROUP. While the file GATE is there its handler\n"
    "waits in the middle. Prints \"job NUMBER\" when a handler begins, \"refused CODE OFFSET\" for a refused turn.";

constexpr std::uint64_t credit_events = 200;
constexpr std::uint64_t attempts_enough = 1'000;

struct Job {
  static constexpr std::string_view topic = "jobs";
  static constexpr bool durable = true;
  std::uint64_t number = 0;
  MSGPACK_DEFINE_MAP(number)
};

struct Done {
  static constexpr std::string_view topic = "done";
  static constexpr bool durable = true;
  std::uint64_t number = 0;
  std::uint64_t attempt = 0;
  std::string by;
  MSGPACK_DEFINE_MAP(number, attempt, by)
};

class Member final : public spindle::Actor {
 public:
  struct Names {
    std::string group, member, gate;
  };

  Member(spindle::ActorContext& context, Names names) : Actor(context), names_(std::move(names)) {
    group(names_.group, {.max_attempts = attempts_enough, .credit_events = credit_events}).on(&Member::work);
  }

 private:
  void work(const Job& job, const spindle::Meta& meta) {
    std::cout << "job " << job.number << std::endl;
    while (!names_.gate.empty() && std::filesystem::exists(names_.gate)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // between two looks
    }
    publish_as("done." + names_.group, Done{job.number, meta.attempt(), names_.member});
  }

  void on_refused(const spindle::Refusal& refusal) override {
    std::cout << "refused " << spindle::name(refusal.why.code) << " " << refusal.offset << std::endl;
  }

  Names names_;
};

}  // namespace

int main(int argc, char** argv) {
  const spindle::Options options = spindle::parse_options(argc, argv, usage, spindle::OwnArguments::some);
  if (options.rest.size() < 2 || options.rest.size() > 3) {
    std::cerr << "usage: " << usage << std::endl;
    return 2;
  }
  const std::string gate = options.rest.size() == 3 ? options.rest[2] : "";
  spindle::Service service("member-" + options.rest[1], options);
  service.add<Member>(Member::Names{options.rest[0], options.rest[1], gate});
  return service.run();
}
