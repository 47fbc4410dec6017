#include "spindle/transport/link.hpp"

#include <random>
#include <utility>

#include "spindle/transport/connection_monitor.hpp"
#include "spindle/transport/context.hpp"
#include "spindle/transport/endpoint.hpp"
#include "spindle/transport/poll_set.hpp"
#include "spindle/transport/socket.hpp"

namespace spindle::transport {
namespace {

constexpr int messages_per_turn_max = 256;
constexpr Duration try_again_after = std::chrono::milliseconds(10);

std::uint64_t random_number() {
  std::random_device entropy;
  return std::uint64_t{entropy()} << 32 | entropy() | 1;
}

}  // namespace

/// A DEALER and what tells its state; replaced as a whole.
struct Connection {
  Socket dealer;
  std::optional<ConnectionMonitor> monitor;

  static Result<Connection> open(Context& context, const std::string& endpoint) {
    auto dealer = Socket::open(context, SocketKind::dealer);
    if (!dealer) return fail(dealer.error());
    Connection connection{std::move(*dealer), std::nullopt};
    if (!endpoint.starts_with("inproc://")) {
      auto monitor = ConnectionMonitor::attach(context, connection.dealer);
      if (!monitor) return fail(monitor.error());
      connection.monitor = std::move(*monitor);
    }
    if (auto connected = connection.dealer.connect(endpoint); !connected) return fail(connected.error());
    return connection;
  }
};

struct Link::State {
  Context& context;
  std::string endpoint;
  ClientSession session;
  std::optional<Connection> connection;
  std::optional<wire::Message> unsent;
  std::optional<Instant> try_again_at;

  Result<void> reopen(Instant now) {
    connection.reset();
    unsent.reset();
    auto opened = Connection::open(context, endpoint);
    if (!opened) return fail(opened.error());
    connection = std::move(*opened);
    if (!connection->monitor) session.connected(now);
    return {};
  }

  void read(Instant now) {
    std::vector<SharedBytes> frames;
    for (int i = 0; i < messages_per_turn_max; ++i) {
      auto received = connection->dealer.receive(frames);
      if (received && !*received) return;
      if (received) session.on_message(frames, now);
    }
  }

  void follow_connection(Instant now) {
    while (auto change = connection->monitor ? connection->monitor->next() : std::nullopt) {
      unsent.reset();
      if (*change == ConnectionChange::up) {
        session.connected(now);
      } else {
        session.disconnected(now);
      }
    }
  }

  void flush() {
    if (!connection) return;
    try_again_at.reset();
    while (true) {
      if (!unsent) unsent = session.next_message();
      if (!unsent) return;
      auto sent = connection->dealer.send(*unsent);
      if (!sent || *sent != Sent::sent) {
        try_again_at = monotonic_now() + try_again_after;
        return;
      }
      unsent.reset();
    }
  }
};

Link::Link(std::unique_ptr<State> state) : state_(std::move(state)) {}
Link::~Link() = default;
Link::Link(Link&&) noexcept = default;
Link& Link::operator=(Link&&) noexcept = default;

Result<Link> Link::open(Context& context, std::string endpoint, SessionOptions options) {
  if (auto known = check_endpoint(endpoint); !known) return fail(known.error());
  if (options.process == 0) options.process = random_number();
  auto state = std::make_unique<State>(State{context, std::move(endpoint), ClientSession(std::move(options)),
                                             std::nullopt, std::nullopt, std::nullopt});
  if (auto opened = state->reopen(monotonic_now()); !opened) return fail(opened.error());
  return Link(std::move(state));
}

void Link::watch(PollSet& poll) const {
  if (!state_->connection) return;
  poll.add(state_->connection->dealer);
  if (state_->connection->monitor) poll.add(state_->connection->monitor->events());
}

void Link::process(Now now) {
  State& state = *state_;
  if (state.connection) {
    state.read(now.instant);
    state.follow_connection(now.instant);
  }
  state.session.on_tick(now.instant);
  if (state.session.take_reconnect() || (!state.connection && !state.session.failed())) {
    // Without descriptors it fails; the next turn tries again.
    if (!state.reopen(now.instant)) state.try_again_at = now.instant + try_again_after;
  }
  state.flush();
}

void Link::flush() { state_->flush(); }

std::optional<Instant> Link::next_deadline() const {
  auto deadline = state_->session.next_deadline();
  const auto& again = state_->try_again_at;
  return again && (!deadline || *again < *deadline) ? again : deadline;
}

ClientSession& Link::session() { return state_->session; }

const std::string& Link::endpoint() const { return state_->endpoint; }

void Link::close(std::string reason, Duration linger) {
  state_->session.goodbye(std::move(reason));
  state_->flush();
  if (state_->connection) state_->connection->dealer.set_linger(linger);
  state_->connection.reset();
}

}  // namespace spindle::transport
