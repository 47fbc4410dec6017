#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "proxy/capture_queue.hpp"
#include "proxy/control_endpoint.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/live_copies.hpp"
#include "proxy/options.hpp"
#include "spindle/base/files.hpp"
#include "spindle/base/mailbox.hpp"
#include "spindle/base/result.hpp"
#include "spindle/transport/context.hpp"

namespace spindle::proxy {

/// The ports as bound.
struct Ports {
  std::uint16_t control = 0;
  std::uint16_t publish = 0;
  std::uint16_t subscribe = 0;
};

/// A whole proxy: main makes one, and so may a test, in its own process. Its threads are control, committer (with a
/// spool) and forwarder; they talk by mailboxes only. Used by one thread.
class Proxy {
 public:
  /// `context` and `files` must outlive it.
  Proxy(Options options, transport::Context& context, Files& files = posix_files());
  /// Stops it.
  ~Proxy();
  Proxy(const Proxy&) = delete;
  Proxy& operator=(const Proxy&) = delete;

  /// Binds the ports, recovers the spool and starts the threads: when it returns, clients are served and what
  /// recovery changed is durable. Once.
  Result<void> start();
  /// Ends in order (ControlEndpoint::run says how) and returns when all threads have ended. An error says that the
  /// proxy had failed, then or before.
  Result<void> stop();

  /// Readable when the proxy has ended by itself, which is a failure: stop() returns it.
  int ended_fd() const { return ended_.fd(); }
  /// Of a started proxy.
  const Ports& ports() const { return ports_; }

 private:
  struct Sockets {
    transport::Socket control;
    transport::Socket publish;
    transport::Socket subscribe;
  };

  Result<Sockets> bind();
  Result<transport::Socket> bind(transport::SocketKind kind, std::uint16_t port, std::uint16_t& bound);
  BrokerConfig broker_config() const;
  void announce(const std::string& spool) const;

  Options options_;
  transport::Context& context_;
  Files& files_;
  Ports ports_;

  LiveCopies copies_;
  CaptureQueue captured_{capture_queue_bytes_max};
  std::unique_ptr<ControlEndpoint> control_;
  std::unique_ptr<Forwarder> forwarder_;
  Mailbox<Result<void>> ended_;  // what the threads came to
  std::thread control_thread_;
  std::thread forwarder_thread_;
};

}  // namespace spindle::proxy
