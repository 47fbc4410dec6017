#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "spindle/actor/group_options.hpp"
#include "spindle/actor/handler.hpp"
#include "spindle/base/result.hpp"
#include "spindle/event/codec.hpp"
#include "spindle/event/key_hash.hpp"

namespace spindle {

class Actor;

namespace actor {
class Runtime;
}

/// What connects an actor to its worker. Passed on to Actor's constructor, and nothing else.
class ActorContext {
 public:
  explicit ActorContext(actor::Runtime& runtime) : runtime_(runtime) {}

 private:
  friend class Actor;
  actor::Runtime& runtime_;
};

/// A turn's publications that the proxy refused, with the settle that they were to be atomic with.
struct Refusal {
  Error why;
  /// Of the event whose handler made the turn; empty for a timer.
  std::string topic;
  std::uint64_t offset = 0;
};

/// Events that a group never settled and never gets: they are damaged on the proxy's disk, or no longer kept (see
/// GroupOptions::keep_at_most, and the proxy's --when-full).
struct Lost {
  struct Range {
    std::uint64_t offset = 0;
    std::uint64_t count = 0;
  };
  std::string group;
  /// May count events of topics that the group does not want.
  std::vector<Range> ranges;
  std::string reason;
};

/// Thrown by Actor::publish.
class PublishFailed : public std::runtime_error {
 public:
  explicit PublishFailed(Error why) : std::runtime_error(why.message()), why_(std::move(why)) {}
  const Error& why() const { return why_; }

 private:
  Error why_;
};

/// Returned by Actor::group(); says what the group is handled by.
class GroupBinding {
 public:
  /// A member function `void (const Event&)`, optionally followed by `const Meta&` and `Delivery`.
  /// Without a Delivery the event is acknowledged when the handler returns; when it throws, it comes again.
  template <class E, class A, class... Rest>
  GroupBinding& on(void (A::*handler)(const E&, Rest...));
  /// A lambda of the same shape.
  template <class F>
  GroupBinding& on(F handler);
  /// Any event that the pattern matches, undecoded.
  template <class A, class... Rest>
  GroupBinding& on_raw(std::string_view pattern, void (A::*handler)(const RawEvent&, Rest...));
  template <class F>
  GroupBinding& on_raw(std::string_view pattern, F handler);

 private:
  friend class Actor;
  GroupBinding(Actor& actor, std::string name) : actor_(actor), name_(std::move(name)) {}
  void bind(std::string_view pattern, actor::Handler handler, bool takes_delivery);

  Actor& actor_;
  std::string name_;
};

/// Reacts to events. Lives on one worker; its constructor registers what it handles, and its handlers and timers run
/// on the worker's thread, one at a time. Each run is a turn: what it publishes is held until it returns; then the
/// durable events and the settle of its input become one atomic commit, and the live ones go out after that. A
/// handler that throws publishes nothing, and its event comes again (live events do not).
class Actor {
 public:
  explicit Actor(ActorContext& context) : runtime_(context.runtime_) {}
  virtual ~Actor() = default;
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  /// The proxy refused a turn (its delivery had been given to someone else, say): what it published does not exist,
  /// and the actor's memory may be ahead of the log. Logged in any case. Runs as a turn.
  virtual void on_refused(const Refusal&) {}

  /// A group that the actor handles lost events, now or while no member was there: at most once for each. Logged in
  /// any case. Runs as a turn.
  virtual void on_lost(const Lost&) {}

 protected:
  // Registering: in the constructor.

  /// Every live event of the type, at most once; a durable one also arrives here, as its live copy.
  template <class E, class A, class... Rest>
  void on_live(void (A::*handler)(const E&, Rest...));
  template <class F>
  void on_live(F handler);
  template <class A, class... Rest>
  void on_raw(std::string_view pattern, void (A::*handler)(const RawEvent&, Rest...));
  template <class F>
  void on_raw(std::string_view pattern, F handler);

  /// Joins a named group: each durable event goes to one of the group's members, whatever crashes, at least once.
  GroupBinding group(std::string name, const GroupOptions& options = {});

  // Publishing: in a handler or timer. What cannot be published (too_large, invalid_argument, outbox_full) throws
  // PublishFailed, which fails the turn as a whole, as any exception does: an event is never missing from a turn
  // that went through. Who can go on without it asks with try_publish.

  template <class E>
  void publish(const E& event) {
    check_event<E>();
    publish_as(E::topic, event);
  }
  /// On a topic made at run time instead of the type's own.
  template <class E>
  void publish_as(std::string_view topic, const E& event) {
    if (auto published = try_publish_as(topic, event); !published) throw PublishFailed(published.error());
  }
  template <class E>
  Result<void> try_publish(const E& event) {
    check_event<E>();
    return try_publish_as(E::topic, event);
  }
  template <class E>
  Result<void> try_publish_as(std::string_view topic, const E& event);

  // Timers: from when the worker is ready. A timer turn's publications are atomic, but the turn is not repeated after
  // a crash. Returns a number for cancel().

  /// After a pause (a handler that blocked, a stopped process) it runs once, not once for each time that passed.
  std::uint64_t every(std::chrono::nanoseconds interval, std::function<void()> turn);
  std::uint64_t after(std::chrono::nanoseconds delay, std::function<void()> turn);
  template <class A>
  std::uint64_t every(std::chrono::nanoseconds interval, void (A::*turn)()) {
    return every(interval, [self = static_cast<A*>(this), turn] { (self->*turn)(); });
  }
  template <class A>
  std::uint64_t after(std::chrono::nanoseconds delay, void (A::*turn)()) {
    return after(delay, [self = static_cast<A*>(this), turn] { (self->*turn)(); });
  }
  void cancel(std::uint64_t timer);

 private:
  friend class GroupBinding;
  void bind_live(std::string_view pattern, actor::Handler handler);
  Bytes& publication_buffer();
  Result<void> add_publication(std::string_view topic, std::size_t start, std::optional<std::uint32_t> key,
                               bool durable);
  template <class A, class... Args>
  auto bound(void (A::*handler)(Args...)) {
    return [self = static_cast<A*>(this), handler](Args... args) { (self->*handler)(std::forward<Args>(args)...); };
  }

  actor::Runtime& runtime_;
};

// ---------------------------------------------------------------------------------------------------------------

template <class E, class A, class... Rest>
void Actor::on_live(void (A::*handler)(const E&, Rest...)) {
  check_event<E>();
  actor::check_live_parameters<Rest...>();
  bind_live(E::topic, actor::make_handler<E, Rest...>(bound(handler)));
}

template <class F>
void Actor::on_live(F handler) {
  using Traits = actor::HandlerTraits<F>;
  check_event<typename Traits::Event>();
  Traits::check_live();
  bind_live(Traits::Event::topic, Traits::handler(std::move(handler)));
}

template <class A, class... Rest>
void Actor::on_raw(std::string_view pattern, void (A::*handler)(const RawEvent&, Rest...)) {
  actor::check_live_parameters<Rest...>();
  bind_live(pattern, actor::make_handler<RawEvent, Rest...>(bound(handler)));
}

template <class F>
void Actor::on_raw(std::string_view pattern, F handler) {
  using Traits = actor::HandlerTraits<F>;
  actor::check_raw<typename Traits::Event>();
  Traits::check_live();
  bind_live(pattern, Traits::handler(std::move(handler)));
}

template <class E>
Result<void> Actor::try_publish_as(std::string_view topic, const E& event) {
  check_event<E>();
  Bytes& buffer = publication_buffer();
  const std::size_t start = buffer.size();
  if (auto encoded = encode(event, buffer); !encoded) return encoded;
  return add_publication(topic, start, key_hash(event), E::durable);
}

template <class E, class A, class... Rest>
GroupBinding& GroupBinding::on(void (A::*handler)(const E&, Rest...)) {
  actor::check_durable<E>();
  actor::check_parameters<Rest...>();
  bind(E::topic, actor::make_handler<E, Rest...>(actor_.bound(handler)), (actor::is_delivery<Rest> || ...));
  return *this;
}

template <class F>
GroupBinding& GroupBinding::on(F handler) {
  using Traits = actor::HandlerTraits<F>;
  actor::check_durable<typename Traits::Event>();
  Traits::check();
  bind(Traits::Event::topic, Traits::handler(std::move(handler)), Traits::takes_delivery);
  return *this;
}

template <class A, class... Rest>
GroupBinding& GroupBinding::on_raw(std::string_view pattern, void (A::*handler)(const RawEvent&, Rest...)) {
  actor::check_parameters<Rest...>();
  bind(pattern, actor::make_handler<RawEvent, Rest...>(actor_.bound(handler)), (actor::is_delivery<Rest> || ...));
  return *this;
}

template <class F>
GroupBinding& GroupBinding::on_raw(std::string_view pattern, F handler) {
  using Traits = actor::HandlerTraits<F>;
  actor::check_raw<typename Traits::Event>();
  Traits::check();
  bind(pattern, Traits::handler(std::move(handler)), Traits::takes_delivery);
  return *this;
}

}  // namespace spindle
