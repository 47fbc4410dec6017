#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chance.hpp"
#include "proxy/broker_config.hpp"
#include "spindle/wire/group_messages.hpp"

namespace spindle::simulation {

/// What one run is like, drawn from its seed: the proxy's options, the groups, who takes part, and which misfortunes
/// happen.
struct Scenario {
  explicit Scenario(std::uint64_t seed);

  struct Membership {
    std::string group;
    std::vector<std::string> patterns;
  };
  /// A service: its processes come and go, one after the other and at times two at once.
  struct Role {
    std::string source;
    bool publishes = false;
    std::vector<Membership> memberships;
  };

  std::uint64_t seed;
  proxy::BrokerConfig config;
  std::uint64_t segment_bytes = 0;
  std::size_t tail_cache_bytes = 0;
  std::vector<Role> roles;
  wire::GroupOptions group_options(const std::string& group) const;
  /// Whether events that the group needs may be dropped.
  bool may_lose(const std::string& group) const {
    return (keeps_little && group == "split") || (disk_fills && config.retention.drop_oldest);
  }

  /// Every message takes up to this long, and some far longer.
  std::uint64_t delay_ms_max = 0;
  /// A batch waits for the disk for up to this many steps.
  std::uint64_t disk_steps_max = 0;
  bool deadlines_pass = false;
  bool disk_fills = false;
  bool disk_fails = false;
  bool restores = false;
  bool stops_processes = false;
  bool forges_settles = false;
  bool keeps_little = false;
  std::uint64_t restarts_per_thousand = 0;
};

}  // namespace spindle::simulation
