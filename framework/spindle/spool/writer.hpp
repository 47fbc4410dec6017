#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "spindle/base/files.hpp"
#include "spindle/spool/batch.hpp"

namespace spindle::spool {

/// Puts batches on the disk, one thread. The directory must be locked by this process (recover() does).
class Writer {
 public:
  Writer(Files& files, std::string directory) : files_(files), directory_(std::move(directory)) {}

  /// Success means that the whole batch is durable: fdatasync has returned, once a batch and a few times more where a
  /// segment ends. After the first failure nothing is written or synced any more and every call returns that error:
  /// whether the failed batch is on disk is not known, so end the process and recover.
  Result<void> write(const Batch& batch);

 private:
  Result<void> run(const Batch& batch);
  Result<void> run(const AppendStep& step);
  Result<void> run(const NewSegmentStep& step);
  Result<void> run(const RemoveStep& step);
  Result<void> seal(const NewSegmentStep& step);
  Result<void> sync();

  Files& files_;
  std::string directory_;
  std::unique_ptr<File> file_;  // stays open from write to sync, or an error of the disk would be lost
  std::uint64_t serial_ = 0;
  bool unsynced_ = false;
  std::optional<Error> failure_;
};

}  // namespace spindle::spool
