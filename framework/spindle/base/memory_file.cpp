#include "spindle/base/memory_file.hpp"

#include <algorithm>
#include <utility>

#include "spindle/base/memory_node.hpp"

namespace spindle {
namespace {

tl::unexpected<Error> full(const std::string& doing) {
  return fail(ErrorCode::disk_full, "cannot " + doing + ": No space left on device");
}

}  // namespace

MemoryFiles::OpenFile::OpenFile(MemoryFiles& files, std::shared_ptr<MemoryNode> node, std::string path, bool writable)
    : files_(files), node_(std::move(node)), path_(std::move(path)), writable_(writable), life_(files.life_) {
  ++files_.open_[node_.get()];
}

MemoryFiles::OpenFile::~OpenFile() {
  std::lock_guard lock(files_.mutex_);
  if (life_ == files_.life_ && --files_.open_[node_.get()] == 0) files_.open_.erase(node_.get());
}

Result<std::size_t> MemoryFiles::OpenFile::read(std::uint64_t position, char* into, std::size_t size) {
  std::lock_guard lock(files_.mutex_);
  if (auto error = dead()) return fail(std::move(*error));
  const auto fault = files_.faults_.of_read(++files_.reads_);
  if (fault.fails) return fail(ErrorCode::io_error, "cannot read " + path_ + ": simulated");
  const std::size_t count = node_->now.read(position, into, size);
  if (fault.flipped_bit && count > 0) {
    const std::uint64_t bit = *fault.flipped_bit % (count * 8);
    into[bit / 8] = static_cast<char>(into[bit / 8] ^ (1 << (bit % 8)));
  }
  return count;
}

Result<void> MemoryFiles::OpenFile::write(std::uint64_t position, BytesView bytes) {
  std::lock_guard lock(files_.mutex_);
  if (auto error = may_change()) return fail(std::move(*error));
  const std::uint64_t end = position + bytes.size();
  const std::uint64_t more = end > node_->held_bytes ? end - node_->held_bytes : 0;
  const std::uint64_t left = files_.left_bytes();
  const auto fitting = more > left ? bytes.size() - std::min<std::uint64_t>(bytes.size(), more - left) : bytes.size();
  auto write_first = [&](std::uint64_t count) {
    if (count > 0) node_->change(MemoryWrite{position, Bytes(bytes.substr(0, count))});
  };
  auto done = files_.operate(
      "write " + path_, [&] { write_first(fitting); },
      [&](MemoryChance& chance) { write_first(chance.below(fitting + 1)); });
  if (done && fitting < bytes.size()) return full("write " + path_);
  return done;
}

Result<void> MemoryFiles::OpenFile::allocate(std::uint64_t size) {
  std::lock_guard lock(files_.mutex_);
  if (auto error = may_change()) return fail(std::move(*error));
  if (node_->held_bytes >= size) return {};
  const std::uint64_t left = files_.left_bytes();
  const bool fits = size - node_->held_bytes <= left;
  // As ext4 does it: what was found before the disk was full stays reserved.
  auto done =
      files_.operate("reserve space for " + path_, [&] { node_->allocate(fits ? size : node_->held_bytes + left); });
  if (done && !fits) return full("reserve space for " + path_);
  return done;
}

Result<void> MemoryFiles::OpenFile::truncate(std::uint64_t size) {
  std::lock_guard lock(files_.mutex_);
  if (auto error = may_change()) return fail(std::move(*error));
  return files_.operate("truncate " + path_, [&] { node_->change(MemoryResize{size}); });
}

Result<void> MemoryFiles::OpenFile::release(std::uint64_t position) {
  std::lock_guard lock(files_.mutex_);
  if (auto error = may_change()) return fail(std::move(*error));
  return files_.operate("give back space of " + path_, [&] { node_->change(MemoryRelease{position}); });
}

Result<void> MemoryFiles::OpenFile::sync() { return sync(false); }
Result<void> MemoryFiles::OpenFile::sync_all() { return sync(true); }

Result<void> MemoryFiles::OpenFile::sync(bool with_size) {
  std::unique_lock lock(files_.mutex_);
  ++files_.held_syncs_;
  files_.syncs_changed_.notify_all();
  files_.syncs_changed_.wait(lock, [this] { return !files_.holding_syncs_; });
  --files_.held_syncs_;
  if (auto error = dead()) return fail(std::move(*error));
  return files_.operate_sync(
      "sync " + path_, [&] { node_->sync(with_size); }, [&](MemoryChance& chance) { node_->fail_sync(chance); });
}

Result<std::uint64_t> MemoryFiles::OpenFile::size() {
  std::lock_guard lock(files_.mutex_);
  if (auto error = dead()) return fail(std::move(*error));
  return node_->now.size;
}

Result<void> MemoryFiles::OpenFile::forget_cached() {
  std::lock_guard lock(files_.mutex_);
  if (auto error = dead()) return fail(std::move(*error));
  node_->forget_cached();
  return {};
}

std::optional<Error> MemoryFiles::OpenFile::may_change() const {
  if (auto error = dead()) return error;
  if (!writable_) return Error{ErrorCode::io_error, path_ + " is open for reading only"};
  return std::nullopt;
}

std::optional<Error> MemoryFiles::OpenFile::dead() const {
  if (auto error = files_.power_is_off()) return error;
  if (life_ != files_.life_) return Error{ErrorCode::io_error, path_ + " was opened before the restart"};
  return std::nullopt;
}

}  // namespace spindle
