#include "tools/bench/producer.hpp"

#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "tools/bench/child.hpp"
#include "tools/bench/events.hpp"

namespace spindle::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t keys = 10'000;

int publish(const std::string& endpoint, std::uint64_t events, bool keyed) {
  Service service("producer", options_for(endpoint));
  if (!service.start() || !service.wait_until_ready(std::chrono::seconds(10))) return 1;
  const DurableTick tick;
  KeyedTick keyed_tick;
  const auto begin = Clock::now();
  std::optional<Receipt> last;
  for (std::uint64_t i = 0; i < events;) {
    keyed_tick.key_number = i % keys;
    auto receipt = keyed ? service.publish(keyed_tick) : service.publish(tick);
    if (!receipt) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // full: a poll; what counts is the last receipt
      continue;
    }
    last = *receipt;
    ++i;
  }
  if (!last || !last->wait(std::chrono::minutes(5))) return 1;
  std::printf("%.0f\n", static_cast<double>(events) / std::chrono::duration<double>(Clock::now() - begin).count());
  return 0;
}

}  // namespace

Options options_for(const std::string& endpoint) {
  Options options;
  options.proxy = endpoint;
  options.log_level = "error";
  return options;
}

double publish_pipelined(const std::string& endpoint, std::uint64_t events, bool keyed) {
  Child producer = Child::fork([&] { return publish(endpoint, events, keyed); });
  return std::stod("0" + producer.line());
}

}  // namespace spindle::bench
