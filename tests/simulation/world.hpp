#pragma once

#include <memory>
#include <string>
#include <vector>

#include "chance.hpp"
#include "network.hpp"
#include "oracle.hpp"
#include "process.hpp"
#include "scenario.hpp"
#include "simulated_proxy.hpp"

namespace spindle::simulation {

/// A proxy, the processes that use it, and their misfortunes: one run, wholly decided by its seed. Throws Broken as
/// soon as a promise does not hold.
class World {
 public:
  explicit World(std::uint64_t seed);

  void step();
  /// No more misfortunes: everything that was begun comes to its end.
  void finish();
  Oracle& oracle() { return oracle_; }

 private:
  void run_proxy();
  void run_process();
  void pass_time(Duration by);
  void misfortune();
  void trouble_disk();
  void restart_proxy();
  std::size_t start_process(std::size_t role);
  std::unique_ptr<Process>& some_process() { return processes_[chance_.below(processes_.size())]; }

  Scenario scenario_;
  Chance chance_;
  Now now_{Instant(std::chrono::hours(1)), 1'700'000'000'000'000'000};
  Network network_;
  Oracle oracle_;
  SimulatedProxy proxy_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<std::size_t> roles_;  // of processes_
  std::uint64_t process_count_ = 0;
};

}  // namespace spindle::simulation
