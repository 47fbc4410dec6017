#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/client_session.hpp"

namespace spindle::transport {

class Context;
class PollSet;

/// A source's connection to a proxy: a DEALER, its connection's state, and the ClientSession that both drive. Runs in
/// its owner's loop, which watches it, waits, processes and takes events:
///
///   while (running) {
///     poll.clear();
///     link.watch(poll);
///     poll.wait(time_until(link.next_deadline(), timers.next(), monotonic_now(), 1s));
///     link.process(Now::read());
///     for (SessionEvent& event : link.session().take_events()) std::visit(handler, event);
///     link.flush();  // what the handlers published, settled and asked for
///   }
///
/// One thread.
class Link {
 public:
  /// Begins to connect, and goes on trying for ever: a proxy that is not there yet is no error.
  static Result<Link> open(Context& context, std::string endpoint, SessionOptions options);
  ~Link();
  Link(Link&&) noexcept;
  Link& operator=(Link&&) noexcept;

  void watch(PollSet& poll) const;
  /// Reads what waits (a bounded number of messages), lets timers fire, sends.
  void process(Now now);
  /// Sends what the session has to send.
  void flush();
  std::optional<Instant> next_deadline() const;

  ClientSession& session();
  const std::string& endpoint() const;

  /// Says goodbye and closes within `linger`.
  void close(std::string reason, Duration linger);

 private:
  struct State;
  explicit Link(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace spindle::transport
