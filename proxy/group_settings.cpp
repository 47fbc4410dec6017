#include "proxy/group_settings.hpp"

#include <algorithm>
#include <array>

namespace spindle::proxy {
namespace {

struct Field {
  std::string_view name;
  std::uint64_t GroupSettings::*setting;
  std::optional<std::uint64_t> wire::GroupOptions::*option;
  std::uint64_t least;
  std::uint64_t most;
};

constexpr std::uint64_t day_ms = 24ull * 60 * 60 * 1000;
constexpr std::uint64_t century_ms = 36'525 * day_ms;

constexpr std::array fields{
    Field{"max_attempts", &GroupSettings::max_attempts, &wire::GroupOptions::max_attempts, 1, 1'000'000},
    Field{"backoff_min_ms", &GroupSettings::backoff_min_ms, &wire::GroupOptions::backoff_min_ms, 0, day_ms},
    Field{"backoff_max_ms", &GroupSettings::backoff_max_ms, &wire::GroupOptions::backoff_max_ms, 0, day_ms},
    Field{"backoff_factor", &GroupSettings::backoff_factor, &wire::GroupOptions::backoff_factor, 1, 100},
    Field{"ack_deadline_ms", &GroupSettings::ack_deadline_ms, &wire::GroupOptions::ack_deadline_ms, 10, day_ms},
    Field{"keep_at_most_ms", &GroupSettings::keep_at_most_ms, &wire::GroupOptions::keep_at_most_ms, 0, century_ms},
    Field{"keep_at_most_bytes", &GroupSettings::keep_at_most_bytes, &wire::GroupOptions::keep_at_most_bytes, 0,
          std::uint64_t{1} << 60},
    Field{"expires_ms", &GroupSettings::expires_ms, &wire::GroupOptions::expires_ms, 0, century_ms},
};

}  // namespace

Result<GroupSettings> GroupSettings::with(const wire::GroupOptions& options) {
  return GroupSettings().altered(options);
}

Result<GroupSettings> GroupSettings::altered(const wire::GroupOptions& options) const {
  GroupSettings settings = *this;
  for (const Field& field : fields) {
    const auto& asked = options.*field.option;
    if (!asked) continue;
    if (*asked < field.least || *asked > field.most) {
      return fail(ErrorCode::invalid_argument, std::string(field.name) + " must be between " +
                                                   std::to_string(field.least) + " and " +
                                                   std::to_string(field.most));
    }
    settings.*field.setting = *asked;
  }
  // Raised with the other one, but never against what is asked for: the same options would not agree with it later.
  if (!options.backoff_max_ms) settings.backoff_max_ms = std::max(settings.backoff_max_ms, settings.backoff_min_ms);
  if (settings.backoff_max_ms < settings.backoff_min_ms) {
    return fail(ErrorCode::invalid_argument, "backoff_max_ms (" + std::to_string(settings.backoff_max_ms) +
                                                 ") is below backoff_min_ms (" +
                                                 std::to_string(settings.backoff_min_ms) + ")");
  }
  return settings;
}

std::optional<std::string> GroupSettings::difference(const wire::GroupOptions& options) const {
  std::string all;
  for (const Field& field : fields) {
    const auto& asked = options.*field.option;
    if (!asked || *asked == this->*field.setting) continue;
    if (!all.empty()) all += "; ";
    all +=
        std::string(field.name) + " is " + std::to_string(this->*field.setting) + ", not " + std::to_string(*asked);
  }
  if (all.empty()) return std::nullopt;
  return all;
}

std::vector<std::string> GroupSettings::changes(const GroupSettings& to) const {
  std::vector<std::string> changes;
  for (const Field& field : fields) {
    if (this->*field.setting == to.*field.setting) continue;
    changes.push_back(std::string(field.name) + ": " + std::to_string(this->*field.setting) + " -> " +
                      std::to_string(to.*field.setting));
  }
  return changes;
}

Duration GroupSettings::backoff(std::uint64_t attempt) const {
  std::uint64_t ms = backoff_min_ms;
  for (std::uint64_t i = 1; i < attempt && ms < backoff_max_ms; ++i) ms *= backoff_factor;
  return std::chrono::milliseconds(std::min(ms, backoff_max_ms));
}

wire::GroupOptions GroupSettings::options() const {
  wire::GroupOptions options;
  for (const Field& field : fields) options.*field.option = this->*field.setting;
  return options;
}

}  // namespace spindle::proxy
