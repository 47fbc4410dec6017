#include "proxy/proxy.hpp"

#include <pthread.h>

#include <algorithm>
#include <charconv>
#include <random>

#include "proxy/broker_config.hpp"
#include "proxy/log.hpp"
#include "proxy/storage.hpp"

namespace spindle::proxy {
namespace {

std::string endpoint_of(const std::string& address, std::uint16_t port) {
  const bool v6 = address.find(':') != std::string::npos;
  return "tcp://" + (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

std::uint16_t port_of(const std::string& endpoint) {
  std::uint16_t port = 0;
  const char* digits = endpoint.data() + endpoint.rfind(':') + 1;
  std::from_chars(digits, endpoint.data() + endpoint.size(), port);
  return port;
}

/// Session numbers must not be guessed.
std::uint64_t entropy() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

}  // namespace

Proxy::Proxy(Options options, transport::Context& context, Files& files)
    : options_(std::move(options)), context_(context), files_(files) {}

Proxy::~Proxy() { (void)stop(); }

Result<void> Proxy::start() {
  auto sockets = bind();
  if (!sockets) return fail(std::move(sockets.error()));
  const auto loss = options_.accept_loss ? spool::Loss::accept : spool::Loss::refuse;
  auto recovered = recover_broker(files_, options_.spool, options_.segment_bytes, loss, broker_config(), Now::read());
  if (!recovered) return fail(std::move(recovered.error()));

  auto control = std::make_unique<ControlEndpoint>(std::move(sockets->control), std::move(recovered->broker),
                                                   std::move(recovered->storage), copies_, captured_);
  if (auto begun = control->begin(); !begun) return begun;
  control_ = std::move(control);
  forwarder_ = std::make_unique<Forwarder>(std::move(sockets->publish), std::move(sockets->subscribe),
                                           options_.capture, copies_, captured_);
  control_thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "control");
    ended_.post(control_->run());
  });
  forwarder_thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "forwarder");
    ended_.post(forwarder_->run());
  });
  announce(recovered->description);
  return {};
}

Result<void> Proxy::stop() {
  // The control thread first: what it stores last still goes out to live subscribers.
  if (control_thread_.joinable()) {
    control_->stop();
    control_thread_.join();
  }
  if (forwarder_thread_.joinable()) {
    forwarder_->stop();
    forwarder_thread_.join();
  }
  control_.reset();
  forwarder_.reset();
  Result<void> result;
  for (Result<void>& end : ended_.take()) {
    if (result && !end) result = std::move(end);
  }
  return result;
}

Result<Proxy::Sockets> Proxy::bind() {
  const auto at = [&](int distance) {
    return options_.port == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(options_.port + distance);
  };
  auto control = bind(transport::SocketKind::router, at(0), ports_.control);
  if (!control) return fail(std::move(control.error()));
  auto publish = bind(transport::SocketKind::xsub, at(1), ports_.publish);
  if (!publish) return fail(std::move(publish.error()));
  auto subscribe = bind(transport::SocketKind::xpub, at(2), ports_.subscribe);
  if (!subscribe) return fail(std::move(subscribe.error()));
  return Sockets{std::move(*control), std::move(*publish), std::move(*subscribe)};
}

Result<transport::Socket> Proxy::bind(transport::SocketKind kind, std::uint16_t port, std::uint16_t& bound) {
  auto socket = transport::Socket::open(context_, kind);
  if (!socket) return socket;
  auto endpoint = socket->bind(endpoint_of(options_.listen, port));
  if (!endpoint) return fail(std::move(endpoint.error()));
  bound = port_of(*endpoint);
  return socket;
}

BrokerConfig Proxy::broker_config() const {
  BrokerConfig config;
  config.advertise_host = options_.advertise;
  config.publish_port = ports_.publish;
  config.subscribe_port = ports_.subscribe;
  config.seed = entropy();
  config.lease = options_.lease;
  config.heartbeat = std::min<Duration>(config.heartbeat, options_.lease / 4);
  config.retention = options_.retention;
  config.disk_reserve_bytes = options_.disk_reserve_bytes;
  config.forget_sources_after = options_.forget_sources_after;
  return config;
}

void Proxy::announce(const std::string& spool) const {
  if (options_.insecure) {
    log::warn("INSECURE: listening on " + options_.listen +
              " without authentication; whoever reaches the ports can read and publish everything");
  }
  log::info("serving on " + options_.listen + " control=" + std::to_string(ports_.control) + " publish=" +
            std::to_string(ports_.publish) + " subscribe=" + std::to_string(ports_.subscribe) + " with " + spool);
}

}  // namespace spindle::proxy
