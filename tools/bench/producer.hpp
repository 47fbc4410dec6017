#pragma once

#include <cstdint>
#include <string>

#include "spindle/spindle.hpp"

namespace spindle::bench {

/// For a service that talks to this proxy and logs errors only.
Options options_for(const std::string& endpoint);

/// Publishes DurableTicks, or KeyedTicks with 10,000 keys in turn, in a process of its own without waiting for
/// receipts in between. Events a second from the first publish to the last receipt; 0 when one was not stored.
double publish_pipelined(const std::string& endpoint, std::uint64_t events, bool keyed = false);

}  // namespace spindle::bench
