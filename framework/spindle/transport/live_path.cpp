#include "spindle/transport/live_path.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "spindle/transport/context.hpp"
#include "spindle/transport/endpoint.hpp"
#include "spindle/transport/poll_set.hpp"

namespace spindle::transport {
namespace {

/// Nobody else must guess or share it: it names this path's echoes.
std::string random_echo_name() {
  std::random_device entropy;
  std::string name = "_spindle.echo.";
  for (int i = 0; i < 4; ++i) name += std::to_string(entropy()) + "-";
  return name;
}

}  // namespace

LivePath::LivePath(LivePublisher publisher, LiveSubscriber subscriber)
    : publisher_(std::move(publisher)), subscriber_(std::move(subscriber)), echo_name_(random_echo_name()) {}

Result<LivePath> LivePath::open(Context& context, std::string_view dialled, const wire::Welcome& welcome,
                                std::string source) {
  auto publisher = LivePublisher::open(context, live_endpoint(dialled, welcome.host, welcome.publish_port),
                                       std::move(source), welcome.epoch);
  if (!publisher) return fail(publisher.error());
  auto subscriber = LiveSubscriber::open(context, live_endpoint(dialled, welcome.host, welcome.subscribe_port));
  if (!subscriber) return fail(subscriber.error());
  return LivePath(std::move(*publisher), std::move(*subscriber));
}

void LivePath::confirm(Now now) {
  ++asked_;
  echo_at_ = now.instant;
  replace_at_ = now.instant + echo_deadline;
  echo_again_ = echo_again_min;
  // A topic of its own for each proof: an echo on an older one would not prove the newest subscription.
  (void)subscriber_.watch_echo(echo_name_ + std::to_string(asked_));
}

void LivePath::watch(PollSet& poll) const { poll.add(subscriber_.socket()); }

std::vector<LiveMessage> LivePath::receive(std::size_t most, Now) {
  std::vector<LiveMessage> messages;
  for (std::size_t i = 0; i < most; ++i) {
    auto input = subscriber_.next();
    if (!input) {
      ++malformed_;
      last_malformed_ = input.error();
    } else if (!*input) {
      break;
    } else if ((*input)->echo_nonce) {
      confirmed_ = std::max(confirmed_, std::min(*(*input)->echo_nonce, asked_));
    } else {
      messages.push_back(std::move((*input)->message));
    }
  }
  return messages;
}

Result<void> LivePath::process(Now now) {
  if (auto ticked = publisher_.on_tick(now); !ticked) return ticked;
  if (confirmed()) return {};
  if (now.instant >= replace_at_) {
    if (auto done = publisher_.reconnect(); !done) return done;
    if (auto done = subscriber_.reconnect(); !done) return done;
    ++reconnects_;
    replace_at_ = now.instant + echo_deadline;
    echo_at_ = now.instant;
    echo_again_ = echo_again_min;
  }
  return now.instant >= echo_at_ ? echo(now) : Result<void>{};
}

Result<void> LivePath::echo(Now now) {
  auto sent = publisher_.send_echo(echo_name_ + std::to_string(asked_), asked_, now.wall_ns);
  if (!sent) return fail(sent.error());
  echo_at_ = now.instant + echo_again_;
  echo_again_ = std::min(2 * echo_again_, echo_again_max);
  return {};
}

std::optional<Instant> LivePath::next_deadline() const {
  auto next = publisher_.next_deadline();
  if (confirmed()) return next;
  const Instant own = std::min(echo_at_, replace_at_);
  return next && *next < own ? next : own;
}

}  // namespace spindle::transport
