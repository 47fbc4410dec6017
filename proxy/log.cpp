#include "proxy/log.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

namespace spindle::proxy::log {
namespace {

spdlog::logger& logger() {
  static const auto made = [] {
    auto log = std::make_unique<spdlog::logger>("proxy", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    return log;
  }();
  return *made;
}

constexpr Duration interval = std::chrono::seconds(1);

}  // namespace

void set_level(std::string_view level) {
  if (level == "warn") level = "warning";  // spdlog's name
  logger().set_level(spdlog::level::from_str(std::string(level)));
}

void debug(std::string_view line) { logger().debug(line); }
void info(std::string_view line) { logger().info(line); }
void warn(std::string_view line) { logger().warn(line); }
void error(std::string_view line) { logger().error(line); }

std::uint64_t Throttle::due(Instant now) {
  if (waiting_ == 0 || now < next_) return 0;
  next_ = now < Instant::max() - interval ? now + interval : now;
  return std::exchange(waiting_, 0);
}

}  // namespace spindle::proxy::log
