#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spindle/actor/port.hpp"
#include "spindle/actor/runtime.hpp"

namespace rig {

using namespace spindle;
using spindle::actor::Runtime;
using spindle::actor::Ticket;

struct Ping {
  static constexpr std::string_view topic = "rig.ping";
  static constexpr bool durable = true;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

struct Pong {
  static constexpr std::string_view topic = "rig.pong";
  static constexpr bool durable = true;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

struct Blink {
  static constexpr std::string_view topic = "rig.blink";
  static constexpr bool durable = false;
  int number = 0;
  MSGPACK_DEFINE_MAP(number)
};

/// Remembers what the runtime wants.
struct FakePort final : actor::Port {
  struct Event {
    std::string topic;
    Bytes data;
  };
  struct Commit {
    Ticket ticket;
    std::vector<wire::Settlement> settlements;
    std::vector<Event> events;
  };
  struct Acks {
    Ticket ticket;
    std::uint64_t offset;
    std::uint64_t count;
  };

  std::vector<Commit> commits;
  std::vector<Acks> acks;
  std::vector<std::string> live;
  std::vector<std::uint64_t> extended;
  std::vector<std::uint64_t> forgotten;
  bool room = true;
  /// Of the next settle or publish.
  std::optional<Error> refusal;
  Ticket last = 0;

  bool has_room() override { return room; }
  Result<Ticket> settle(std::span<const wire::Settlement> settlements,
                        std::span<const transport::OutgoingEvent> events) override {
    if (auto why = std::exchange(refusal, std::nullopt)) return fail(*why);
    Commit& commit = commits.emplace_back();
    commit.ticket = ++last;
    commit.settlements.assign(settlements.begin(), settlements.end());
    for (const auto& event : events) commit.events.push_back({std::string(event.topic), Bytes(event.data)});
    return last;
  }
  Result<Ticket> acknowledge_each(std::uint64_t, const wire::DeliveryId& first, std::uint64_t count) override {
    if (auto why = std::exchange(refusal, std::nullopt)) return fail(*why);
    acks.push_back({last + 1, first.offset, count});
    last += count;
    return acks.back().ticket;
  }
  Result<Ticket> publish(std::span<const transport::OutgoingEvent> events) override { return settle({}, events); }
  Result<void> publish_live(const transport::OutgoingEvent& event) override {
    live.emplace_back(event.topic);
    return {};
  }
  void extend(std::uint64_t, const wire::DeliveryId& delivery) override { extended.push_back(delivery.offset); }
  void forget(std::uint64_t, const wire::DeliveryId& delivery) override { forgotten.push_back(delivery.offset); }
};

/// A runtime with actors, and the inputs that a worker gives it.
struct Rig {
  FakePort port;
  Runtime runtime;
  Now now{Instant(std::chrono::hours(1)), 1'000};
  std::uint64_t last_handout = 0;
  /// Of the group, in what deliver_keyed() hands out.
  std::uint64_t generation = 1;

  Rig() { runtime.set_port(port); }

  template <class A, class... Args>
  A& add(Args&&... args) {
    ActorContext context(runtime);
    auto made = std::make_unique<A>(context, std::forward<Args>(args)...);
    A& actor = *made;
    runtime.own(std::move(made));
    return actor;
  }

  void start() {
    if (auto done = runtime.finish_registration(); !done) throw std::logic_error(done.error().message());
    std::uint64_t member = 0;
    for (Runtime::Group& group : runtime.groups()) group.member = ++member;
    runtime.start(now);
    runtime.tick(now);
  }

  static Bytes packet(const std::vector<Bytes>& events, wire::EventClass event_class = wire::EventClass::durable,
                      const std::vector<std::uint32_t>& keys = {}) {
    wire::PacketHeader header;
    header.source = "rig/1/0";
    header.epoch = 1;
    header.event_class = event_class;
    header.sequence = 1;
    wire::PacketBuilder builder;
    for (std::size_t i = 0; i < events.size(); ++i) {
      builder.add(events[i], {}, keys.empty() ? std::nullopt : std::optional(keys[i]));
    }
    return builder.finish(header);
  }

  template <class E>
  static Bytes bytes(const E& event) {
    Bytes data;
    if (!encode(event, data)) throw std::logic_error("encode");
    return data;
  }

  /// Hands events of one packet to a member; its hand-out.
  std::uint64_t deliver_bytes(std::string_view topic, const std::vector<Bytes>& events, std::uint64_t offset,
                              std::uint64_t attempt = 1, std::uint64_t member = 1) {
    runtime.deliver(member, {1, 1, ++last_handout, offset}, events.size(), attempt,
                    {SharedBytes::own(std::string(topic)), SharedBytes::own(packet(events))});
    return last_handout;
  }
  /// One event for each key.
  std::uint64_t deliver_keyed(std::uint64_t offset, const std::vector<std::uint32_t>& keys,
                              std::uint64_t attempt = 1) {
    std::vector<Bytes> events;
    for (std::size_t i = 0; i < keys.size(); ++i) events.push_back(bytes(Ping{static_cast<int>(offset + i)}));
    runtime.deliver(1, {1, generation, ++last_handout, offset}, events.size(), attempt,
                    {SharedBytes::own(std::string(Ping::topic)),
                     SharedBytes::own(packet(events, wire::EventClass::durable, keys))});
    return last_handout;
  }
  std::uint64_t deliver(std::uint64_t offset, int count = 1) {
    std::vector<Bytes> events;
    for (int i = 0; i < count; ++i) events.push_back(bytes(Ping{static_cast<int>(offset) + i}));
    return deliver_bytes(Ping::topic, events, offset);
  }

  /// What a loop turn does.
  void run() {
    runtime.tick(now);
    while (runtime.step(now)) {
    }
    runtime.flush_acks();
  }
  void pass(Duration time) {
    now.instant += time;
    run();
  }

  template <class E>
  void live(const E& event) {
    const Bytes data = bytes(event);
    const Bytes all = packet({data}, wire::EventClass::live);
    wire::Values values;
    const auto parsed = wire::Packet::parse(all, values);
    actor::Incoming incoming;
    incoming.topic = E::topic;
    incoming.data = data;
    incoming.header = &parsed->header();
    runtime.on_live(incoming, now);
  }

  void outcome(Ticket first, std::uint64_t count = 1) { told(first, count, {}); }
  void refused(Ticket first, std::uint64_t count = 1, ErrorCode code = ErrorCode::stale) {
    wire::Outcome outcome;
    outcome.status = wire::OutcomeStatus::refused;
    outcome.code = code;
    outcome.text = "somebody else's";
    told(first, count, outcome);
  }

 private:
  void told(Ticket first, std::uint64_t count, wire::Outcome outcome) {
    outcome.number = first;
    outcome.run = count;
    runtime.on_outcome(first, outcome, now);
  }
};

}  // namespace rig
