#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "spindle/actor/actor.hpp"
#include "spindle/actor/options.hpp"
#include "spindle/actor/publish_queue.hpp"
#include "spindle/actor/receipt.hpp"
#include "spindle/base/result.hpp"
#include "spindle/event/codec.hpp"
#include "spindle/event/key_hash.hpp"

namespace spindle {

namespace actor {
class Worker;
}

/// One worker of a service, to put actors on: a thread of its own once the service starts.
class WorkerRef {
 public:
  /// Makes an actor of type A on this worker: `A(ActorContext&, args…)`. It lives as long as the service. Before
  /// start.
  template <class A, class... Args>
  A& add(Args&&... args) {
    ActorContext context(runtime_);
    auto actor = std::make_unique<A>(context, std::forward<Args>(args)...);
    A& made = *actor;
    own(std::move(actor));
    return made;
  }

 private:
  friend class Service;
  explicit WorkerRef(actor::Runtime& runtime) : runtime_(runtime) {}
  void own(std::unique_ptr<Actor> actor);

  actor::Runtime& runtime_;
};

/// A process's part in the conversation: actors on one worker (or more), connected to its home proxy. It starts while
/// the proxy is away and goes on when it comes back; the application sees nothing of either.
class Service {
 public:
  /// `name` is the first part of the source's name (`name/instance/worker`): letters, digits, '_' and '-'.
  /// Throws std::logic_error for a name that is none.
  explicit Service(std::string name, Options options = {});
  /// Stops, if it runs.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  /// Puts an actor on the first worker.
  template <class A, class... Args>
  A& add(Args&&... args) {
    return worker().add<A>(std::forward<Args>(args)...);
  }
  /// Another worker, for actors whose handlers block. Before start.
  WorkerRef add_worker();

  /// Runs until SIGTERM or SIGINT (or stop()): finishes the turn at hand, waits until what was published and settled
  /// is durable, leaves. Returns what main should: 0, or 1 after an error that the log names (fenced, a group with
  /// other options). The calling thread only waits.
  int run();

  // The same in parts, for programs with a main of their own. No signal is touched.

  Result<void> start();
  /// Ready: the groups are joined, and an echo has proven that live events go out and come in. Errors: `timeout`,
  /// or why the service ended.
  Result<void> wait_until_ready(std::chrono::nanoseconds timeout);
  /// Asks it to end; returns at once. Any thread.
  void stop();
  /// Blocks until it has ended; what run() returns.
  int wait();

  /// Publishes from outside actors; any thread, from construction on (it is sent when the proxy is there). Errors:
  /// outbox_full (wait for an earlier receipt, then publish again), too_large, invalid_argument, closed.
  /// Events published by one thread keep their order.
  template <class E>
  Result<Receipt> publish(const E& event) {
    check_event<E>();
    return publish_as(E::topic, event);
  }
  template <class E>
  Result<Receipt> publish_as(std::string_view topic, const E& event) {
    check_event<E>();
    return queue().add(topic, key_hash(event), E::durable, [&](Bytes& out) { return encode(event, out); });
  }

  /// The source's name of the first worker: what subscribers see as Meta::source().
  const std::string& source() const;

 private:
  WorkerRef worker();
  actor::PublishQueue& queue();

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spindle
