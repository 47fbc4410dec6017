#pragma once

#include <cstdint>
#include <random>

namespace spindle::simulation {

/// All that is left to chance in a run, by one seed.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}

  std::uint64_t draw() { return random_(); }
  /// 0 to n - 1.
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  std::uint64_t between(std::uint64_t least, std::uint64_t most) { return least + below(most - least + 1); }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 random_;
};

}  // namespace spindle::simulation
