#pragma once

#include <memory>

namespace spindle::transport {

/// libzmq's context: its I/O thread and the namespace of inproc endpoints. One per process (two with CURVE can
/// crash, libzmq #4242). Outlives its sockets; destroying it waits for what sockets still linger over. Thread-safe.
class Context {
 public:
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// The zmq::context_t, for the classes of this folder.
  void* handle() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace spindle::transport
