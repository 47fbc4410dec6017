#include "spindle/transport/live_subscriber.hpp"

#include <algorithm>
#include <utility>

#include "spindle/transport/context.hpp"

namespace spindle::transport {
namespace {

Result<Socket> connected_socket(Context& context, const std::string& endpoint) {
  auto socket = Socket::open(context, SocketKind::sub);
  if (!socket) return socket;
  if (auto connected = socket->connect(endpoint); !connected) return fail(connected.error());
  return socket;
}

}  // namespace

LiveSubscriber::LiveSubscriber(Context& context, std::string endpoint, Socket socket)
    : context_(&context), endpoint_(std::move(endpoint)), socket_(std::move(socket)) {}

Result<LiveSubscriber> LiveSubscriber::open(Context& context, const std::string& endpoint) {
  auto socket = connected_socket(context, endpoint);
  if (!socket) return fail(socket.error());
  return LiveSubscriber(context, endpoint, std::move(*socket));
}

Result<void> LiveSubscriber::subscribe(const wire::Pattern& pattern) {
  if (auto done = socket_.subscribe(pattern.literal_prefix()); !done) return done;
  patterns_.push_back(pattern);
  return {};
}

Result<void> LiveSubscriber::unsubscribe(const wire::Pattern& pattern) {
  auto found = std::find(patterns_.begin(), patterns_.end(), pattern);
  if (found == patterns_.end()) return fail(ErrorCode::not_found, "there is no subscription to " + pattern.text());
  patterns_.erase(found);
  return socket_.unsubscribe(pattern.literal_prefix());  // libzmq counts equal ones
}

Result<void> LiveSubscriber::watch_echo(const std::string& topic) {
  if (!echo_topic_.empty()) {
    if (auto done = socket_.unsubscribe(echo_topic_); !done) return done;
  }
  echo_topic_ = topic;
  return socket_.subscribe(topic);
}

Result<void> LiveSubscriber::reconnect() {
  auto socket = connected_socket(*context_, endpoint_);
  if (!socket) return fail(socket.error());
  socket_ = std::move(*socket);
  for (const wire::Pattern& pattern : patterns_) {
    if (auto done = socket_.subscribe(pattern.literal_prefix()); !done) return done;
  }
  // Last, so that its echo proves the others.
  return echo_topic_.empty() ? Result<void>{} : socket_.subscribe(echo_topic_);
}

bool LiveSubscriber::wanted(std::string_view topic) const {
  return std::any_of(patterns_.begin(), patterns_.end(),
                     [&](const wire::Pattern& pattern) { return pattern.matches(topic); });
}

Result<std::optional<LiveSubscriber::Input>> LiveSubscriber::next() {
  while (true) {
    auto received = socket_.receive(frames_);
    if (!received) return fail(received.error());
    if (!*received) return std::optional<Input>();
    const std::string_view topic = frames_[0].view;
    const bool echo = !echo_topic_.empty() && topic == echo_topic_;
    if (!echo && !wanted(topic)) continue;
    if (frames_.size() != 2) {
      return fail(ErrorCode::malformed, "a message on '" + std::string(topic.substr(0, limits::topic_bytes_max)) +
                                            "' has " + std::to_string(frames_.size()) +
                                            " frames, not a topic and a payload");
    }
    if (!echo) {
      auto message = parse(std::move(frames_[0]), std::move(frames_[1]));
      if (!message) return fail(message.error());
      return std::optional<Input>(Input{std::nullopt, std::move(*message)});
    }
    auto packet = wire::Packet::parse(frames_[1].view, values_);
    if (packet) return std::optional<Input>(Input{packet->header().sequence, {}});
  }
}

Result<LiveMessage> LiveSubscriber::parse(SharedBytes topic, SharedBytes payload) {
  LiveMessage message{std::move(topic), std::move(payload), {}, 0};
  auto on_topic = [&](const Error& error) {
    return Error{error.code, "a message on " + std::string(message.topic.view) + ": " + error.text};
  };
  if (!wire::Packet::looks_like_one(message.payload.view)) {
    auto event = wire::CloudEvent::parse(message.topic.view, message.payload.view);
    if (!event) return fail(on_topic(event.error()));
    message.content = std::move(*event);
    return message;
  }
  auto packet = wire::Packet::parse(message.payload.view, values_);
  if (!packet) return fail(on_topic(packet.error()));
  message.missed = misses_.note(message.topic.view, packet->header());
  message.content = std::move(*packet);
  return message;
}

}  // namespace spindle::transport
