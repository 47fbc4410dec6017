#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/base/wakeup.hpp"

namespace spindle::transport {
class Context;
}

namespace spindle::actor {

class Worker;

/// A service's one thread beside its workers: renews the leases of all their sessions on a socket of its own, so that
/// a handler that blocks does not cost the membership, and names handlers that run too long while they do.
class Keeper {
 public:
  Keeper(transport::Context& context, std::string proxy, std::vector<const Worker*> workers, Duration slow_turn);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

 private:
  void run();

  transport::Context& context_;
  std::string proxy_;
  std::vector<const Worker*> workers_;
  Duration slow_turn_;
  Wakeup stop_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace spindle::actor
