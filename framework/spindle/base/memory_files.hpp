#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spindle/base/files.hpp"
#include "spindle/base/memory_faults.hpp"

namespace spindle {

class MemoryNode;

/// The twin of PosixFiles for tests: a disk in memory that remembers, per file, what was written and what was synced
/// and, per directory, which entries were synced. It can cut the power, fail operations and reads, fill up, turn
/// read-only, flip bits and take its time.
///
/// An operation is anything that changes the disk: create, write, sync, allocate, truncate, release, rename, link,
/// remove, sync_directory, make_directory; reads are counted by themselves. Faults are asked for by these numbers, so
/// a test can put one at every single operation of a run; with the same seed and the same run the same happens. What
/// happens below the File interface (short transfers, EINTR) is PosixFiles' to handle: see SystemCalls.
///
/// The model, and where it comes from. A power cut decides about every unsynced change by itself, as SQLite's test6.c
/// does for its list of writes: kept, dropped, torn at a 512-byte sector or trashed (random bytes where it would have
/// gone), which amounts to any order of writing them; an unsynced truncate happened or not. Unlike there, a sector
/// keeps what other writes had put into it ("power-safe overwrite"). An unsynced directory entry is there or not,
/// LevelDB's fault_injection_test drops such files too; for a rename, old and new name are decided one by one, which
/// is harsher than journaling file systems are. A failed sync forgets what it should have written while reads still
/// show it (what Linux does, "Can Applications Recover from fsync Failures?", ATC'20), until forget_cached() or a
/// power cut. Flipped bits and failed reads at seeded places follow TigerBeetle's storage.zig; misdirected writes,
/// which it has too, are not simulated. A directory that was made is durable at once, as make_directory() promises;
/// one that was renamed has either name until the directory above is synced.
///
/// Thread-safe; outlives the Files it hands out.
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

  /// How many operations, and reads, were begun so far.
  std::uint64_t operations() const;
  std::uint64_t reads() const;

  // The power.

  /// Cuts the power during operation number `operation` (counted from 1 since construction): it and all later calls
  /// fail with io_error until restart().
  void cut_power_at(std::uint64_t operation, std::uint64_t seed);
  /// Cuts the power now.
  void power_cut(std::uint64_t seed);
  /// The machine is up again: files opened before it stay dead, locks are released, faults are cleared (a full disk
  /// stays full).
  void restart();
  /// Only the process died: nothing is lost, open files are dead, locks are released, faults are cleared.
  void kill_process();

  // Operations that fail, until restart() or kill_process(). The code is io_error or disk_full.

  /// Operation number `operation` fails once. Without a seed it has no effect; with one part of it may have
  /// happened: a write wrote some of its first bytes, a sync wrote some of what it should have, a rename was made
  /// although it is said to have failed.
  void fail_at(std::uint64_t operation, ErrorCode code, std::optional<std::uint64_t> seed = std::nullopt);
  /// That operation and all after it fail and have no effect.
  void fail_from(std::uint64_t operation, ErrorCode code);
  /// One in `one_in` operations fails, with either code and in part, as chance has it; 0: none.
  void fail_some(std::uint64_t seed, std::uint64_t one_in);
  /// Whatever would change the disk fails with io_error, opening a file for writing included.
  void set_read_only(bool read_only);
  /// Without, link() says `unsupported`, as file systems do that have none.
  void support_links(bool supported);
  /// Syncs of files wait, as those of a slow disk, until this is called with false.
  void hold_syncs(bool holding);
  /// Blocks until a sync waits.
  void wait_for_held_sync();

  /// From now on this is free: allocating and writing beyond what a file holds already take from it and fail with
  /// disk_full when there is no more (a write after writing what still fits), removing gives back, when the directory
  /// is synced and nobody has the file open. Without limit at first.
  void set_free_bytes(std::uint64_t bytes);

  // Reads that fail, until restart() or kill_process(), and bits that flip.

  /// All reads fail with io_error while set.
  void fail_reads(bool failing);
  /// That read fails with io_error.
  void fail_read_at(std::uint64_t read);
  /// One bit of what that read returns is wrong, the next read is right.
  void flip_bit_at_read(std::uint64_t read, std::uint64_t bit);
  /// One in `one_in` reads fails or has a wrong bit; 0: none.
  void fail_some_reads(std::uint64_t seed, std::uint64_t one_in);
  /// Flips a bit of the file on the disk, for good.
  void flip_bit(const std::string& path, std::uint64_t bit);
  /// Flips a bit of what memory holds of the file: all reads show it until forget_cached() or a power cut.
  void flip_cached_bit(const std::string& path, std::uint64_t bit);

  /// What a read would see, and a way to damage it: synced at once, in a new file of that name.
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
  using Change = std::function<void()>;
  using PartOfChange = std::function<void(MemoryChance&)>;

  // Call with mutex_ held.

  /// Counts an operation and makes its change, or what a failure leaves of it.
  Result<void> operate(const std::string& doing, const Change& change, const PartOfChange& part);
  /// For changes that happened or did not.
  Result<void> operate(const std::string& doing, const Change& change);
  /// A sync: when the power goes during it, it has not happened.
  Result<void> operate_sync(const std::string& doing, const Change& sync, const PartOfChange& part);
  std::optional<Error> begin_operation(const std::string& doing, const PartOfChange& part);
  std::optional<Error> power_is_off() const;
  void lose_unsynced(std::uint64_t seed);
  void begin_life();
  std::uint64_t used_bytes() const;
  std::uint64_t left_bytes() const;
  Result<void> rename_directory(const std::string& from, const std::string& to);
  Result<Directory*> directory_of(const std::string& path);
  Result<std::shared_ptr<MemoryNode>> node_at(const std::string& path) const;

  mutable std::mutex mutex_;
  std::map<std::string, Directory> directories_;
  std::vector<std::pair<std::string, std::string>> renamed_;  // directories, not durably: from, to
  std::set<std::string> locked_;
  std::map<const MemoryNode*, std::size_t> open_;  // how often, in this life
  std::uint64_t operations_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t life_ = 1;  // raised by restart and kill: handles of an earlier life are dead
  std::uint64_t cut_at_ = 0;
  std::uint64_t cut_seed_ = 0;
  bool power_on_ = true;
  bool read_only_ = false;
  bool links_supported_ = true;
  std::optional<std::uint64_t> capacity_bytes_;
  MemoryFaults faults_;

  bool holding_syncs_ = false;
  std::size_t held_syncs_ = 0;
  std::condition_variable syncs_changed_;
};

}  // namespace spindle
