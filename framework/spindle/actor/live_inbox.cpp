#include "spindle/actor/live_inbox.hpp"

#include <iterator>

#include "spindle/actor/runtime.hpp"
#include "spindle/base/concat.hpp"

namespace spindle::actor {
namespace {

/// Topics and sources of which something is untold; beyond it only the log tells.
constexpr std::size_t untold_max = 10'000;

}  // namespace

void LiveInbox::add(std::vector<transport::LiveMessage> messages) {
  std::move(messages.begin(), messages.end(), std::back_inserter(messages_));
}

void LiveInbox::clear() {
  messages_.clear();
  opened_ = false;
}

bool LiveInbox::step(Runtime& runtime, Now now) {
  while (!messages_.empty()) {
    if (!opened_) open(messages_.front());
    if (incoming_.cloud_event != nullptr && incoming_.index == 0) {
      runtime.on_live(incoming_, now);
      ++incoming_.index;
      return true;
    }
    if (incoming_.index < events_.size()) {
      incoming_.data = events_[incoming_.index].data;
      incoming_.attributes = events_[incoming_.index].attributes;
      runtime.on_live(incoming_, now);
      ++incoming_.index;
      incoming_.missed = 0;
      return true;
    }
    messages_.pop_front();
    opened_ = false;
  }
  return false;
}

void LiveInbox::open(const transport::LiveMessage& message) {
  opened_ = true;
  incoming_ = {};
  incoming_.topic = message.topic_name();
  events_.clear();
  if (const auto* cloud_event = std::get_if<wire::CloudEvent>(&message.content)) {
    incoming_.cloud_event = cloud_event;
    incoming_.data = cloud_event->data;
    return;
  }
  const wire::Packet& packet = std::get<wire::Packet>(message.content);
  incoming_.header = &packet.header();
  incoming_.missed = message.missed;
  events_ = packet.events();
  if (message.missed == 0 && untold_.empty()) return;
  std::string of = concat(incoming_.topic, " of ", packet.header().source);
  if (message.missed > 0) missed_ = {missed_.count + message.missed, of};
  if (events_.empty()) {
    if (untold_.size() < untold_max) untold_[std::move(of)] += message.missed;
  } else if (auto untold = untold_.extract(of)) {
    incoming_.missed += untold.mapped();
  }
}

}  // namespace spindle::actor
