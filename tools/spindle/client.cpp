#include "tools/spindle/client.hpp"

#include <unistd.h>

#include <charconv>
#include <utility>

#include "tools/spindle/report.hpp"

namespace spindle::cli {
namespace {

using namespace transport::session_event;

constexpr Duration turn_longest = std::chrono::seconds(1);
constexpr std::size_t outbox_bytes_max = 16 * 1024 * 1024;

std::string short_text(double number) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, number).ptr};
}

std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
  return !a || (b && *b < *a) ? b : a;
}

}  // namespace

Result<std::unique_ptr<Client>> Client::connect(const ProxyOptions& options, std::string source) {
  std::unique_ptr<Client> client(new Client(std::move(source), options.endpoint));
  if (auto ready = client->wait_until_ready(options); !ready) return fail(ready.error());
  return client;
}

Client::Client(std::string source, std::string endpoint)
    : link_(transport::Link::open(context_, std::move(endpoint), {source, outbox_bytes_max}).value()),
      source_(std::move(source)) {}

Client::~Client() { link_.close("done", goodbye_linger); }

Result<void> Client::wait_until_ready(const ProxyOptions& options) {
  const Instant deadline = monotonic_now() + seconds(options.connect_timeout_s);
  while (!session().ready()) {
    auto done = turn({.until = deadline});
    if (!done) return fail(done.error());
    if (done->stops > 0) return fail(ErrorCode::closed, "interrupted");
    if (!session().ready() && done->now.instant >= deadline) {
      const std::string limit = " within " + short_text(options.connect_timeout_s) + " s: ";
      return fail(ErrorCode::unavailable,
                  trouble_.empty() ? "cannot reach the proxy at " + options.endpoint + limit +
                                         "start spindle-proxy, or give --proxy"
                                   : "the proxy at " + options.endpoint + " does not let us in" + limit + trouble_);
    }
  }
  return {};
}

Result<Client::Turn> Client::turn(const Wanted& wanted) {
  link_.flush();
  poll_.clear();
  link_.watch(poll_);
  poll_.add(stop_.fd());
  std::optional<std::size_t> input;
  if (wanted.input) input = poll_.add(STDIN_FILENO);
  auto deadline = earlier(link_.next_deadline(), wanted.until);
  if (wanted.live != nullptr) {
    wanted.live->watch(poll_);
    deadline = earlier(deadline, wanted.live->next_deadline());
  }
  if (session().ready()) deadline = earlier(deadline, renew_at_);
  if (auto waited = poll_.wait(transport::time_until(deadline, std::nullopt, monotonic_now(), turn_longest));
      !waited) {
    return fail(waited.error());
  }

  Turn turn;
  turn.now = Now::read();
  turn.stops = stop_.count();
  turn.input = input && poll_.readable(*input);
  link_.process(turn.now);
  turn.events = session().take_events();
  for (const transport::SessionEvent& event : turn.events) {
    if (auto followed = follow(event); !followed) return fail(followed.error());
  }
  if (wanted.live != nullptr) {
    if (auto processed = wanted.live->process(turn.now); !processed) return fail(processed.error());
  }
  renew_lease(turn.now.instant);
  return turn;
}

Result<void> Client::follow(const transport::SessionEvent& event) {
  if (const auto* over = std::get_if<Failed>(&event)) return fail(over->why);
  if (const auto* lost = std::get_if<Lost>(&event)) {
    if (!std::exchange(lost_, true)) report("lost the proxy, trying again: " + lost->why.text);
  } else if (const auto* halted = std::get_if<Halted>(&event)) {
    report("the proxy stores nothing for now, waiting: " + halted->why.message());
  } else if (const auto* anew = std::get_if<StartedAnew>(&event)) {
    report(transport::describe(*anew));
  } else if (const auto* trouble = std::get_if<Trouble>(&event)) {
    trouble_ = trouble->what.message();
    if (greeted_) report(trouble_);
  } else if (std::holds_alternative<Ready>(event)) {
    greeted_ = true;
    if (std::exchange(lost_, false)) report("the proxy is back");
  }
  return {};
}

/// A user may think for long between two lines: the session's lease is renewed all the while.
void Client::renew_lease(Instant now) {
  if (!session().ready() || now < renew_at_) return;
  const Duration interval = std::chrono::milliseconds(session().welcome().heartbeat_ms);
  if (renew_at_ != Instant()) {  // short commands never get here
    if (!keeper_) {
      auto opened = transport::KeeperSocket::open(context_, link_.endpoint());
      if (opened) keeper_ = std::move(*opened);
    }
    const std::uint64_t id = session().session();
    if (keeper_) (void)keeper_->renew(std::span(&id, 1));
  }
  renew_at_ = now + interval;
}

Result<transport::LivePath> Client::open_live() {
  live_welcome_ = session().welcome();
  return transport::LivePath::open(context_, link_.endpoint(), live_welcome_, source_);
}

Result<bool> Client::renew_live(transport::LivePath& live) {
  const wire::Welcome& now = session().welcome();
  const wire::Welcome& then = live_welcome_;
  if (now.epoch == then.epoch && now.host == then.host && now.publish_port == then.publish_port &&
      now.subscribe_port == then.subscribe_port) {
    return false;
  }
  auto opened = open_live();
  if (!opened) return fail(opened.error());
  live = std::move(*opened);
  return true;
}

}  // namespace spindle::cli
