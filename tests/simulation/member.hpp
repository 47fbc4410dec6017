#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "event.hpp"
#include "spindle/wire/message.hpp"

namespace spindle::simulation {

/// A process's part in one group: what it holds, and what it still has to claim.
class Member {
 public:
  Member(std::uint64_t number, std::string group, std::vector<std::string> patterns)
      : number_(number), group_(std::move(group)), patterns_(std::move(patterns)) {}

  std::uint64_t number() const { return number_; }
  const std::string& group() const { return group_; }
  bool joined() const { return joined_; }

  /// `create` only for the process's first attach that is answered.
  wire::Attach attach(const wire::GroupOptions& options, std::uint64_t credit_events);
  void take(const wire::Attached& attached);
  void take(const wire::Deliver& deliver, const std::vector<wire::TopicPacket>& packets);
  void take(const wire::Lost& lost);
  wire::Detach detach();

  /// The session is over: what it holds must be claimed.
  void suspend();
  /// The log is another one: what it holds is nobody's, and the group may not be there.
  void forget();

  std::vector<Delivery> held() const;
  bool holds(const Delivery& delivery) const { return held_.contains(place(delivery)); }
  /// It is being settled: held no more, but still claimed until the outcome is told.
  void let_go(const Delivery& delivery, std::uint64_t commit);
  /// Not settled, just not worked on: later events of a key whose earlier one fails, until the outcome of that commit
  /// is told, also those that arrive by then. The proxy takes them back.
  void drop_later_of_key(const Delivery& failed, std::uint64_t commit);
  void outcome(std::uint64_t commit);
  /// Something it held once, to be settled too late.
  const std::vector<Delivery>& past() const { return past_; }

 private:
  using Place = std::pair<std::uint64_t, std::uint64_t>;  // hand-out, offset
  static Place place(const Delivery& delivery) { return {delivery.id.handout, delivery.id.offset}; }

  std::uint64_t number_;
  std::string group_;
  std::vector<std::string> patterns_;
  bool known_ = false;   // an attach was answered
  bool joined_ = false;  // in this session
  std::map<Place, Delivery> held_;
  std::multimap<std::uint64_t, Delivery> settling_;  // by commit
  /// By commit: what is to be tried again.
  std::multimap<std::uint64_t, Delivery> retried_;
  static bool is_behind(const Delivery& delivery, const Delivery& failed) {
    return delivery.key == failed.key && delivery.id.offset > failed.id.offset;
  }
  std::vector<Delivery> past_;
};

}  // namespace spindle::simulation
