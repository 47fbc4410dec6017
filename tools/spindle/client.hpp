#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/context.hpp"
#include "spindle/transport/keeper_socket.hpp"
#include "spindle/transport/link.hpp"
#include "spindle/transport/live_path.hpp"
#include "spindle/transport/poll_set.hpp"
#include "tools/spindle/proxy_options.hpp"
#include "tools/spindle/stop_signal.hpp"

namespace spindle::cli {

/// How long leaving may take: what is still queued is sent.
inline constexpr Duration goodbye_linger = std::chrono::seconds(1);

/// A command's session with the proxy and the loop that drives it. Tells the user, on standard error, when the
/// connection is lost and found again. One thread.
class Client {
 public:
  /// Returns with a session begun. Errors: unavailable (not reached in time), closed (interrupted), or why the proxy
  /// refuses the source.
  static Result<std::unique_ptr<Client>> connect(const ProxyOptions& options, std::string source);
  /// Says goodbye, so that the proxy need not remember the source.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  struct Wanted {
    /// Return when standard input can be read.
    bool input = false;
    /// Keep this going and return when it has received something.
    transport::LivePath* live = nullptr;
    /// Return then at the latest.
    std::optional<Instant> until = std::nullopt;
  };
  struct Turn {
    Now now{};
    std::vector<transport::SessionEvent> events;
    bool input = false;
    /// How often the user has asked to stop so far.
    int stops = 0;
  };
  /// Sends what is to be sent, waits until there is something to do, and returns what happened. Fails when the
  /// session is over for good.
  Result<Turn> turn(const Wanted& wanted);

  transport::ClientSession& session() { return link_.session(); }
  const std::string& source() const { return source_; }
  /// Sockets for live events, at the ports that the proxy named.
  Result<transport::LivePath> open_live();
  /// Call it when a session began: replaces `live` if it does not fit the session. Returns whether it did; then
  /// nothing is subscribed. Confirm it in any case.
  Result<bool> renew_live(transport::LivePath& live);

 private:
  Client(std::string source, std::string endpoint);
  Result<void> wait_until_ready(const ProxyOptions& options);
  Result<void> follow(const transport::SessionEvent& event);
  void renew_lease(Instant now);

  StopSignal stop_;  // before the context starts its threads
  transport::Context context_;
  transport::Link link_;
  transport::PollSet poll_;
  std::optional<transport::KeeperSocket> keeper_;
  std::string source_;
  std::string trouble_;
  wire::Welcome live_welcome_;  // what the live path was opened with
  Instant renew_at_{};
  bool greeted_ = false;
  bool lost_ = false;
};

}  // namespace spindle::cli
