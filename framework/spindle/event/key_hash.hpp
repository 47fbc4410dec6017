#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "spindle/event/event_traits.hpp"

namespace spindle {

/// The hash that travels in a packet's header for a key: the low 32 bits of XXH3 (64 bits, seed 0) over the key's
/// bytes. Events of one hash keep their order within a group, so two keys that collide only wait for one another.
std::uint32_t key_hash(std::string_view key);

/// Of the event's key; nothing when its type has none. An integer counts as its decimal text ("-7"), so that a client
/// in any language gets the same hash from the same key.
template <class E>
requires Event<E> std::optional<std::uint32_t> key_hash(const E& event) {
  if constexpr (!event::HasKey<E>) {
    return std::nullopt;
  } else if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(event.key())>>) {
    return key_hash(std::string_view(std::to_string(event.key())));
  } else {
    return key_hash(std::string_view(event.key()));
  }
}

}  // namespace spindle
