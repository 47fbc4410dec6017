#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/wire/group_messages.hpp"

namespace spindle::simulation {

/// An event is known by a number of its own, which its data begins with; everything else about it is what the one
/// who published it said then.
struct Event {
  std::string topic;
  std::optional<std::uint32_t> key;
  std::size_t padding = 0;
};

/// The data of event `number`, a msgpack value.
Bytes event_data(std::uint64_t number, std::size_t padding);
/// The event that this is the data of.
std::uint64_t event_number(BytesView data);

inline bool same_handout(const wire::DeliveryId& a, const wire::DeliveryId& b) {
  return a.generation == b.generation && a.handout == b.handout;
}

/// A delivery as its member was told of it.
struct Delivery {
  std::uint64_t member = 0;
  std::string group;
  wire::DeliveryId id;
  std::uint64_t attempt = 1;
  std::uint64_t event = 0;
  std::string topic;
  std::optional<std::uint32_t> key;
};

/// What a process asked to be stored as a whole, under one number.
struct Commit {
  /// The process, or what it became when it renumbered its commits.
  std::uint64_t life = 0;
  std::uint64_t number = 0;
  bool is_turn = false;
  std::vector<std::uint64_t> events;
  struct Settles {
    Delivery delivery;
    wire::Verdict verdict;
  };
  std::vector<Settles> settles;
};

}  // namespace spindle::simulation
