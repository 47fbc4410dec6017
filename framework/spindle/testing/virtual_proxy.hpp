#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "spindle/actor/port.hpp"
#include "spindle/actor/runtime.hpp"
#include "spindle/testing/outcome.hpp"

namespace spindle::testing {

/// What a harness delivers: the same at every attempt.
struct VirtualEvent {
  std::string topic;
  Bytes data;
  std::optional<std::uint32_t> key;
  std::uint64_t offset = 0;
  std::uint64_t topic_count = 0;
  WallNs time_ns = 0;

  Bytes packet(wire::EventClass event_class) const;
};

/// A proxy as far as one worker's turns can tell: takes commits, tells their outcomes, keeps deliveries until they
/// are settled, and says which come again and when. No clock, no I/O; one thread.
class VirtualProxy final : public actor::Port {
 public:
  explicit VirtualProxy(actor::Runtime& runtime) : runtime_(runtime) {}

  /// Hands the event to the group and runs its turn. `group` is its index at the runtime.
  void hand_out(std::size_t group, const VirtualEvent& event, std::uint64_t attempt, Now now);
  /// Tells the runtime what became of its commits.
  void tell_outcomes(Now now);
  /// Retries and deadlines that are due.
  void tick(Now now);
  std::optional<Instant> next_deadline() const;
  void refuse_next(Error why) { refuse_next_ = std::move(why); }

  struct Published {
    std::string topic;
    Bytes data;
  };
  std::vector<Published> published;
  std::vector<Settled> settled;
  std::vector<DeadLetter> dead_letters;
  /// What the actor did wrong, if it did.
  std::string fault;

  bool has_room() override { return true; }
  Result<actor::Ticket> settle(std::span<const wire::Settlement> settlements,
                               std::span<const transport::OutgoingEvent> events) override;
  Result<actor::Ticket> acknowledge_each(std::uint64_t member, const wire::DeliveryId& first,
                                         std::uint64_t count) override;
  Result<actor::Ticket> publish(std::span<const transport::OutgoingEvent> events) override;
  Result<void> publish_live(const transport::OutgoingEvent& event) override;
  void extend(std::uint64_t member, const wire::DeliveryId& delivery) override;
  void forget(std::uint64_t member, const wire::DeliveryId& delivery) override;

 private:
  struct Held {
    std::size_t group;
    VirtualEvent event;
    std::uint64_t attempt;
  };
  /// The oldest delivery that a group's member holds, which its deadline is for.
  struct Oldest {
    std::uint64_t handout = 0;
    Instant since{};
  };

  bool waits_for_its_key(const Held& held) const;
  void release(Now now);
  const GroupOptions& options(std::size_t group) const { return runtime_.groups()[group].options; }
  std::uint64_t oldest_in(std::size_t group) const;
  void watch_oldest();
  Duration ack_deadline(std::size_t group) const;
  void record(const Held& held, Verdict verdict, std::string reason);
  void fail_attempt(const Held& held, std::optional<std::uint64_t> retry_after_ms, std::string reason);
  void bury(const Held& held, const std::string& reason);
  void apply(const wire::Settlement& settlement);
  actor::Ticket commit(std::span<const wire::Settlement> settlements,
                       std::span<const transport::OutgoingEvent> events);
  void check_publications(std::span<const wire::Settlement> settlements,
                          std::span<const transport::OutgoingEvent> events);

  actor::Runtime& runtime_;
  Now now_{};
  std::map<std::uint64_t, Held> held_;  // by hand-out
  std::map<std::size_t, Oldest> oldest_;
  std::multimap<Instant, Held> retries_;
  std::map<std::uint64_t, Held> held_back_;  // by offset, until those of their keys are settled
  std::uint64_t last_handout_ = 0;
  actor::Ticket last_ticket_ = 0;
  std::vector<wire::Outcome> outcomes_;
  std::optional<Error> refuse_next_;
  /// The hand-out whose turn runs.
  std::optional<std::uint64_t> at_hand_;
};

}  // namespace spindle::testing
