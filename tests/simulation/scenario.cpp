#include "scenario.hpp"

#include "spindle/spool/limits.hpp"

namespace spindle::simulation {

using namespace std::chrono_literals;

Scenario::Scenario(std::uint64_t the_seed) : seed(the_seed) {
  Chance chance(seed * 2 + 1);
  config.seed = seed;
  config.lease = 10s;
  config.disk_reserve_bytes = 64 * 1024;
  config.retention.keep_for = chance.one_in(2) ? 2s : 40s;
  if (chance.one_in(3)) config.retention.keep_bytes = 20'000;
  if (chance.one_in(5)) config.forget_sources_after = 60s;
  config.retention.drop_oldest = chance.one_in(4);
  segment_bytes = chance.one_in(3) ? 16 * 1024 : spool::segment_bytes_min;
  tail_cache_bytes = chance.one_in(3) ? 0 : spool::tail_cache_bytes_default;

  delay_ms_max = chance.one_in(3) ? 0 : chance.between(1, 400);
  disk_steps_max = chance.one_in(3) ? 0 : chance.between(1, 60);
  deadlines_pass = chance.one_in(3);
  disk_fills = chance.one_in(4);
  disk_fails = chance.one_in(4);
  restores = chance.one_in(6);
  stops_processes = chance.one_in(2);
  forges_settles = chance.one_in(2);
  keeps_little = chance.one_in(4);
  restarts_per_thousand = chance.one_in(5) ? 0 : chance.between(1, 20);

  roles = {{"shop", true, {}},
           {"billing", false, {{"turns", {"in.>"}}, {"acks", {">"}}}},
           {"shipping", true, {{"turns", {"in.>"}}, {"letters", {"_spindle.dead.turns"}}}},
           {"audit", false, {{"acks", {">"}}, {"split", {"in.a", "in.b"}}}},
           {"mixed", true, {{"split", {"in.c", "out"}}, {"turns", {"in.a", "in.b"}}}}};
}

wire::GroupOptions Scenario::group_options(const std::string& group) const {
  wire::GroupOptions options;
  options.ack_deadline_ms = deadlines_pass ? 4'000 : 3'600'000;
  options.max_attempts = 3;
  options.backoff_min_ms = 500;
  options.backoff_max_ms = 3'000;
  if (keeps_little && group == "split") options.keep_at_most_bytes = 8'000;
  return options;
}

}  // namespace spindle::simulation
