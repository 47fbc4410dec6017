#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <variant>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/memory_faults.hpp"

namespace spindle {

/// The bytes of a file; what is beyond `written` is zeros, so that preallocation costs nothing here.
struct MemoryImage {
  Bytes written;
  std::uint64_t size = 0;

  void write(std::uint64_t position, BytesView bytes) {
    const auto end = position + bytes.size();
    if (written.size() < end) written.resize(end, '\0');
    std::copy(bytes.begin(), bytes.end(), written.begin() + static_cast<std::ptrdiff_t>(position));
    size = std::max(size, end);
  }

  void resize(std::uint64_t new_size) {
    size = new_size;
    if (written.size() > size) written.resize(size);
  }

  std::size_t read(std::uint64_t position, char* into, std::size_t wanted) const {
    if (position >= size) return 0;
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, size - position));
    std::memset(into, 0, count);
    if (position < written.size()) {
      std::memcpy(into, written.data() + position, std::min<std::size_t>(count, written.size() - position));
    }
    return count;
  }

  void release(std::uint64_t position) {
    if (written.size() > position) written.resize(static_cast<std::size_t>(position));
  }

  void flip_bit(std::uint64_t bit) {
    if (bit / 8 >= size) return;
    if (written.size() <= bit / 8) written.resize(static_cast<std::size_t>(bit / 8 + 1), '\0');
    written[bit / 8] = static_cast<char>(written[bit / 8] ^ (1 << (bit % 8)));
  }

  Bytes all() const {
    Bytes bytes = written;
    bytes.resize(size, '\0');
    return bytes;
  }
};

struct MemoryWrite {
  std::uint64_t position;
  Bytes bytes;
};
struct MemoryResize {
  std::uint64_t size;
};
struct MemoryRelease {
  std::uint64_t position;
};
using MemoryChange = std::variant<MemoryWrite, MemoryResize, MemoryRelease>;

/// A file of MemoryFiles: what was written and what was synced.
class MemoryNode {
 public:
  MemoryImage now;                     // what reads see
  MemoryImage synced;                  // what is on the disk for certain
  std::vector<MemoryChange> unsynced;  // in order; applied to synced they give now, unless a sync failed
  std::uint64_t sure_size = 0;         // of synced: what is beyond may be gone after a power cut
  std::uint64_t held_bytes = 0;        // of the disk's space: allocated or written

  void change(MemoryChange change) {
    replay(change, now);
    if (const auto* write = std::get_if<MemoryWrite>(&change)) {
      held_bytes = std::max(held_bytes, write->position + write->bytes.size());
    } else if (const auto* release = std::get_if<MemoryRelease>(&change)) {
      held_bytes = std::min(held_bytes, release->position);
    } else {
      held_bytes = std::min(held_bytes, now.size);
    }
    unsynced.push_back(std::move(change));
  }

  /// Reserves space, and extends the file with zeros.
  void allocate(std::uint64_t size) {
    if (size > now.size) change(MemoryResize{size});
    held_bytes = std::max(held_bytes, size);
  }

  /// Without its size a file that was only made longer may be as short again after a power cut.
  void sync(bool with_size) {
    for (const MemoryChange& change : unsynced) {
      const std::uint64_t before = synced.size;
      replay(change, synced);
      if (const auto* write = std::get_if<MemoryWrite>(&change)) {
        sure_size = std::max(sure_size, write->position + write->bytes.size());
      } else {
        sure_size = std::min({sure_size, before, synced.size});
      }
    }
    if (with_size) sure_size = synced.size;
    unsynced.clear();
  }

  /// As Linux does it: the pages that could not be written count as clean, reads still show them, and the next sync
  /// succeeds without them. Others of the same sync may have been written.
  void fail_sync(MemoryChance& chance) {
    for (const MemoryChange& change : unsynced) {
      if (const auto* write = std::get_if<MemoryWrite>(&change)) {
        for_each_sector(*write, [&](std::uint64_t at, Bytes bytes) {
          if (chance.happens()) synced.write(at, bytes);
        });
      } else if (chance.happens()) {
        replay(change, synced);
      }
    }
    unsynced.clear();
  }

  void forget_cached() {
    now = synced;
    for (const MemoryChange& change : unsynced) replay(change, now);
  }

  void power_cut(std::mt19937_64& random) {
    for (const MemoryChange& change : unsynced) {
      if (const auto* write = std::get_if<MemoryWrite>(&change)) {
        apply_torn(*write, synced, random);
      } else if (random() % 2 == 0) {
        replay(change, synced);
      }
    }
    if (sure_size < synced.size && random() % 2 == 0) synced.resize(sure_size);
    sure_size = synced.size;
    unsynced.clear();
    now = synced;
    held_bytes = now.size;
  }

 private:
  static constexpr std::uint64_t sector_bytes = 512;

  static void replay(const MemoryChange& change, MemoryImage& image) {
    if (const auto* write = std::get_if<MemoryWrite>(&change)) {
      image.write(write->position, write->bytes);
    } else if (const auto* release = std::get_if<MemoryRelease>(&change)) {
      image.release(release->position);
    } else {
      image.resize(std::get<MemoryResize>(change).size);
    }
  }

  /// What a power cut leaves of one unsynced write: each sector of its own is there, absent or rubbish.
  static void apply_torn(const MemoryWrite& write, MemoryImage& image, std::mt19937_64& random) {
    const auto outcome = random() % 4;
    if (outcome == 0) return;
    if (outcome == 1) return image.write(write.position, write.bytes);
    const bool trash = outcome == 3;
    for_each_sector(write, [&](std::uint64_t at, Bytes bytes) {
      if (trash && random() % 2 == 0) {
        for (char& byte : bytes) byte = static_cast<char>(random());
        image.write(at, bytes);
      } else if (random() % 2 == 0) {
        image.write(at, bytes);
      }
    });
  }

  /// The pieces of a write that lie in one sector each.
  static void for_each_sector(const MemoryWrite& write, const std::function<void(std::uint64_t, Bytes)>& visit) {
    std::uint64_t done = 0;
    while (done < write.bytes.size()) {
      const auto at = write.position + done;
      const auto piece = std::min(sector_bytes - at % sector_bytes, write.bytes.size() - done);
      visit(at, write.bytes.substr(done, piece));
      done += piece;
    }
  }
};

}  // namespace spindle
