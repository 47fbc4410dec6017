#include "spindle/transport/context.hpp"

#include <zmq.hpp>

namespace spindle::transport {
namespace {

constexpr int sockets_max = 65'536;  // libzmq's default of 1023 is less than the descriptors a proxy may have

}  // namespace

struct Context::State {
  zmq::context_t context;
};

Context::Context() : state_(std::make_unique<State>()) {
  state_->context.set(zmq::ctxopt::max_sockets, sockets_max - 1);
}

Context::~Context() = default;

void* Context::handle() const { return &state_->context; }

}  // namespace spindle::transport
