#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spindle/event.hpp"

/// The contract of the order services: all that they know of each other. Who publishes an event does not know who
/// reads it, so each event says by itself what happened, with what a reader needs to go on.
namespace orders {

struct Item {
  std::string article;
  std::uint32_t count = 0;
  std::int64_t price_cents = 0;
  MSGPACK_DEFINE_MAP(article, count, price_cents)
};

/// The shop took an order.
struct OrderPlaced {
  static constexpr std::string_view topic = "orders.placed";
  static constexpr bool durable = true;
  std::string order_id, customer, email, address;
  std::vector<Item> items;
  std::int64_t total_cents = 0;
  std::string_view key() const { return order_id; }  // joins the events of one order
  MSGPACK_DEFINE_MAP(order_id, customer, email, address, items, total_cents)
};

/// Billing has the money.
struct PaymentTaken {
  static constexpr std::string_view topic = "orders.paid";
  static constexpr bool durable = true;
  std::string order_id, customer, email, address;
  std::int64_t total_cents = 0;
  std::string_view key() const { return order_id; }
  MSGPACK_DEFINE_MAP(order_id, customer, email, address, total_cents)
};

/// The parcel has left.
struct Shipped {
  static constexpr std::string_view topic = "orders.shipped";
  static constexpr bool durable = true;
  std::string order_id, customer, email, parcel;
  std::string_view key() const { return order_id; }
  MSGPACK_DEFINE_MAP(order_id, customer, email, parcel)
};

}  // namespace orders
