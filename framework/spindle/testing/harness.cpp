#include "spindle/testing/harness.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>

#include "spindle/base/concat.hpp"
#include "spindle/testing/virtual_proxy.hpp"

namespace spindle::testing {
namespace {

/// Far from 0, so that nothing mistakes it for "never".
constexpr Instant virtual_start{std::chrono::hours(24)};
constexpr WallNs virtual_wall_start = 1'700'000'000'000'000'000;
/// Turns at one moment of virtual time.
constexpr int moments_max = 100'000;

}  // namespace

class Harness::State {
 public:
  State() : proxy(runtime) { runtime.set_port(proxy); }

  void begin() {
    if (std::exchange(begun, true)) return;
    if (auto registered = runtime.finish_registration(); !registered) {
      throw std::logic_error(registered.error().message());
    }
    std::uint64_t member = 0;
    for (actor::Runtime::Group& group : runtime.groups()) group.member = ++member;
    runtime.start(now);
  }

  /// What the turns set off at once.
  void settle_down() {
    proxy.tell_outcomes(now);
    runtime.tick(now);
    proxy.tell_outcomes(now);
    if (!proxy.fault.empty()) throw std::logic_error(std::exchange(proxy.fault, {}));
  }

  std::optional<Instant> next_deadline() const {
    const auto timer = runtime.next_deadline();
    const auto retry = proxy.next_deadline();
    return timer && retry ? std::min(*timer, *retry) : timer ? timer : retry;
  }

  void go_to(Instant when) {
    now.wall_ns += (when - now.instant).count();
    now.instant = when;
  }

  VirtualEvent event(std::string_view topic, Bytes data, std::optional<std::uint32_t> key) {
    VirtualEvent event{std::string(topic), std::move(data), key, next_offset++, topic_counts[std::string(topic)]++,
                       now.wall_ns};
    return event;
  }

  Now now{virtual_start, virtual_wall_start};
  actor::Runtime runtime;
  VirtualProxy proxy;
  bool begun = false;
  std::uint64_t next_offset = 0;
  std::map<std::string, std::uint64_t> topic_counts;
};

Harness::Harness() : state_(std::make_unique<State>()) {}
Harness::~Harness() = default;

actor::Runtime& Harness::runtime() { return state_->runtime; }

void Harness::own(std::unique_ptr<Actor> actor) { state_->runtime.own(std::move(actor)); }

void Harness::not_an_event(const Error& why) { throw std::logic_error(why.message()); }

Outcome Harness::deliver_bytes(std::string_view topic, Bytes data, std::optional<std::uint32_t> key) {
  State& state = *state_;
  state.begin();
  const VirtualEvent event = state.event(topic, std::move(data), key);
  std::vector<Settled> groups;
  for (std::size_t i = 0; i < state.runtime.groups().size(); ++i) {
    const auto& subscriptions = state.runtime.groups()[i].subscriptions;
    if (std::none_of(subscriptions.begin(), subscriptions.end(),
                     [&](const auto& subscription) { return subscription.pattern.matches(topic); })) {
      continue;
    }
    const std::size_t before = state.proxy.settled.size();
    state.proxy.hand_out(i, event, 1, state.now);
    for (std::size_t at = before; at < state.proxy.settled.size(); ++at) {
      const Settled& settled = state.proxy.settled[at];
      if (settled.offset == event.offset && settled.group == state.runtime.groups()[i].name) {
        groups.push_back(settled);
      }
    }
  }
  if (groups.empty()) throw std::logic_error(concat("no group handles ", topic, ": an actor needs group(…).on(…)"));
  state.settle_down();
  return Outcome(std::move(groups));
}

void Harness::live_bytes(std::string_view topic, Bytes data, std::uint64_t missed) {
  State& state = *state_;
  state.begin();
  const auto& live = state.runtime.live();
  if (std::none_of(live.begin(), live.end(), [&](const auto& handler) { return handler.pattern.matches(topic); })) {
    throw std::logic_error(concat("no handler for live events on ", topic, ": an actor needs on_live(…)"));
  }
  const VirtualEvent event = state.event(topic, std::move(data), std::nullopt);
  const Bytes bytes = event.packet(wire::EventClass::live);
  wire::Values scratch;
  const auto packet = wire::Packet::parse(bytes, scratch);
  actor::Incoming incoming;
  incoming.topic = event.topic;
  incoming.header = &packet->header();
  incoming.data = event.data;
  incoming.missed = missed;
  state.runtime.on_live(incoming, state.now);
  state.settle_down();
}

void Harness::advance(std::chrono::nanoseconds time) {
  State& state = *state_;
  state.begin();
  state.settle_down();
  const Instant end = state.now.instant + time;
  int at_one_moment = 0;
  while (true) {
    const auto next = state.next_deadline();
    if (!next || *next > end) break;
    at_one_moment = *next > state.now.instant ? 0 : at_one_moment + 1;
    if (at_one_moment > moments_max) {
      throw std::logic_error("time does not pass: a timer sets another one without a delay, again and again");
    }
    state.go_to(std::max(*next, state.now.instant));
    state.proxy.tick(state.now);
    state.settle_down();
  }
  state.go_to(end);
  state.settle_down();
}

void Harness::refuse_next_turn(Error why) { state_->proxy.refuse_next(std::move(why)); }

std::vector<Bytes> Harness::take_published(std::string_view topic) {
  std::vector<Bytes> taken;
  std::erase_if(state_->proxy.published, [&](VirtualProxy::Published& published) {
    if (published.topic != topic) return false;
    taken.push_back(std::move(published.data));
    return true;
  });
  return taken;
}

std::size_t Harness::published_count() const { return state_->proxy.published.size(); }
const std::vector<Settled>& Harness::settled() const { return state_->proxy.settled; }
const std::vector<DeadLetter>& Harness::dead_letters() const { return state_->proxy.dead_letters; }
std::uint64_t Harness::thrown() const { return state_->runtime.thrown(); }
std::chrono::nanoseconds Harness::elapsed() const { return state_->now.instant - virtual_start; }

}  // namespace spindle::testing
