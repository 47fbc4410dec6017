#include <utility>

#include "spindle/base/concat.hpp"
#include "spindle/wire/topic.hpp"
#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/event_line.hpp"
#include "tools/spindle/report.hpp"
#include "tools/spindle/subscribe.hpp"

namespace spindle::cli {
namespace {

using namespace transport::session_event;
using transport::LiveMessage;
using transport::LivePath;

class LiveSubscriber {
 public:
  LiveSubscriber(const SubscribeOptions& options, Client& client, LivePath live)
      : options_(options), client_(client), live_(std::move(live)) {}

  int run() {
    if (auto subscribed = subscribe(Now::read()); !subscribed) return failed(subscribed.error());
    while (!done()) {
      auto turn = client_.turn({.live = &live_, .until = options_.deadline});
      if (!turn) return failed(turn.error());
      if (auto followed = follow(*turn); !followed) return failed(followed.error());
      if (turn->stops > 0) return interrupted();
      if (options_.deadline && !done() && turn->now.instant >= *options_.deadline) return exit_at_deadline(options_);
    }
    return exit_ok;
  }

 private:
  bool done() const { return options_.count && printed_ >= *options_.count; }
  int interrupted() const { return options_.count ? failed({ErrorCode::closed, "interrupted"}) : exit_ok; }

  Result<void> subscribe(Now now) {
    if (auto done = live_.subscriber().subscribe(*wire::Pattern::parse(options_.pattern)); !done) return done;
    live_.confirm(now);
    return {};
  }

  Result<void> follow(const Client::Turn& turn) {
    for (const auto& event : turn.events) {
      if (!std::holds_alternative<Welcomed>(event)) continue;
      told_subscribed_ = false;
      auto renewed = client_.renew_live(live_);
      if (!renewed) return fail(renewed.error());
      if (!*renewed) {
        live_.confirm(turn.now);
      } else if (auto subscribed = subscribe(turn.now); !subscribed) {
        return subscribed;
      }
    }
    const auto messages = live_.receive(messages_per_turn_max, turn.now);
    if (live_.confirmed() && !std::exchange(told_subscribed_, true) && !options_.quiet) report("subscribed");
    lines_.clear();
    for (const LiveMessage& message : messages) {
      if (!done()) add(message);
    }
    tell_malformed();
    return lines_.empty() ? Result<void>{} : print(lines_);
  }

  void add(const LiveMessage& message) {
    if (const auto* event = std::get_if<wire::CloudEvent>(&message.content)) {
      note(append_line(lines_, *event), message.topic_name(), event->source);
      return;
    }
    const auto& packet = std::get<wire::Packet>(message.content);
    if (message.missed > 0) {
      report("missed " + plural(message.missed, "event") + " of " + std::string(message.topic_name()) + " from " +
             std::string(packet.header().source));
    }
    PacketLines lines(message.topic_name(), packet, std::nullopt);
    std::uint64_t index = 0;
    for (const wire::PacketEvent& event : packet.events()) {
      if (done()) return;
      note(lines.append(lines_, index++, event), message.topic_name(), packet.header().source);
    }
  }

  void note(const Result<void>& added, std::string_view topic, std::string_view source) {
    if (added) {
      ++printed_;
    } else {
      report("an event of " + std::string(topic) + " from " + std::string(source) +
             " cannot be shown: " + added.error().message());
    }
  }

  void tell_malformed() {
    if (live_.malformed() == told_malformed_) return;
    told_malformed_ = live_.malformed();
    report(std::to_string(told_malformed_) + " malformed so far; the last one: " + live_.last_malformed()->message());
  }

  static constexpr std::size_t messages_per_turn_max = 256;

  const SubscribeOptions& options_;
  Client& client_;
  LivePath live_;
  Bytes lines_;
  std::uint64_t printed_ = 0;
  std::uint64_t told_malformed_ = 0;
  bool told_subscribed_ = false;
};

}  // namespace

int subscribe_live(const SubscribeOptions& options, Client& client) {
  auto live = client.open_live();
  if (!live) return failed(live.error());
  return LiveSubscriber(options, client, std::move(*live)).run();
}

}  // namespace spindle::cli
