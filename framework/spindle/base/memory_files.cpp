#include "spindle/base/memory_files.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "spindle/base/memory_file.hpp"
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

std::string read_only(const std::string& doing) { return doing + ": Read-only file system"; }

constexpr std::uint64_t unlimited_free_bytes = std::uint64_t{1} << 40;

}  // namespace

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
    if (mode == OpenMode::write && read_only_) return fail(ErrorCode::io_error, "cannot open " + read_only(path));
    return std::make_unique<OpenFile>(*this, *node, path, mode == OpenMode::write);
  }
  auto directory = directory_of(path);
  if (!directory) return fail(std::move(directory.error()));
  if ((*directory)->now.contains(split(path).second)) return fail(ErrorCode::io_error, path + " exists already");
  auto node = std::make_shared<MemoryNode>();
  auto created = operate("create " + path, [&] { (*directory)->now[split(path).second] = node; });
  if (!created) return fail(std::move(created.error()));
  return std::make_unique<OpenFile>(*this, node, path, true);
}

Result<void> MemoryFiles::make_directory(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  if (directories_.contains(path)) return {};
  return operate("make the directory " + path, [&] { directories_[path]; });
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
  return operate("rename " + from + " to " + to, [&] {
    (*directory)->now.erase(split(from).second);
    (*directory)->now[split(to).second] = *node;
  });
}

Result<void> MemoryFiles::rename_directory(const std::string& from, const std::string& to) {
  if (directories_.contains(to)) return fail(ErrorCode::io_error, to + " exists already");
  if (split(from).first != split(to).first) return fail(ErrorCode::io_error, "only within one directory");
  return operate("rename " + from + " to " + to, [&] {
    auto moved = directories_.extract(from);
    moved.key() = to;
    directories_.insert(std::move(moved));
    renamed_.emplace_back(from, to);
  });
}

Result<void> MemoryFiles::link(const std::string& from, const std::string& to) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  if (!links_supported_) return fail(ErrorCode::unsupported, "cannot link " + from + ": there are no links");
  auto node = node_at(from);
  if (!node) return fail(std::move(node.error()));
  auto directory = directory_of(to);
  if (!directory) return fail(std::move(directory.error()));
  Entries& entries = (*directory)->now;
  if (entries.contains(split(to).second)) return fail(ErrorCode::io_error, to + " exists already");
  return operate("link " + from + " as " + to, [&] { entries[split(to).second] = *node; });
}

Result<void> MemoryFiles::remove(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  auto node = node_at(path);
  if (!node) return fail(std::move(node.error()));
  auto directory = directory_of(path);
  return operate("remove " + path, [&] { (*directory)->now.erase(split(path).second); });
}

Result<void> MemoryFiles::sync_directory(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (auto error = power_is_off()) return fail(std::move(*error));
  auto found = directories_.find(path);
  if (found == directories_.end()) return missing(path);
  Directory& directory = found->second;
  auto sync = [&] {
    directory.synced = directory.now;
    std::erase_if(renamed_, [&](const auto& rename) { return split(rename.second).first == path; });
  };
  return operate_sync("sync " + path, sync, [&](MemoryChance& chance) {
    if (chance.happens()) sync();
  });
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
  return std::min(left_bytes(), unlimited_free_bytes);
}

std::uint64_t MemoryFiles::operations() const {
  std::lock_guard lock(mutex_);
  return operations_;
}

std::uint64_t MemoryFiles::reads() const {
  std::lock_guard lock(mutex_);
  return reads_;
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
  begin_life();
}

void MemoryFiles::kill_process() { restart(); }

void MemoryFiles::begin_life() {
  power_on_ = true;
  ++life_;
  locked_.clear();
  open_.clear();
  cut_at_ = 0;
  read_only_ = false;
  faults_ = {};
  holding_syncs_ = false;
  syncs_changed_.notify_all();
}

void MemoryFiles::fail_at(std::uint64_t operation, ErrorCode code, std::optional<std::uint64_t> seed) {
  std::lock_guard lock(mutex_);
  faults_.fail_at(operation, code, seed);
}

void MemoryFiles::fail_from(std::uint64_t operation, ErrorCode code) {
  std::lock_guard lock(mutex_);
  faults_.fail_from(operation, code);
}

void MemoryFiles::fail_some(std::uint64_t seed, std::uint64_t one_in) {
  std::lock_guard lock(mutex_);
  faults_.fail_some(seed, one_in);
}

void MemoryFiles::set_read_only(bool read_only) {
  std::lock_guard lock(mutex_);
  read_only_ = read_only;
}

void MemoryFiles::support_links(bool supported) {
  std::lock_guard lock(mutex_);
  links_supported_ = supported;
}

void MemoryFiles::hold_syncs(bool holding) {
  std::lock_guard lock(mutex_);
  holding_syncs_ = holding;
  syncs_changed_.notify_all();
}

void MemoryFiles::wait_for_held_sync() {
  std::unique_lock lock(mutex_);
  syncs_changed_.wait(lock, [this] { return holding_syncs_ && held_syncs_ > 0; });
}

void MemoryFiles::set_free_bytes(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  capacity_bytes_ = used_bytes() + bytes;
}

void MemoryFiles::fail_reads(bool failing) {
  std::lock_guard lock(mutex_);
  faults_.fail_reads(failing);
}

void MemoryFiles::fail_read_at(std::uint64_t read) {
  std::lock_guard lock(mutex_);
  faults_.fail_read_at(read);
}

void MemoryFiles::flip_bit_at_read(std::uint64_t read, std::uint64_t bit) {
  std::lock_guard lock(mutex_);
  faults_.flip_at_read(read, bit);
}

void MemoryFiles::fail_some_reads(std::uint64_t seed, std::uint64_t one_in) {
  std::lock_guard lock(mutex_);
  faults_.fail_some_reads(seed, one_in);
}

void MemoryFiles::flip_bit(const std::string& path, std::uint64_t bit) {
  std::lock_guard lock(mutex_);
  if (auto node = node_at(path)) {
    (*node)->now.flip_bit(bit);
    (*node)->synced.flip_bit(bit);
  }
}

void MemoryFiles::flip_cached_bit(const std::string& path, std::uint64_t bit) {
  std::lock_guard lock(mutex_);
  if (auto node = node_at(path)) (*node)->now.flip_bit(bit);
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
  node->now.size = node->synced.size = node->sure_size = node->held_bytes = bytes.size();
  node->now.written = node->synced.written = std::move(bytes);
  (*directory)->now[split(path).second] = (*directory)->synced[split(path).second] = node;
  return {};
}

Result<void> MemoryFiles::operate(const std::string& doing, const Change& change, const PartOfChange& part) {
  // When the power goes during an operation, it may have happened: as an unsynced change.
  if (operations_ + 1 == cut_at_) change();
  if (auto error = begin_operation(doing, part)) return fail(std::move(*error));
  change();
  return {};
}

Result<void> MemoryFiles::operate(const std::string& doing, const Change& change) {
  return operate(doing, change, [&](MemoryChance& chance) {
    if (chance.happens()) change();
  });
}

Result<void> MemoryFiles::operate_sync(const std::string& doing, const Change& sync, const PartOfChange& part) {
  if (auto error = begin_operation(doing, part)) return fail(std::move(*error));
  sync();
  return {};
}

std::optional<Error> MemoryFiles::begin_operation(const std::string& doing, const PartOfChange& part) {
  ++operations_;
  if (operations_ == cut_at_) lose_unsynced(cut_seed_);
  if (auto error = power_is_off()) return error;
  if (read_only_) return Error{ErrorCode::io_error, "cannot " + read_only(doing)};
  auto failure = faults_.of_operation(operations_);
  if (!failure) return std::nullopt;
  part(failure->chance);
  return Error{failure->code, "cannot " + doing + ": simulated failure"};
}

std::optional<Error> MemoryFiles::power_is_off() const {
  if (power_on_) return std::nullopt;
  return Error{ErrorCode::io_error, "the power is off"};
}

void MemoryFiles::lose_unsynced(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  power_on_ = false;
  for (; !renamed_.empty(); renamed_.pop_back()) {
    auto moved = directories_.extract(renamed_.back().second);
    if (random() % 2 == 0) moved.key() = renamed_.back().first;
    directories_.insert(std::move(moved));
  }
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

/// A file holds its space while it has a name, durably or not, and while it is open.
std::uint64_t MemoryFiles::used_bytes() const {
  std::set<const MemoryNode*> nodes;
  for (const auto& [path, directory] : directories_) {
    for (const auto& [name, node] : directory.now) nodes.insert(node.get());
    for (const auto& [name, node] : directory.synced) nodes.insert(node.get());
  }
  for (const auto& [node, count] : open_) nodes.insert(node);
  std::uint64_t used = 0;
  for (const MemoryNode* node : nodes) used += node->held_bytes;
  return used;
}

std::uint64_t MemoryFiles::left_bytes() const {
  if (!capacity_bytes_) return ~std::uint64_t{0};
  const std::uint64_t used = used_bytes();
  return used < *capacity_bytes_ ? *capacity_bytes_ - used : 0;
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
