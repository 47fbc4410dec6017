#include "tools/bench/members.hpp"

#include <cstdio>

#include "spindle/spindle.hpp"
#include "tools/bench/events.hpp"
#include "tools/bench/producer.hpp"

namespace spindle::bench {
namespace {

using Handles = Members::Handles;

class Member final : public Actor {
 public:
  Member(ActorContext& context, Handles handles, int groups, Tally::Part& part) : Actor(context), part_(part) {
    GroupOptions options;
    // What is handed out while the disk syncs what was settled before.
    options.credit_events = 262'144;
    options.credit_bytes = 32 * 1024 * 1024;
    for (int i = 0; i < groups; ++i) {
      auto joining = group("bench-" + std::to_string(i), options);
      if (handles == Handles::ticks) joining.on(&Member::count);
      if (handles == Handles::keyed) joining.on(&Member::count_keyed);
      if (handles == Handles::turns) joining.on(&Member::turn);
    }
  }

 private:
  void count(const DurableTick&) { part_.add(); }
  void count_keyed(const KeyedTick&) { part_.add(); }
  void turn(const DurableTick&) {
    part_.add();
    (void)publish(tock_);
  }

  Tally::Part& part_;
  DurableTock tock_;
};

int run(const std::string& endpoint, Handles handles, int groups, Tally& tally, std::size_t process) {
  Service service("member", options_for(endpoint));
  service.add<Member>(handles, groups, tally.part(process));
  if (!service.start() || !service.wait_until_ready(std::chrono::seconds(60))) return 1;
  std::printf("joined\n");
  std::fflush(stdout);
  tally.wait_for_stop();
  service.stop();
  const int code = service.wait();  // returns when everything is settled
  tally.part(process).finish();
  return code;
}

}  // namespace

Members::Members(const std::string& endpoint, Handles handles, int processes, int groups) {
  for (int i = 0; i < processes; ++i) {
    children_.push_back(
        Child::fork([&, i] { return run(endpoint, handles, groups, tally_, static_cast<std::size_t>(i)); }));
  }
}

bool Members::wait_until_joined() {
  for (Child& child : children_) {
    if (child.line() != "joined") return false;
  }
  return true;
}

double Members::settle(std::uint64_t deliveries) {
  const bool all = tally_.wait_for(deliveries);
  tally_.stop();
  for (Child& child : children_) {
    if (child.wait() != 0) return 0;
  }
  return all ? tally_.per_second() : 0;
}

}  // namespace spindle::bench
