#include "spindle/actor/log.hpp"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace spindle::log {
namespace {

/// Spindle's own logger: the program's default one is the program's.
spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> made = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    auto logger = std::make_shared<spdlog::logger>("spindle", std::move(sink));
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%l%$ %n: %v");
    return logger;
  }();
  return *made;
}

}  // namespace

void set_level(std::string_view level) { logger().set_level(spdlog::level::from_str(std::string(level))); }

void debug(std::string_view line) { logger().debug("{}", line); }
void info(std::string_view line) { logger().info("{}", line); }
void warn(std::string_view line) { logger().warn("{}", line); }
void error(std::string_view line) { logger().error("{}", line); }

}  // namespace spindle::log
