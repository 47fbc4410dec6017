// Registering: what actors say in their constructors.
#include <algorithm>
#include <stdexcept>

#include "spindle/actor/runtime.hpp"
#include "spindle/base/concat.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::actor {
namespace {

wire::Pattern pattern_of(std::string_view text) {
  auto pattern = wire::Pattern::parse(text);
  if (!pattern) throw std::logic_error(pattern.error().message());
  return *pattern;
}

std::optional<std::uint64_t> ms(const std::optional<std::chrono::milliseconds>& time) {
  if (!time) return std::nullopt;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, time->count()));
}

}  // namespace

void Runtime::check_registering() const {
  if (!registering_) throw std::logic_error("handlers and groups are registered in an actor's constructor");
}

void Runtime::bind_live(Actor& actor, std::string_view pattern, Handler handler) {
  check_registering();
  live_.push_back({pattern_of(pattern), &actor, std::move(handler), false});
}

void Runtime::open_group(const std::string& name, const GroupOptions& options) {
  check_registering();
  if (auto checked = wire::check_group_name(name); !checked) throw std::logic_error(checked.error().message());
  for (const Group& group : groups_) {
    if (group.name == name) {
      throw std::logic_error("group " + name + " is opened twice in one worker: open it once and chain .on()");
    }
  }
  groups_.push_back({name, options, {}});
}

void Runtime::bind_group(Actor& actor, const std::string& name, std::string_view pattern, Handler handler,
                         bool takes_delivery) {
  check_registering();
  auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.name == name; });
  if (takes_delivery && std::any_of(group->subscriptions.begin(), group->subscriptions.end(),
                                    [&](const auto& s) { return s.takes_delivery && s.pattern.text() == pattern; })) {
    throw std::logic_error("group " + name + " has two handlers for " + std::string(pattern) +
                           " that take the Delivery: only one can settle it");
  }
  group->subscriptions.push_back({pattern_of(pattern), &actor, std::move(handler), takes_delivery});
}

Result<void> Runtime::finish_registration() {
  registering_ = false;
  for (const Group& group : groups_) {
    const std::size_t patterns = group.patterns().size();
    if (patterns == 0) {
      return fail(ErrorCode::invalid_argument,
                  concat("group ", group.name, " has no handler: chain .on() to group()"));
    }
    if (patterns > limits::patterns_per_member_max) {
      return fail(ErrorCode::too_many,
                  concat("group ", group.name, " handles ", patterns, " topics; patterns_per_member_max is ",
                         limits::patterns_per_member_max, ": use wildcards with on_raw, or more groups"));
    }
  }
  return {};
}

Runtime::Group* Runtime::group_of(std::uint64_t member) {
  auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return g.member == member; });
  return group == groups_.end() ? nullptr : &*group;
}

std::vector<std::string> Runtime::Group::patterns() const {
  std::vector<std::string> patterns;
  for (const Subscription& subscription : subscriptions) {
    if (std::find(patterns.begin(), patterns.end(), subscription.pattern.text()) == patterns.end()) {
      patterns.push_back(subscription.pattern.text());
    }
  }
  return patterns;
}

wire::Attach Runtime::Group::attach() const {
  wire::Attach attach;
  attach.group = name;
  attach.patterns = patterns();
  attach.start.at = options.start == StartAt::now ? wire::Start::At::now : wire::Start::At::beginning;
  attach.options.max_attempts = options.max_attempts;
  attach.options.backoff_min_ms = ms(options.backoff_min);
  attach.options.backoff_max_ms = ms(options.backoff_max);
  attach.options.ack_deadline_ms = ms(options.ack_deadline);
  attach.options.keep_at_most_ms = ms(options.keep_at_most);
  attach.options.keep_at_most_bytes = options.keep_at_most_bytes;
  attach.options.expires_ms = ms(options.expires);
  attach.alter = options.alter;
  attach.credit_events = options.credit_events;
  attach.credit_bytes = options.credit_bytes;
  return attach;
}

}  // namespace spindle::actor
