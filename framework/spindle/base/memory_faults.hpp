#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <set>

#include "spindle/base/error.hpp"

namespace spindle {

/// What becomes of an operation that fails: with a seed, part of it may have happened all the same; without, nothing.
class MemoryChance {
 public:
  MemoryChance() = default;
  explicit MemoryChance(std::uint64_t seed) : random_(std::mt19937_64(seed)) {}

  bool happens() { return below(2) == 1; }
  /// 0 to count - 1; 0 without a seed.
  std::uint64_t below(std::uint64_t count) { return random_ ? (*random_)() % count : 0; }

 private:
  std::optional<std::mt19937_64> random_;
};

/// Which operations and reads of MemoryFiles fail, and how. Only decides; MemoryFiles locks, counts and acts.
class MemoryFaults {
 public:
  struct Failure {
    ErrorCode code = ErrorCode::io_error;
    MemoryChance chance;
  };
  struct ReadFault {
    bool fails = false;
    /// This bit of what the read returns, counted from its begin and around its end.
    std::optional<std::uint64_t> flipped_bit;
  };

  std::optional<Failure> of_operation(std::uint64_t operation) const;
  ReadFault of_read(std::uint64_t read) const;

  // MemoryFiles says what these mean.
  void fail_at(std::uint64_t operation, ErrorCode code, std::optional<std::uint64_t> seed);
  void fail_from(std::uint64_t operation, ErrorCode code);
  void fail_some(std::uint64_t seed, std::uint64_t one_in);
  void fail_reads(bool failing) { reads_fail_ = failing; }
  void fail_read_at(std::uint64_t read) { failing_read_ = read; }
  void flip_at_read(std::uint64_t read, std::uint64_t bit);
  void fail_some_reads(std::uint64_t seed, std::uint64_t one_in);

 private:
  struct Some {
    std::uint64_t seed = 0;
    std::uint64_t one_in = 0;  // 0: none

    /// A number for an operation that is to fail, nothing for the others.
    std::optional<std::uint64_t> draw(std::uint64_t operation) const;
  };

  std::uint64_t fail_at_ = 0;
  ErrorCode fail_at_with_ = ErrorCode::io_error;
  std::optional<std::uint64_t> fail_at_seed_;
  std::uint64_t fail_from_ = 0;
  ErrorCode fail_from_with_ = ErrorCode::io_error;
  Some some_;

  bool reads_fail_ = false;
  std::uint64_t failing_read_ = 0;
  std::uint64_t flipping_read_ = 0;
  std::uint64_t flipped_bit_ = 0;
  Some some_reads_;
};

}  // namespace spindle
