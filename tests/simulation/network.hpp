#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "chance.hpp"
#include "proxy/broker.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::simulation {

/// The connections between processes and the proxy. On each, messages arrive in order, after a while; those of
/// different connections overtake each other. A connection breaks with some of what was under way in either
/// direction, and the end that did not break it may learn of that late or never.
class Network {
 public:
  Network(Chance& chance, std::uint64_t delay_ms_max) : chance_(chance), delay_ms_max_(delay_ms_max) {}

  /// A connection of its own for this process; its name is what the proxy knows it by.
  proxy::Peer connect(const std::string& source);
  void to_proxy(const proxy::Peer& peer, wire::Message message, Instant now);
  /// False when the proxy can tell that the peer is not there any more.
  bool to_client(const proxy::Peer& peer, wire::Message message, Instant now);

  struct Arrived {
    proxy::Peer peer;
    wire::Message message;
  };
  /// The next message for the proxy that is due, of a connection that chance chooses.
  std::optional<Arrived> arrive_at_proxy(Instant now);
  std::optional<wire::Message> arrive_at_client(const proxy::Peer& peer, Instant now);
  bool is_open(const proxy::Peer& peer) const;

  /// The process closes its end, or dies. What it sent may still arrive, all or some or nothing.
  void close(const proxy::Peer& peer);
  /// Breaks; the process notices. The proxy does when it sends, or never (`silently`: it seems to be there).
  void drop(const proxy::Peer& peer, bool silently);
  /// Nothing reaches the process any more, and nobody notices.
  void go_deaf(const proxy::Peer& peer);
  /// The proxy died: nothing that was under way arrives. Some processes notice, for others the socket reconnects.
  void proxy_gone();
  /// Nothing takes time any more, and connections that nothing comes through are seen to be broken.
  void heal();

 private:
  struct OnTheWay {
    Instant due;
    wire::Message message;
  };
  struct Connection {
    bool client_open = true;
    bool known_gone = false;  // to the proxy
    bool deaf = false;
    std::deque<OnTheWay> up;
    std::deque<OnTheWay> down;
  };
  void send(std::deque<OnTheWay>& way, wire::Message message, Instant now);

  Chance& chance_;
  std::uint64_t delay_ms_max_;
  std::map<proxy::Peer, Connection> connections_;
  std::uint64_t made_ = 0;
};

}  // namespace spindle::simulation
