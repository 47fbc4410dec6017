#include "tools/bench/idle_groups.hpp"

namespace spindle::bench {
namespace {

std::string name_of(int group) { return "idle-" + std::to_string(group); }

}  // namespace

Elsewhere::Elsewhere(ActorContext& context) : Actor(context) {
  for (int i = 0; i < idle_groups; ++i) group(name_of(i)).on(&Elsewhere::ignore);
}

Stuck::Stuck(ActorContext& context) : Actor(context) {
  GroupOptions options;
  options.credit_events = 1;
  options.ack_deadline = std::chrono::hours(1);  // longer than the benchmark takes
  for (int i = 0; i < idle_groups; ++i) group(name_of(i), options).on(&Stuck::keep);
}

}  // namespace spindle::bench
