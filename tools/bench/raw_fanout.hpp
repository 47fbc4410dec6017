#pragma once

#include <vector>

#include "tools/bench/batch_sizes.hpp"

namespace spindle::bench {

/// Events a second that a ROUTER sends to `receivers` DEALERs in one other process, each of which gets all packets;
/// they are of these sizes, built once and not copied. From the first received to the last.
double raw_fanout(const std::vector<PacketSize>& packets, int receivers);

}  // namespace spindle::bench
