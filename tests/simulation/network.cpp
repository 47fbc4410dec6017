#include "network.hpp"

#include <algorithm>
#include <utility>

namespace spindle::simulation {

using namespace std::chrono_literals;

proxy::Peer Network::connect(const std::string& source) {
  proxy::Peer peer = source + "#" + std::to_string(++made_);
  connections_[peer];
  return peer;
}

void Network::send(std::deque<OnTheWay>& way, wire::Message message, Instant now) {
  Instant due = now;
  if (delay_ms_max_ > 0 && !chance_.one_in(3)) {
    due += std::chrono::milliseconds(chance_.one_in(40) ? chance_.below(9'000) : chance_.below(delay_ms_max_));
  }
  if (!way.empty()) due = std::max(due, way.back().due);
  way.push_back({due, std::move(message)});
}

void Network::to_proxy(const proxy::Peer& peer, wire::Message message, Instant now) {
  auto found = connections_.find(peer);
  if (found != connections_.end() && found->second.client_open) send(found->second.up, std::move(message), now);
}

bool Network::to_client(const proxy::Peer& peer, wire::Message message, Instant now) {
  auto found = connections_.find(peer);
  if (found == connections_.end() || found->second.known_gone) return false;
  if (found->second.client_open && !found->second.deaf) send(found->second.down, std::move(message), now);
  return true;
}

std::optional<Network::Arrived> Network::arrive_at_proxy(Instant now) {
  if (connections_.empty()) return std::nullopt;
  auto at = connections_.begin();
  std::advance(at, static_cast<std::ptrdiff_t>(chance_.below(connections_.size())));
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    auto& [peer, connection] = *at;
    if (!connection.up.empty() && connection.up.front().due <= now) {
      Arrived arrived{peer, std::move(connection.up.front().message)};
      connection.up.pop_front();
      if (!connection.client_open && connection.up.empty() && connection.known_gone) connections_.erase(at);
      return arrived;
    }
    if (++at == connections_.end()) at = connections_.begin();
  }
  return std::nullopt;
}

std::optional<wire::Message> Network::arrive_at_client(const proxy::Peer& peer, Instant now) {
  auto found = connections_.find(peer);
  if (found == connections_.end() || !found->second.client_open) return std::nullopt;
  auto& down = found->second.down;
  if (down.empty() || down.front().due > now) return std::nullopt;
  wire::Message message = std::move(down.front().message);
  down.pop_front();
  return message;
}

bool Network::is_open(const proxy::Peer& peer) const {
  auto found = connections_.find(peer);
  return found != connections_.end() && found->second.client_open;
}

void Network::close(const proxy::Peer& peer) { drop(peer, chance_.one_in(3)); }

void Network::drop(const proxy::Peer& peer, bool silently) {
  auto found = connections_.find(peer);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  connection.client_open = false;
  connection.known_gone = !silently;
  connection.down.clear();
  connection.up.resize(connection.up.size() - chance_.below(connection.up.size() + 1));
}

void Network::go_deaf(const proxy::Peer& peer) {
  auto found = connections_.find(peer);
  if (found != connections_.end()) found->second.deaf = true;
}

void Network::proxy_gone() {
  for (auto& [peer, connection] : connections_) {
    connection.up.clear();
    connection.down.resize(chance_.below(connection.down.size() + 1));
    if (!chance_.one_in(3)) connection.client_open = false;
  }
  std::erase_if(connections_, [](const auto& one) { return !one.second.client_open; });
}

void Network::heal() {
  delay_ms_max_ = 0;
  for (auto& [peer, connection] : connections_) {
    if (connection.deaf) connection.client_open = false;
  }
}

}  // namespace spindle::simulation
