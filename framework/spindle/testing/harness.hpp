#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spindle/actor/actor.hpp"
#include "spindle/event/codec.hpp"
#include "spindle/event/key_hash.hpp"
#include "spindle/testing/outcome.hpp"

namespace spindle::testing {

/// Runs actors in a test, without a network and in virtual time, on the turn, retry and timer code that services run
/// on. It stands for the proxy: what it delivers comes again after the group's backoff until it is acknowledged or a
/// dead letter. One thread; works with any test framework.
///
///   TEST_CASE("an order is paid for once the bank is back") {
///     FakeBank bank;
///     spindle::testing::Harness harness;
///     harness.add<Billing>(bank);
///
///     CHECK(harness.deliver(OrderPlaced{"o-1", 1200}).acked());
///     CHECK(harness.published<PaymentTaken>().at(0).order_id == "o-1");
///
///     bank.open = false;
///     CHECK(harness.deliver(OrderPlaced{"o-2", 500}).reason() == "the bank is closed");
///     CHECK(harness.published_count() == 0);
///
///     bank.open = true;
///     harness.advance(1s);  // the group's backoff
///     CHECK(harness.settled().back().attempt == 2);
///     CHECK(harness.published<PaymentTaken>().at(0).order_id == "o-2");
///   }
///
/// What it does not do: bring what actors publish to other actors (deliver it). Misuse throws std::logic_error, and
/// so does a turn that publishes while it keeps its Delivery: after a crash its event would come again and be
/// published again.
class Harness {
 public:
  Harness();
  ~Harness();
  Harness(const Harness&) = delete;
  Harness& operator=(const Harness&) = delete;

  /// Makes an actor: `A(ActorContext&, args…)`. Before anything is delivered. It lives as long as the harness.
  template <class A, class... Args>
  A& add(Args&&... args) {
    ActorContext context(runtime());
    auto actor = std::make_unique<A>(context, std::forward<Args>(args)...);
    A& made = *actor;
    own(std::move(actor));
    return made;
  }

  // What happens.

  /// Delivers a durable event to each group that handles its topic, and runs the turns.
  template <class E>
  Outcome deliver(const E& event) {
    actor::check_durable<E>();
    return deliver_as(E::topic, event);
  }
  template <class E>
  Outcome deliver_as(std::string_view topic, const E& event) {
    actor::check_durable<E>();
    return deliver_bytes(topic, encoded(event), key_hash(event));
  }
  /// Any bytes, such as what a newer publisher may send.
  Outcome deliver_bytes(std::string_view topic, Bytes data, std::optional<std::uint32_t> key = {});

  /// Brings a live event to its on_live and on_raw handlers; `missed` is what Meta::missed() says.
  template <class E>
  void live(const E& event, std::uint64_t missed = 0) {
    check_event<E>();
    live_bytes(E::topic, encoded(event), missed);
  }
  void live_bytes(std::string_view topic, Bytes data, std::uint64_t missed = 0);

  /// Lets time pass: timers run, failed events come again, deadlines of kept deliveries pass, each at its moment.
  void advance(std::chrono::nanoseconds time);

  /// The proxy refuses the next turn that commits something. `stale`: its event was given to another member. For any
  /// other reason the event is tried again, as if the handler had failed.
  void refuse_next_turn(Error why = {ErrorCode::stale, "the delivery was given to another member"});

  // What came of it.

  /// The events on E's topic (or another one, for publish_as) that were published, in order, and forgets them.
  template <class E>
  std::vector<E> published(std::string_view topic = E::topic) {
    std::vector<E> events;
    wire::Values scratch;
    for (const Bytes& data : take_published(topic)) {
      auto event = decode<E>(data, scratch);
      if (!event) not_an_event(event.error());
      events.push_back(std::move(*event));
    }
    return events;
  }
  /// Those that published() has not taken yet, on any topic.
  std::size_t published_count() const;
  /// Every settlement so far, in order.
  const std::vector<Settled>& settled() const;
  const std::vector<DeadLetter>& dead_letters() const;
  /// How often a handler or timer threw.
  std::uint64_t thrown() const;
  /// Virtual time since the harness was made.
  std::chrono::nanoseconds elapsed() const;

 private:
  template <class E>
  static Bytes encoded(const E& event) {
    Bytes data;
    if (auto done = encode(event, data); !done) not_an_event(done.error());
    return data;
  }
  [[noreturn]] static void not_an_event(const Error& why);
  actor::Runtime& runtime();
  void own(std::unique_ptr<Actor> actor);
  std::vector<Bytes> take_published(std::string_view topic);

  class State;
  std::unique_ptr<State> state_;
};

}  // namespace spindle::testing
