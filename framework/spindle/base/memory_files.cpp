#include "spindle/base/memory_files.hpp"

#include <random>
#include <utility>

#include "spindle/base/memory_node.hpp"

namespace spindle {
namespace {

std::pair<std::string, std::string> split(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return {".", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

tl::unexpected<Error> missing(const std::string& path) {
  return fail(ErrorCode::not_found, path + " does not exist");
}

}  // namespace

class MemoryFiles::OpenFile final : public File {
 public:
  OpenFile(MemoryFiles& files, std::shared_ptr<MemoryNode> node, std::string path, bool writable)
      : files_(files), node_(std::move(node)), path_(std::move(path)), writable_(writable), life_(files.life_) {}

  Result<std::size_t> read(std::uint64_t position, char* into, std::size_t size) override {
    std::lock_guard lock(files_.mutex_);
    if (auto error = dead()) return fail(std::move(*error));
    if (files_.reads_fail_) return fail(ErrorCode::io_error, "cannot read " + path_ + ": simulated");
    return node_->now.read(position, into, size);
  }

  Result<void> write(std::uint64_t position, BytesView bytes) override {
    return change(MemoryWrite{position, Bytes(bytes)});
  }

  Result<void> allocate(std::uint64_t size) override {
    if (auto now = this->size(); now && *now >= size) return {};
    return change(MemoryResize{size});
  }

  Result<void> truncate(std::uint64_t size) override { return change(MemoryResize{size}); }

  Result<void> sync() override {
    std::lock_guard lock(files_.mutex_);
    if (auto error = dead()) return fail(std::move(*error));
    if (auto error = files_.begin_operation()) {
      node_->unsynced.clear();  // clean in memory, never written: the trap of a failed fsync
      return fail(std::move(*error));
    }
    node_->sync();
    return {};
  }

  Result<std::uint64_t> size() override {
    std::lock_guard lock(files_.mutex_);
    if (auto error = dead()) return fail(std::move(*error));
    return node_->now.size;
  }

  Result<void> forget_cached() override {
    std::lock_guard lock(files_.mutex_);
    if (auto error = dead()) return fail(std::move(*error));
    node_->forget_cached();
    return {};
  }

 private:
  Result<void> change(MemoryChange change) {
    std::lock_guard lock(files_.mutex_);
    if (auto error = dead()) return fail(std::move(*error));
    if (!writable_) return fail(ErrorCode::io_error, path_ + " is open for reading only");
    // When the power goes during a write, part of it may have happened.
    const bool cut_here = files_.operations_ + 1 == files_.cut_at_;
    if (cut_here) node_->change(change);
    if (auto error = files_.begin_operation()) return fail(std::move(*error));
    node_->change(std::move(change));
    return {};
  }

  std::optional<Error> dead() const {
    if (auto error = files_.power_is_off()) return error;
    if (life_ != files_.life_) return Error{ErrorCode::io_error, path_ + " was opened before the restart"};
    return std::nullopt;
  }

  MemoryFiles& files_;
  std::shared_ptr<MemoryNode> node_;
  std::string path_;
  bool writable_;
  std::uint64_t life_;
};

class MemoryFiles::Lock final : public DirectoryLock {
 public:
  Lock(MemoryFiles& files, std::string directory)
      : files_(files), directory_(std::move(directory)), life_(files.life_) {}

  ~Lock() override {
    std::lock_guard lock(files_.mutex_);
    if (life_ == files_.life_) files_.locked_.erase(directory_);
  }

 private:
  MemoryFiles& files_;
  std::string directory_;
  std::uint64_t life_;
};

MemoryFiles::MemoryFiles() { directories_["."]; }
MemoryFiles::~MemoryFiles() = default;

Result<std::unique_ptr<File>> MemoryFiles::open(const std::string& path, OpenMode mode) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  if (mode != OpenMode::create_new) {
    auto node = node_at(path);
    if (!node) return fail(std::move(node.error()));
    return std::make_unique<OpenFile>(*this, *node, path, mode == OpenMode::write);
  }
  auto directory = directory_of(path);
  if (!directory) return fail(std::move(directory.error()));
  if ((*directory)->now.contains(split(path).second)) return fail(ErrorCode::io_error, path + " exists already");
  auto node = std::make_shared<MemoryNode>();
  if (operations_ + 1 == cut_at_) (*directory)->now[split(path).second] = node;
  if (auto error = begin_operation()) return fail(std::move(*error));
  (*directory)->now[split(path).second] = node;
  return std::make_unique<OpenFile>(*this, node, path, true);
}

Result<void> MemoryFiles::make_directory(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  if (directories_.contains(path)) return {};
  if (auto error = begin_operation()) return fail(std::move(*error));
  directories_[path];
  return {};
}

Result<std::vector<std::string>> MemoryFiles::list(const std::string& directory) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  auto found = directories_.find(directory);
  if (found == directories_.end()) return missing(directory);
  std::vector<std::string> names;
  for (const auto& [name, node] : found->second.now) names.push_back(name);
  return names;
}

Result<void> MemoryFiles::rename(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  if (directories_.contains(from)) return rename_directory(from, to);
  auto node = node_at(from);
  auto directory = directory_of(from);
  if (!node) return fail(std::move(node.error()));
  if (split(from).first != split(to).first) return fail(ErrorCode::io_error, "only within one directory");
  auto renamed = [&] {
    (*directory)->now.erase(split(from).second);
    (*directory)->now[split(to).second] = *node;
  };
  if (operations_ + 1 == cut_at_) renamed();
  if (auto error = begin_operation()) return fail(std::move(*error));
  renamed();
  return {};
}

/// As make_directory it is durable at once.
Result<void> MemoryFiles::rename_directory(const std::string& from, const std::string& to) {
  if (directories_.contains(to)) return fail(ErrorCode::io_error, to + " exists already");
  if (auto error = begin_operation()) return fail(std::move(*error));
  auto moved = directories_.extract(from);
  moved.key() = to;
  directories_.insert(std::move(moved));
  return {};
}

Result<void> MemoryFiles::link(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  auto node = node_at(from);
  if (!node) return fail(std::move(node.error()));
  auto directory = directory_of(to);
  if (!directory) return fail(std::move(directory.error()));
  Entries& entries = (*directory)->now;
  if (entries.contains(split(to).second)) return fail(ErrorCode::io_error, to + " exists already");
  if (operations_ + 1 == cut_at_) entries[split(to).second] = *node;
  if (auto error = begin_operation()) return fail(std::move(*error));
  entries[split(to).second] = *node;
  return {};
}

Result<void> MemoryFiles::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  auto node = node_at(path);
  if (!node) return fail(std::move(node.error()));
  auto directory = directory_of(path);
  if (operations_ + 1 == cut_at_) (*directory)->now.erase(split(path).second);
  if (auto error = begin_operation()) return fail(std::move(*error));
  (*directory)->now.erase(split(path).second);
  return {};
}

Result<void> MemoryFiles::sync_directory(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  auto found = directories_.find(path);
  if (found == directories_.end()) return missing(path);
  if (auto error = begin_operation()) return fail(std::move(*error));
  found->second.synced = found->second.now;
  return {};
}

Result<std::unique_ptr<DirectoryLock>> MemoryFiles::lock_directory(const std::string& directory) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  if (!directories_.contains(directory)) return missing(directory);
  if (!locked_.insert(directory).second) return fail(ErrorCode::locked, directory + " is in use");
  return std::make_unique<Lock>(*this, directory);
}

Result<std::uint64_t> MemoryFiles::free_bytes(const std::string&) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  return free_bytes_;
}

std::uint64_t MemoryFiles::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

void MemoryFiles::cut_power_at(std::uint64_t operation, std::uint64_t seed) {
  std::lock_guard lock(mutex_);
  cut_at_ = operation;
  cut_seed_ = seed;
}

void MemoryFiles::power_cut(std::uint64_t seed) {
  std::lock_guard lock(mutex_);
  if (power_on_) lose_unsynced(seed);
}

void MemoryFiles::restart() {
  std::lock_guard lock(mutex_);
  power_on_ = true;
  ++life_;
  locked_.clear();
  cut_at_ = 0;
  fail_at_ = 0;
  reads_fail_ = false;
}

void MemoryFiles::kill_process() { restart(); }

void MemoryFiles::fail_at(std::uint64_t operation, ErrorCode code) {
  std::lock_guard lock(mutex_);
  fail_at_ = operation;
  fail_with_ = code;
}

void MemoryFiles::fail_reads(bool failing) {
  std::lock_guard lock(mutex_);
  reads_fail_ = failing;
}

void MemoryFiles::set_free_bytes(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  free_bytes_ = bytes;
}

Result<Bytes> MemoryFiles::contents(const std::string& path) const {
  std::lock_guard lock(mutex_);
  auto node = node_at(path);
  if (!node) return fail(std::move(node.error()));
  return (*node)->now.all();
}

Result<void> MemoryFiles::set_contents(const std::string& path, Bytes bytes) {
  std::lock_guard lock(mutex_);
  auto directory = directory_of(path);
  if (!directory) return fail(std::move(directory.error()));
  auto node = std::make_shared<MemoryNode>();
  node->now.size = node->synced.size = bytes.size();
  node->now.written = node->synced.written = std::move(bytes);
  (*directory)->now[split(path).second] = (*directory)->synced[split(path).second] = node;
  return {};
}

std::optional<Error> MemoryFiles::begin_operation() {
  ++operations_;
  if (operations_ == cut_at_) lose_unsynced(cut_seed_);
  if (auto error = power_is_off()) return error;
  if (operations_ == fail_at_) return Error{fail_with_, "simulated failure"};
  return std::nullopt;
}

std::optional<Error> MemoryFiles::power_is_off() const {
  if (power_on_) return std::nullopt;
  return Error{ErrorCode::io_error, "the power is off"};
}

void MemoryFiles::lose_unsynced(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  power_on_ = false;
  std::set<MemoryNode*> cut;  // a file may have several names
  for (auto& [path, directory] : directories_) {
    Entries left;
    Entries all = directory.synced;
    all.insert(directory.now.begin(), directory.now.end());
    for (const auto& [name, node] : all) {
      auto synced = directory.synced.find(name);
      auto now = directory.now.find(name);
      const bool has_synced = synced != directory.synced.end();
      const bool has_now = now != directory.now.end();
      const bool changed = has_synced != has_now || (has_now && synced->second != now->second);
      const bool take_now = !changed || random() % 2 == 0;
      if (take_now ? has_now : has_synced) left[name] = take_now ? now->second : synced->second;
    }
    directory.now = directory.synced = std::move(left);
    for (const auto& [name, node] : directory.now) {
      if (cut.insert(node.get()).second) node->power_cut(random);
    }
  }
}

Result<MemoryFiles::Directory*> MemoryFiles::directory_of(const std::string& path) {
  auto found = directories_.find(split(path).first);
  if (found == directories_.end()) return missing(split(path).first);
  return &found->second;
}

Result<std::shared_ptr<MemoryNode>> MemoryFiles::node_at(const std::string& path) const {
  auto directory = directories_.find(split(path).first);
  if (directory == directories_.end()) return missing(path);
  auto node = directory->second.now.find(split(path).second);
  if (node == directory->second.now.end()) return missing(path);
  return node->second;
}

}  // namespace spindle
