#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "spindle/base/result.hpp"

namespace spindle::actor {

/// The receipts of events that were published together: filled in by the worker, looked at by any thread.
class ReceiptBook {
 public:
  /// Events [first, first + count) are durable, at consecutive offsets if these are known. In any order; each event
  /// once.
  void stored(std::size_t first, std::size_t count, std::optional<std::uint64_t> offset);
  void refused(std::size_t first, std::size_t count, const Error& why);
  /// Everything that is not told yet never will be.
  void close(const Error& why);

  bool ready(std::size_t index) const;
  Result<std::uint64_t> wait(std::size_t index, std::chrono::nanoseconds timeout) const;

 private:
  struct Told {
    std::size_t end;
    std::optional<std::uint64_t> offset;
    std::optional<Error> error;
  };
  std::optional<Result<std::uint64_t>> find(std::size_t index) const;
  void tell(std::size_t first, Told told);

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::map<std::size_t, Told> told_;
  std::optional<Error> closed_;
};

}  // namespace spindle::actor
