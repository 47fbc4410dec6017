#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/bench/child.hpp"
#include "tools/bench/tally.hpp"

namespace spindle::bench {

/// Processes that consume what is published until all of it is settled; each is a member of every group.
class Members {
 public:
  /// What a member does with an event.
  enum class Handles {
    ticks,  ///< counts DurableTicks
    keyed,  ///< counts KeyedTicks
    turns,  ///< counts DurableTicks and publishes a DurableTock for each
  };
  Members(const std::string& endpoint, Handles handles, int processes, int groups);

  /// Until every process has joined its groups.
  bool wait_until_joined();
  /// Events a second from the first one handled to all settled, once all processes and groups together have handled
  /// so many; 0 when they do not.
  double settle(std::uint64_t deliveries);

 private:
  Tally tally_;
  std::vector<Child> children_;
};

}  // namespace spindle::bench
