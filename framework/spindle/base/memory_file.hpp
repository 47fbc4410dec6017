#pragma once

#include <memory>
#include <optional>
#include <string>

#include "spindle/base/memory_files.hpp"

namespace spindle {

/// An open file of MemoryFiles; dead when the process or the machine that opened it is.
class MemoryFiles::OpenFile final : public File {
 public:
  /// Call with the mutex of `files` held.
  OpenFile(MemoryFiles& files, std::shared_ptr<MemoryNode> node, std::string path, bool writable);
  ~OpenFile() override;

  Result<std::size_t> read(std::uint64_t position, char* into, std::size_t size) override;
  Result<void> write(std::uint64_t position, BytesView bytes) override;
  Result<void> sync() override;
  Result<void> sync_all() override;
  Result<void> allocate(std::uint64_t size) override;
  Result<void> truncate(std::uint64_t size) override;
  Result<void> release(std::uint64_t position) override;
  Result<std::uint64_t> size() override;
  Result<void> forget_cached() override;

 private:
  Result<void> sync(bool with_size);
  std::optional<Error> may_change() const;
  std::optional<Error> dead() const;

  MemoryFiles& files_;
  std::shared_ptr<MemoryNode> node_;
  std::string path_;
  bool writable_;
  std::uint64_t life_;
};

}  // namespace spindle
