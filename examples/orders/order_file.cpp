#include "order_file.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace orders {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Item, article, count, price_cents)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(OrderPlaced, order_id, customer, email, address, items, total_cents)

std::vector<OrderPlaced> read_order_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<OrderPlaced> orders;
  for (std::string line; std::getline(file, line);) {
    try {
      orders.push_back(nlohmann::json::parse(line).get<OrderPlaced>());
    } catch (const nlohmann::json::exception& wrong) {
      throw std::runtime_error(path + " line " + std::to_string(orders.size() + 1) + ": " + wrong.what());
    }
  }
  return orders;
}

}  // namespace orders
