#include "spindle/actor/keeper.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>

#include "spindle/actor/log.hpp"
#include "spindle/actor/worker.hpp"
#include "spindle/base/concat.hpp"
#include "spindle/transport/keeper_socket.hpp"

namespace spindle::actor {
namespace {

/// Between two looks at the workers, at most: a session that just began is renewed before a short lease ends.
constexpr Duration look_every = std::chrono::milliseconds(100);
constexpr std::uint64_t lease_ms_unknown = 3'000;

std::string readable(const char* type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(abi::__cxa_demangle(type, nullptr, nullptr, &status),
                                                         &std::free);
  return name ? name.get() : type;
}

/// Tells once of each turn that runs longer than the limit.
class SlowTurns {
 public:
  SlowTurns(std::size_t workers, Duration limit) : seen_(workers), limit_(limit) {}

  void look(std::size_t index, const TurnWatch& watch, Instant now) {
    Seen& seen = seen_[index];
    const std::uint64_t count = watch.count.load(std::memory_order_acquire);
    if (count != seen.count) seen = {count, now, false};
    const bool runs = count % 2 == 1;
    if (!runs || seen.told || now - seen.since < limit_) return;
    seen.told = true;
    log::warn(concat(readable(watch.actor.load(std::memory_order_relaxed)), " has been busy with ",
                     watch.what.load(std::memory_order_relaxed), " (offset ",
                     watch.offset.load(std::memory_order_relaxed), ") for more than ",
                     (now - seen.since) / std::chrono::milliseconds(1),
                     " ms; everything else on its worker waits: give it a worker of its own (add_worker)"));
  }

 private:
  struct Seen {
    std::uint64_t count = 0;
    Instant since{};
    bool told = false;
  };
  std::vector<Seen> seen_;
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
  const Duration pause = std::clamp<Duration>(slow_turn_ / 4, std::chrono::milliseconds(10), look_every);
  std::vector<std::uint64_t> renewed;
  Instant renew_at = monotonic_now();
  while (!stopping_.load()) {
    const Instant now = monotonic_now();
    std::vector<std::uint64_t> sessions;
    std::uint64_t lease_ms = lease_ms_unknown;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      slow.look(i, workers_[i]->watch(), now);
      if (workers_[i]->session() == 0) continue;
      sessions.push_back(workers_[i]->session());
      lease_ms = std::max<std::uint64_t>(3, std::min(lease_ms, workers_[i]->lease_ms()));
    }
    if (now >= renew_at || sessions != renewed) {
      // A socket without a connection takes nothing; the next try comes soon.
      const bool sent = sessions.empty() || socket->renew(sessions).value_or(false);
      renewed = sent ? sessions : std::vector<std::uint64_t>();
      renew_at = now + std::chrono::milliseconds(lease_ms / 3);
    }
    stop_.wait(std::clamp<Duration>(renew_at - now, std::chrono::milliseconds(1), pause));
  }
}

}  // namespace spindle::actor
