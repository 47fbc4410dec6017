// Places the orders of a file. See `usage` below; ends when every order is durable, and says so a hundred at a time.
#include <deque>
#include <iostream>
#include <thread>

#include "flag.hpp"
#include "order_file.hpp"
#include "spindle/spindle.hpp"

using namespace std::chrono_literals;

constexpr const char* usage = "orders-shop --orders FILE [--rate PER_SECOND] [--proxy tcp://HOST:PORT]";
constexpr std::size_t in_flight_max = 10'000;  // orders handed to the framework and not durable yet

/// Publishes orders and keeps the receipts of those that are not durable yet.
class Shop {
 public:
  explicit Shop(spindle::Service& service) : service_(service) {}

  spindle::Result<void> place(const orders::OrderPlaced& order) {
    auto receipt = service_.publish(order);  // returns at once, also while the proxy is away
    if (!receipt) return spindle::fail(receipt.error());
    receipts_.push_back(*receipt);
    while (!receipts_.empty() && (receipts_.front().ready() || receipts_.size() > in_flight_max)) {
      if (auto stored = wait_for_oldest(); !stored) return stored;
    }
    return {};
  }

  spindle::Result<void> finish() {
    while (!receipts_.empty()) {
      if (auto stored = wait_for_oldest(); !stored) return stored;
    }
    return {};
  }

 private:
  spindle::Result<void> wait_for_oldest() {
    auto offset = receipts_.front().wait(5min);
    if (!offset) return spindle::fail(offset.error());
    receipts_.pop_front();
    if (++placed_ % 100 == 0) std::cout << "placed " << placed_ << std::endl;
    return {};
  }

  spindle::Service& service_;
  std::deque<spindle::Receipt> receipts_;
  std::size_t placed_ = 0;
};

spindle::Result<void> place_all(spindle::Service& service, const std::vector<orders::OrderPlaced>& all,
                                std::chrono::nanoseconds pause) {
  Shop shop(service);
  auto next = std::chrono::steady_clock::now();
  for (const orders::OrderPlaced& order : all) {
    std::this_thread::sleep_until(next);  // customers do not all come at once
    next += pause;
    if (auto placed = shop.place(order); !placed) return placed;
  }
  return shop.finish();
}

int main(int argc, char** argv) try {
  const spindle::Options options = spindle::parse_options(argc, argv, usage, spindle::OwnArguments::some);
  const auto all = orders::read_order_file(orders::text_flag(argc, argv, "--orders", usage));
  const int rate = orders::number_flag(argc, argv, "--rate", 1'000'000, usage);

  spindle::Service service("shop", options);
  if (auto started = service.start(); !started) {
    std::cerr << "orders-shop: " << started.error().message() << std::endl;
    return 1;
  }
  if (auto placed = place_all(service, all, std::chrono::nanoseconds(1s) / rate); !placed) {
    std::cerr << "orders-shop: " << placed.error().message() << std::endl;
    return 1;
  }
  service.stop();
  return service.wait();
} catch (const std::exception& error) {
  std::cerr << "orders-shop: " << error.what() << std::endl;
  return 1;
}
