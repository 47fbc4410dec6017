#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/live_publisher.hpp"
#include "spindle/transport/live_subscriber.hpp"
#include "spindle/wire/session_messages.hpp"

namespace spindle::transport {

class Context;
class PollSet;

/// An echo is sent again after this long without an answer, doubled each time up to echo_again_max.
inline constexpr Duration echo_again_min = std::chrono::milliseconds(5);
inline constexpr Duration echo_again_max = std::chrono::milliseconds(200);
/// No echo for this long: both sockets are replaced (libzmq #4057, #4063: a subscriber may stay deaf after the
/// broker was restarted).
inline constexpr Duration echo_deadline = std::chrono::seconds(2);

/// A source's live side: publisher and subscriber, and the echo that proves that what is published passes the proxy
/// and that every subscription made before confirm() is in force. One thread, driven from its owner's loop.
class LivePath {
 public:
  /// `dialled` is the control endpoint; ports, host and epoch are welcome's.
  static Result<LivePath> open(Context& context, std::string_view dialled, const wire::Welcome& welcome,
                               std::string source);

  LivePublisher& publisher() { return publisher_; }
  LiveSubscriber& subscriber() { return subscriber_; }

  /// Asks for a new proof: after subscribing, after every Welcomed, and to learn that all that was published has
  /// reached the proxy.
  void confirm(Now now);
  /// Whether the proof asked for last has come.
  bool confirmed() const { return confirmed_ == asked_; }

  void watch(PollSet& poll) const;
  /// The messages that wait, at most `most`. Malformed ones are counted, and the first one's error is kept.
  std::vector<LiveMessage> receive(std::size_t most, Now now);
  /// Sends echoes, packets and totals that are due; replaces the sockets when the echo stays away.
  Result<void> process(Now now);
  std::optional<Instant> next_deadline() const;

  /// Messages that were neither a packet nor a CloudEvent, and what was wrong with the last one.
  std::uint64_t malformed() const { return malformed_; }
  const std::optional<Error>& last_malformed() const { return last_malformed_; }
  /// How often the sockets had to be replaced.
  std::uint64_t reconnects() const { return reconnects_; }

 private:
  LivePath(LivePublisher publisher, LiveSubscriber subscriber);
  Result<void> echo(Now now);

  LivePublisher publisher_;
  LiveSubscriber subscriber_;
  std::string echo_name_;
  std::uint64_t asked_ = 0;
  std::uint64_t confirmed_ = 0;
  Instant echo_at_{};
  Instant replace_at_{};
  Duration echo_again_ = echo_again_min;
  std::uint64_t malformed_ = 0;
  std::uint64_t reconnects_ = 0;
  std::optional<Error> last_malformed_;
};

}  // namespace spindle::transport
