#include "spindle/actor/actor.hpp"

#include "spindle/actor/runtime.hpp"

namespace spindle {

GroupBinding Actor::group(std::string name, const GroupOptions& options) {
  runtime_.open_group(name, options);
  return GroupBinding(*this, std::move(name));
}

void GroupBinding::bind(std::string_view pattern, actor::Handler handler, bool takes_delivery) {
  actor_.runtime_.bind_group(actor_, name_, pattern, std::move(handler), takes_delivery);
}

void Actor::bind_live(std::string_view pattern, actor::Handler handler) {
  runtime_.bind_live(*this, pattern, std::move(handler));
}

Bytes& Actor::publication_buffer() { return runtime_.turn().buffer(); }

Result<void> Actor::add_publication(std::string_view topic, std::size_t start, std::optional<std::uint32_t> key,
                                    bool durable) {
  if (durable && !runtime_.has_room()) {
    runtime_.turn().buffer().resize(start);
    return fail(ErrorCode::outbox_full, "too much waits for the proxy already; is it away?");
  }
  return runtime_.turn().add(topic, start, key, durable);
}

std::uint64_t Actor::every(std::chrono::nanoseconds interval, std::function<void()> turn) {
  return runtime_.set_timer(*this, interval, interval, std::move(turn));
}

std::uint64_t Actor::after(std::chrono::nanoseconds delay, std::function<void()> turn) {
  return runtime_.set_timer(*this, delay, std::nullopt, std::move(turn));
}

void Actor::cancel(std::uint64_t timer) { runtime_.cancel_timer(timer); }

}  // namespace spindle
