#include "spindle/actor/keeper.hpp"

#include <algorithm>

#include "spindle/actor/log.hpp"
#include "spindle/actor/worker.hpp"
#include "spindle/base/concat.hpp"
#include "spindle/transport/keeper_socket.hpp"

namespace spindle::actor {
namespace {

/// Tells once of each turn that runs longer than the limit.
class SlowTurns {
 public:
  SlowTurns(std::size_t workers, Duration limit) : told_(workers, 0), limit_(limit) {}

  void look(std::size_t index, const TurnWatch& watch, Instant now) {
    const std::int64_t began = watch.began.load(std::memory_order_acquire);
    if (began == 0 || began == told_[index]) return;
    const Duration runs = now - Instant(Duration(began));
    if (runs < limit_) return;
    told_[index] = began;
    log::warn(concat("a handler of ", watch.what.load(std::memory_order_relaxed), " (offset ",
                     watch.offset.load(std::memory_order_relaxed), ") has been running for ",
                     runs / std::chrono::milliseconds(1),
                     " ms; everything else on its worker waits: give it a worker of its own (add_worker)"));
  }

 private:
  std::vector<std::int64_t> told_;
  Duration limit_;
};

}  // namespace

Keeper::Keeper(transport::Context& context, std::string proxy, std::vector<const Worker*> workers, Duration slow_turn)
    : context_(context),
      proxy_(std::move(proxy)),
      workers_(std::move(workers)),
      slow_turn_(slow_turn),
      thread_([this] { run(); }) {}

Keeper::~Keeper() {
  stopping_.store(true);
  stop_.signal();
  thread_.join();
}

void Keeper::run() {
  auto socket = transport::KeeperSocket::open(context_, proxy_);
  if (!socket) return log::error(concat("no leases are renewed: ", socket.error().message()));
  SlowTurns slow(workers_.size(), slow_turn_);
  Instant renew_at = monotonic_now();
  while (!stopping_.load()) {
    const Instant now = monotonic_now();
    std::vector<std::uint64_t> sessions;
    std::uint64_t lease_ms = 3'000;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      slow.look(i, workers_[i]->watch(), now);
      if (workers_[i]->session() == 0) continue;
      sessions.push_back(workers_[i]->session());
      lease_ms = std::max<std::uint64_t>(3, std::min(lease_ms, workers_[i]->lease_ms()));
    }
    if (now >= renew_at) {
      if (!sessions.empty()) (void)socket->renew(sessions);  // no connection now: the next one comes soon
      renew_at = now + std::chrono::milliseconds(lease_ms / 3);
    }
    stop_.wait(std::min<Duration>(renew_at - now, std::max<Duration>(slow_turn_ / 4, std::chrono::milliseconds(10))));
  }
}

}  // namespace spindle::actor
