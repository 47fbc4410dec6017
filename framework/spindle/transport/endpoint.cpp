#include "spindle/transport/endpoint.hpp"

#include <algorithm>
#include <charconv>

namespace spindle::transport {
namespace {

constexpr std::string_view tcp = "tcp://";

std::string_view host_of(std::string_view endpoint) {
  if (!endpoint.starts_with(tcp)) return {};
  endpoint.remove_prefix(tcp.size());
  if (std::size_t source = endpoint.find(';'); source != endpoint.npos) endpoint.remove_prefix(source + 1);
  return endpoint.substr(0, endpoint.rfind(':'));
}

/// A number up to 65535, or "*": libzmq's word for a free port.
bool has_port(std::string_view endpoint) {
  const std::string_view port = endpoint.substr(std::min(endpoint.rfind(':') + 1, endpoint.size()));
  if (port == "*") return true;
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && end == port.data() + port.size();
}

}  // namespace

Result<void> check_endpoint(std::string_view endpoint) {
  for (std::string_view scheme : {tcp, std::string_view("ipc://"), std::string_view("inproc://")}) {
    const bool whole = endpoint.starts_with(scheme) && endpoint.size() > scheme.size();
    if (whole && (scheme != tcp || (!host_of(endpoint).empty() && has_port(endpoint)))) return {};
  }
  return fail(ErrorCode::invalid_argument, "'" + std::string(endpoint) +
                                               "' is not an endpoint: write tcp://host:port, ipc://path or "
                                               "inproc://name");
}

std::string live_endpoint(std::string_view dialled, std::string_view advertised_host, std::uint64_t port) {
  std::string_view host = advertised_host.empty() ? host_of(dialled) : advertised_host;
  if (host.empty()) host = "127.0.0.1";
  const bool bare_ipv6 = host.find(':') != host.npos && host.front() != '[';
  std::string endpoint(tcp);
  if (bare_ipv6) endpoint += '[';
  endpoint += host;
  if (bare_ipv6) endpoint += ']';
  return endpoint + ":" + std::to_string(port);
}

}  // namespace spindle::transport
