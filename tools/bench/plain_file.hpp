#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace spindle::bench {

/// A plain file in the scratch directory, preallocated, written and synced in pieces: what durability costs without
/// anything around it. Throws std::runtime_error when the disk does not do it. Goes with the object.
class PlainFile {
 public:
  /// `bytes` is what it has room for.
  explicit PlainFile(std::uint64_t bytes);
  ~PlainFile();
  PlainFile(const PlainFile&) = delete;
  PlainFile& operator=(const PlainFile&) = delete;

  /// write and fdatasync, behind what was written before.
  void append(std::size_t bytes);

 private:
  std::string path_;
  int file_ = -1;
  off_t position_ = 0;
  std::vector<char> piece_;
};

}  // namespace spindle::bench
