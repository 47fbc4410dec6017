#pragma once

#include <string>
#include <vector>

#include "orders/events.hpp"

namespace orders {

/// Reads a file of orders, one JSON object a line with the fields of OrderPlaced. Throws std::runtime_error that
/// names the line.
std::vector<OrderPlaced> read_order_file(const std::string& path);

}  // namespace orders
