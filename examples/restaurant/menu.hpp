#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "spindle/event.hpp"

/// What waiters and chefs agree on. A header of events is all that two services share.
namespace restaurant {

/// Durable: once pinned it survives crashes, and waits for a chef who is not there yet.
struct OrderTicket {
  static constexpr std::string_view topic = "kitchen.ticket";
  static constexpr bool durable = true;
  std::uint32_t table = 0;
  std::string dish;
  MSGPACK_DEFINE_MAP(table, dish)
};

/// Live: heard by those who are listening when it rings, and by nobody later.
struct Bell {
  static constexpr std::string_view topic = "kitchen.bell";
  static constexpr bool durable = false;
  std::uint32_t table = 0;
  std::string dish;
  MSGPACK_DEFINE_MAP(table, dish)
};

}  // namespace restaurant
