#include <utility>

#include "tools/spindle/client.hpp"
#include "tools/spindle/command.hpp"
#include "tools/spindle/event_input.hpp"
#include "tools/spindle/publish.hpp"
#include "tools/spindle/report.hpp"

namespace spindle::cli {
namespace {

using namespace transport::session_event;
using transport::LivePath;

class LivePublisher {
 public:
  LivePublisher(const PublishOptions& options, Client& client, EventInput& input, LivePath live)
      : options_(options), client_(client), input_(input), live_(std::move(live)) {}

  int run(Duration connect_timeout) {
    const Now start = Now::read();
    live_.confirm(start);
    if (auto reached = wait_for_echo(start.instant + connect_timeout); !reached) return failed(reached.error());
    while (!input_.ended() || held_) {
      auto turn = next_turn({.input = !input_.ended() && !held_ && open_road(), .live = &live_});
      if (!turn) return failed(turn.error());
      if (turn->stops > 0) interrupt();
      if (turn->stops > 1) return failed({ErrorCode::closed, "interrupted"});
      if (!open_road()) continue;
      if (turn->input) input_.read();
      if (auto done = publish_read(turn->now); !done) return failed(done.error());
    }
    return finish(connect_timeout);
  }

 private:
  Result<Client::Turn> next_turn(const Client::Wanted& wanted) {
    auto turn = client_.turn(wanted);
    if (!turn) return turn;
    for (const auto& event : turn->events) {
      if (std::holds_alternative<Lost>(event)) lost_ = true;
      if (!std::holds_alternative<Welcomed>(event)) continue;
      if (auto renewed = client_.renew_live(live_); !renewed) return fail(renewed.error());
      live_.confirm(turn->now);
    }
    (void)live_.receive(messages_per_turn_max, turn->now);  // echoes: nothing else is subscribed
    return turn;
  }

  Result<void> wait_for_echo(Instant deadline) {
    while (!live_.confirmed()) {
      auto turn = next_turn({.live = &live_, .until = deadline});
      if (!turn) return fail(turn.error());
      if (turn->stops > (interrupted_ ? 1 : 0)) return fail(ErrorCode::closed, "interrupted");
      if (!live_.confirmed() && turn->now.instant >= deadline) {
        return fail(ErrorCode::timeout,
                    "the proxy's live ports do not echo: check that the ports named by spindle-proxy, the two above "
                    "its control port, can be reached from here");
      }
    }
    return {};
  }

  /// The input waits while the proxy is away.
  bool open_road() { return client_.session().ready() && live_.confirmed(); }

  Result<void> publish_read(Now now) {
    if (!held_) held_ = input_.next();
    while (held_) {
      auto published = live_.publisher().publish({options_.topic, held_->data, {}, held_->key}, now);
      if (!published && published.error().code == ErrorCode::outbox_full) break;  // goes on when some has left
      if (!published) return published;
      held_ = input_.next();
    }
    auto flushed = live_.publisher().flush(now);
    return flushed ? Result<void>{} : fail(flushed.error());
  }

  int finish(Duration timeout) {
    if (input_.wrong()) report(input_.wrong()->message());
    const Now now = Now::read();
    // This source falls silent: the totals tell subscribers if its last packet did not reach them.
    (void)live_.publisher().on_tick({now.instant + transport::live_totals_after, now.wall_ns});
    live_.confirm(now);
    const auto passed = wait_for_echo(now.instant + timeout);
    live_.publisher().set_linger(goodbye_linger);
    if (!passed || lost_) {
      return failed(
          {ErrorCode::unavailable,
           "the proxy was lost meanwhile, and live events with it perhaps: publish with --durable what must "
           "not be lost"});
    }
    if (interrupted_) return exit_failure;
    return input_.wrong() ? exit_usage : exit_ok;
  }

  void interrupt() {
    if (input_.ended()) return;
    interrupted_ = true;
    input_.close();
  }

  static constexpr std::size_t messages_per_turn_max = 64;

  const PublishOptions& options_;
  Client& client_;
  EventInput& input_;
  LivePath live_;
  std::optional<EventInput::Event> held_;  // not taken yet, since too much waits for the socket
  bool lost_ = false;
  bool interrupted_ = false;
};

}  // namespace

int publish_live(const PublishOptions& options, Client& client, EventInput& input) {
  auto live = client.open_live();
  if (!live) return failed(live.error());
  return LivePublisher(options, client, input, std::move(*live)).run(seconds(options.proxy.connect_timeout_s));
}

}  // namespace spindle::cli
