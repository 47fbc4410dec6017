#pragma once

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "spindle/spindle.hpp"
#include "tools/bench/events.hpp"

namespace spindle::bench {

inline constexpr int idle_groups = 1'000;

/// A member of many groups that want nothing that is published here.
class Elsewhere final : public Actor {
 public:
  explicit Elsewhere(ActorContext& context);

 private:
  void ignore(const DurableTock&) {}
};

/// A member of many groups that want all that is published, from the beginning of the log on; of each it takes one
/// event and never settles it.
class Stuck final : public Actor {
 public:
  explicit Stuck(ActorContext& context);

 private:
  void keep(const DurableTick&, Delivery delivery) { kept_.push_back(std::move(delivery)); }

  std::vector<Delivery> kept_;
};

/// A member of the groups until its process is killed; prints "joined" when it is one.
template <class A>
int stay(const Options& options) {
  Service service("idle", options);
  service.add<A>();
  if (!service.start() || !service.wait_until_ready(std::chrono::seconds(60))) return 1;
  std::printf("joined\n");
  std::fflush(stdout);
  while (true) ::pause();
}

/// Runs a service with one actor of type A, in this process, until its groups are joined; then it leaves.
template <class A>
bool join_and_leave(const Options& options) {
  Service service("idle", options);
  service.add<A>();
  if (!service.start() || !service.wait_until_ready(std::chrono::seconds(60))) return false;
  service.stop();
  return service.wait() == 0;
}

}  // namespace spindle::bench
