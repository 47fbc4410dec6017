#include "spindle/base/memory_faults.hpp"

namespace spindle {

/// splitmix64 of seed and operation: the same seed fails the same operations, whatever happened before them.
std::optional<std::uint64_t> MemoryFaults::Some::draw(std::uint64_t operation) const {
  if (one_in == 0) return std::nullopt;
  std::uint64_t mixed = seed * 0x9e3779b97f4a7c15u + operation * 0xd1342543de82ef95u;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  mixed ^= mixed >> 31;
  if (mixed % one_in != 0) return std::nullopt;
  return mixed / one_in;
}

std::optional<MemoryFaults::Failure> MemoryFaults::of_operation(std::uint64_t operation) const {
  if (operation == fail_at_) {
    return Failure{fail_at_with_, fail_at_seed_ ? MemoryChance(*fail_at_seed_) : MemoryChance()};
  }
  if (fail_from_ != 0 && operation >= fail_from_) return Failure{fail_from_with_, {}};
  if (auto drawn = some_.draw(operation)) {
    return Failure{*drawn % 2 == 0 ? ErrorCode::io_error : ErrorCode::disk_full, MemoryChance(*drawn / 2)};
  }
  return std::nullopt;
}

MemoryFaults::ReadFault MemoryFaults::of_read(std::uint64_t read) const {
  ReadFault fault;
  fault.fails = reads_fail_ || read == failing_read_;
  if (read == flipping_read_) fault.flipped_bit = flipped_bit_;
  if (auto drawn = some_reads_.draw(read)) {
    if (*drawn % 2 == 0) {
      fault.fails = true;
    } else {
      fault.flipped_bit = *drawn / 2;
    }
  }
  return fault;
}

void MemoryFaults::fail_at(std::uint64_t operation, ErrorCode code, std::optional<std::uint64_t> seed) {
  fail_at_ = operation;
  fail_at_with_ = code;
  fail_at_seed_ = seed;
}

void MemoryFaults::fail_from(std::uint64_t operation, ErrorCode code) {
  fail_from_ = operation;
  fail_from_with_ = code;
}

void MemoryFaults::fail_some(std::uint64_t seed, std::uint64_t one_in) { some_ = {seed, one_in}; }

void MemoryFaults::flip_at_read(std::uint64_t read, std::uint64_t bit) {
  flipping_read_ = read;
  flipped_bit_ = bit;
}

void MemoryFaults::fail_some_reads(std::uint64_t seed, std::uint64_t one_in) { some_reads_ = {seed, one_in}; }

}  // namespace spindle
