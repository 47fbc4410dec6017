#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/miss_counter.hpp"
#include "spindle/transport/socket.hpp"
#include "spindle/wire/cloud_event.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/topic.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::transport {

class Context;

/// A message from the subscribe port. `content` points into `payload`. A packet without events only brings `missed`.
struct LiveMessage {
  SharedBytes topic;
  SharedBytes payload;
  std::variant<wire::Packet, wire::CloudEvent> content;
  /// Events of this source, topic and class that were missed before it.
  std::uint64_t missed = 0;

  std::string_view topic_name() const { return topic.view; }
};

/// A subscription to live events. The socket subscribes to each pattern's literal prefix; the rest is filtered here.
/// One thread.
class LiveSubscriber {
 public:
  static Result<LiveSubscriber> open(Context& context, const std::string& endpoint);

  /// In force when the proxy has read it, which an echo proves (LivePath).
  Result<void> subscribe(const wire::Pattern& pattern);
  Result<void> unsubscribe(const wire::Pattern& pattern);
  /// Topics of its own, exactly: for echoes.
  Result<void> watch_echo(const std::string& topic);

  /// The next message that a pattern matches (or an echo topic, told by `echo_nonce`), if one waits. A malformed
  /// message is an error that names its topic; the next call goes on behind it.
  struct Input {
    std::optional<std::uint64_t> echo_nonce;
    LiveMessage message;
  };
  Result<std::optional<Input>> next();

  /// Replaces the connection by a new one with the same subscriptions.
  Result<void> reconnect();

  const Socket& socket() const { return socket_; }
  const MissCounter& misses() const { return misses_; }

 private:
  LiveSubscriber(Context& context, std::string endpoint, Socket socket);
  bool wanted(std::string_view topic) const;
  Result<LiveMessage> parse(SharedBytes topic, SharedBytes payload);

  Context* context_;
  std::string endpoint_;
  Socket socket_;
  std::vector<wire::Pattern> patterns_;
  std::string echo_topic_;
  MissCounter misses_;
  std::vector<SharedBytes> frames_;
  wire::Values values_;
};

}  // namespace spindle::transport
