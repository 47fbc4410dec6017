#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spindle/event.hpp"

namespace spindle::bench {

/// 100 bytes of msgpack: a map of one field.
struct LiveTick {
  static constexpr std::string_view topic = "bench.live";
  static constexpr bool durable = false;
  std::string p = std::string(95, 'x');
  MSGPACK_DEFINE_MAP(p)
};

struct DurableTick {
  static constexpr std::string_view topic = "bench.durable";
  static constexpr bool durable = true;
  std::string p = std::string(95, 'x');
  MSGPACK_DEFINE_MAP(p)
};

/// The same with one of many keys.
struct KeyedTick {
  static constexpr std::string_view topic = "bench.keyed";
  static constexpr bool durable = true;
  std::string p = std::string(95, 'x');
  std::uint64_t key_number = 0;
  std::uint64_t key() const { return key_number; }
  MSGPACK_DEFINE_MAP(p)
};

/// What a turn of the turns benchmark publishes.
struct DurableTock {
  static constexpr std::string_view topic = "bench.turned";
  static constexpr bool durable = true;
  std::string p = std::string(95, 'x');
  MSGPACK_DEFINE_MAP(p)
};

}  // namespace spindle::bench
