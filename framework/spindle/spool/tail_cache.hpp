#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "spindle/spool/batch.hpp"

namespace spindle::spool {

/// The newest durable batches, up to a number of bytes. One thread; the batches are shared.
class TailCache {
 public:
  explicit TailCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  void add(std::shared_ptr<const Batch> batch);

  struct Hit {
    std::shared_ptr<const Batch> owner;
    /// Holds the event of that offset; nullptr when the cache does not.
    const AppendStep* step = nullptr;
  };
  Hit find(std::uint64_t offset) const;

 private:
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<std::shared_ptr<const Batch>> batches_;
};

}  // namespace spindle::spool
