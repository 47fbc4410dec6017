#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "spindle/base/files.hpp"

namespace spindle {

class MemoryNode;

/// The twin of PosixFiles for tests: a disk in memory that remembers, per file, what was written and what was synced
/// and, per directory, which entries were synced. It can cut the power at a chosen operation and fail a chosen one.
///
/// An operation is anything that changes the disk: create, write, sync, allocate, truncate, rename, link,
/// remove, sync_directory, make_directory. Reading is not counted. Thread-safe; outlives the Files it hands out.
///
/// A power cut treats every unsynced change by itself, by the seed: kept, dropped, torn at a 512-byte sector, or
/// trashed (random bytes where it would have gone); an unsynced directory entry is there or not. A sector is taken to
/// keep what other writes put into it ("power-safe overwrite").
class MemoryFiles final : public Files {
 public:
  MemoryFiles();
  ~MemoryFiles() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Result<void> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> link(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  Result<void> sync_directory(const std::string& directory) override;
  Result<std::unique_ptr<DirectoryLock>> lock_directory(const std::string& directory) override;
  Result<std::uint64_t> free_bytes(const std::string& directory) override;

  /// How many operations were begun so far.
  std::uint64_t operations() const;

  /// Cuts the power during operation number `operation` (counted from 1 since construction): it and all later calls
  /// fail with io_error until restart().
  void cut_power_at(std::uint64_t operation, std::uint64_t seed);
  /// Cuts the power now.
  void power_cut(std::uint64_t seed);
  /// The machine is up again: files opened before it stay dead, locks are released, faults are cleared.
  void restart();
  /// Only the process died: nothing is lost, open files are dead, locks are released, faults are cleared.
  void kill_process();

  /// Operation number `operation` fails once with `code` (io_error or disk_full) and has no effect; a failed sync
  /// loses what it should have written while reads still show it, as Linux does, until forget_cached() or
  /// power_cut().
  void fail_at(std::uint64_t operation, ErrorCode code);
  /// All reads fail with io_error while set.
  void fail_reads(bool failing);
  void set_free_bytes(std::uint64_t bytes);

  /// What a read would see, and a way to damage it: synced at once.
  Result<Bytes> contents(const std::string& path) const;
  Result<void> set_contents(const std::string& path, Bytes bytes);

 private:
  class OpenFile;
  class Lock;
  using Entries = std::map<std::string, std::shared_ptr<MemoryNode>>;
  struct Directory {
    Entries now;
    Entries synced;
  };

  /// Counts an operation and says how it must fail, if it must. Call with mutex_ held.
  std::optional<Error> begin_operation();
  std::optional<Error> power_is_off() const;
  void lose_unsynced(std::uint64_t seed);
  Result<void> rename_directory(const std::string& from, const std::string& to);
  Result<Directory*> directory_of(const std::string& path);
  Result<std::shared_ptr<MemoryNode>> node_at(const std::string& path) const;

  mutable std::mutex mutex_;
  std::map<std::string, Directory> directories_;
  std::set<std::string> locked_;
  std::uint64_t operations_ = 0;
  std::uint64_t life_ = 1;  // raised by restart and kill: handles of an earlier life are dead
  std::uint64_t cut_at_ = 0;
  std::uint64_t cut_seed_ = 0;
  bool power_on_ = true;
  std::uint64_t fail_at_ = 0;
  ErrorCode fail_with_ = ErrorCode::io_error;
  bool reads_fail_ = false;
  std::uint64_t free_bytes_ = std::uint64_t{1} << 40;
};

}  // namespace spindle
