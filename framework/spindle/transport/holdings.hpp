#pragma once

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "spindle/wire/group_messages.hpp"

namespace spindle::transport {

/// The deliveries that one member holds: handed out to it and without a durable outcome. Open ones wait for a turn,
/// submitted ones are in a turn on its way. Pure; one thread.
class Holdings {
 public:
  void add(const wire::DeliveryId& first, std::uint64_t count, std::uint64_t attempt);
  /// Whether all of these are open.
  bool open(const wire::DeliveryId& first, std::uint64_t count) const;
  void submit(const wire::DeliveryId& first, std::uint64_t count);
  /// A turn got its outcome, whichever: they are held no more.
  void settled(const wire::DeliveryId& first, std::uint64_t count);

  /// An open one is held no more, without a turn.
  void forget(const wire::DeliveryId& delivery);

  /// Everything held, open or submitted.
  std::vector<wire::Claim> claims() const;
  /// Gives up what is not in `claimed`; returns what of it was open.
  std::vector<wire::Claim> keep_only(const std::vector<wire::Claim>& claimed);
  /// Gives up what was handed out under an older generation of the group; returns what of it was open.
  std::vector<wire::Claim> drop_older(std::uint64_t generation);
  bool empty() const { return handouts_.empty(); }

 private:
  /// Disjoint ranges of offsets: first to one behind the last.
  using Ranges = std::map<std::uint64_t, std::uint64_t>;
  struct Handout {
    std::uint64_t generation = 0;
    std::uint64_t attempt = 1;
    Ranges open;
    Ranges submitted;
  };
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // run, handout

  static void list_open(const Key& key, const Handout& handout, std::vector<wire::Claim>& claims);
  static void insert(Ranges& ranges, std::uint64_t from, std::uint64_t to);
  static void erase(Ranges& ranges, std::uint64_t from, std::uint64_t to);
  static bool contains(const Ranges& ranges, std::uint64_t from, std::uint64_t to);

  std::map<Key, Handout> handouts_;
  std::uint64_t generation_ = 0;  // the newest that was seen
};

}  // namespace spindle::transport
