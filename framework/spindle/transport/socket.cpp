#include "spindle/transport/socket.hpp"

#include <utility>

#include "spindle/transport/context.hpp"
#include "spindle/transport/endpoint.hpp"
#include "spindle/transport/multipart.hpp"
#include "spindle/transport/multipart_frames.hpp"
#include "spindle/transport/socket_options.hpp"
#include "spindle/transport/zmq_error.hpp"

namespace spindle::transport {
namespace {

/// Runs what may throw zmq::error_t and gives its value or the Error.
template <class Work>
auto guarded(std::string_view doing, Work work) -> Result<decltype(work())> {
  try {
    if constexpr (std::is_void_v<decltype(work())>) {
      work();
      return {};
    } else {
      return work();
    }
  } catch (const zmq::error_t& error) {
    return fail(from_zmq(error, doing));
  }
}

bool receive_frame(zmq::socket_t& socket, zmq::message_t& frame) {
  for (;;) {
    try {
      return socket.recv(frame, zmq::recv_flags::dontwait).has_value();
    } catch (const zmq::error_t& error) {
      if (error.num() != EINTR) throw;
    }
  }
}

Sent send_frame(zmq::socket_t& socket, zmq::message_t& frame, bool more) {
  const auto flags = more ? zmq::send_flags::dontwait | zmq::send_flags::sndmore : zmq::send_flags::dontwait;
  for (;;) {
    try {
      return socket.send(frame, flags).has_value() ? Sent::sent : Sent::would_block;
    } catch (const zmq::error_t& error) {
      if (error.num() == EHOSTUNREACH) return Sent::unreachable;
      if (error.num() != EINTR) throw;
    }
  }
}

/// libzmq looks at what its I/O thread told it only now and then; a queue that seems full may not be.
void catch_up(zmq::socket_t& socket) { (void)socket.get(zmq::sockopt::events); }

void release(void*, void* owner) { delete static_cast<SharedBytes*>(owner); }

zmq::message_t frame_of(const SharedBytes& bytes) {
  if (bytes.view.size() < Socket::zero_copy_bytes_min) return {bytes.view.data(), bytes.view.size()};
  auto owner = std::make_unique<SharedBytes>(bytes);
  zmq::message_t frame(const_cast<char*>(bytes.view.data()), bytes.view.size(), release, owner.get());
  (void)owner.release();
  return frame;
}

zmq::message_t frame_of(BytesView bytes) { return {bytes.data(), bytes.size()}; }

/// Sends frames [0, count) that `frame` makes.
template <class MakeFrame>
Sent send_all(zmq::socket_t& socket, std::size_t count, MakeFrame make) {
  for (std::size_t i = 0; i < count; ++i) {
    zmq::message_t frame = make(i);
    const bool more = i + 1 < count;
    Sent sent = send_frame(socket, frame, more);
    if (sent == Sent::would_block && i == 0) {
      catch_up(socket);
      sent = send_frame(socket, frame, more);
    }
    if (sent == Sent::sent) continue;
    // The connection went away within the message: libzmq forgets the frames before, and those behind if they are
    // given to it.
    for (std::size_t rest = i + 1; i > 0 && rest < count; ++rest) {
      zmq::message_t dropped = make(rest);
      (void)send_frame(socket, dropped, rest + 1 < count);
    }
    return sent;
  }
  return Sent::sent;
}

bool more_of(const zmq::message_t& frame) { return frame.more(); }

void drop_rest(zmq::socket_t& socket) {
  zmq::message_t frame;
  while (receive_frame(socket, frame) && more_of(frame)) {
  }
}

/// The frames of a message, then its packets' topics and packets by turns.
std::size_t frames_in(const wire::Message& message) { return 1 + 2 * message.packets.size(); }

zmq::message_t frame_at(const wire::Message& message, std::size_t index) {
  if (index == 0) return frame_of(BytesView(message.head));
  const wire::TopicPacket& pair = message.packets[(index - 1) / 2];
  return frame_of(index % 2 == 1 ? pair.topic : pair.packet);
}

}  // namespace

struct Socket::State {
  zmq::socket_t socket;
};

Socket::Socket(std::unique_ptr<State> state) : state_(std::move(state)) {}
Socket::~Socket() = default;
Socket::Socket(Socket&&) noexcept = default;
Socket& Socket::operator=(Socket&&) noexcept = default;

Result<Socket> Socket::open(Context& context, SocketKind kind) {
  return guarded("open a socket", [&] {
    auto state = std::make_unique<State>();
    state->socket = zmq::socket_t(*static_cast<zmq::context_t*>(context.handle()), type_of(kind));
    set_options(state->socket, kind);
    return Socket(std::move(state));
  });
}

Result<std::string> Socket::bind(const std::string& endpoint) {
  if (auto known = check_endpoint(endpoint); !known) return fail(known.error());
  return guarded("bind " + endpoint, [&] {
    state_->socket.set(zmq::sockopt::ipv6, endpoint.find('[') != endpoint.npos);
    state_->socket.bind(endpoint);
    return state_->socket.get(zmq::sockopt::last_endpoint);
  });
}

Result<void> Socket::connect(const std::string& endpoint) {
  if (auto known = check_endpoint(endpoint); !known) return fail(known.error());
  return guarded("connect to " + endpoint, [&] {
    // Not for names: "localhost" would then mean ::1, where a proxy on 127.0.0.1 does not listen.
    state_->socket.set(zmq::sockopt::ipv6, endpoint.find('[') != endpoint.npos);
    state_->socket.connect(endpoint);
  });
}

Result<void> Socket::subscribe(std::string_view prefix) {
  return guarded("subscribe", [&] { state_->socket.set(zmq::sockopt::subscribe, prefix); });
}

Result<void> Socket::unsubscribe(std::string_view prefix) {
  return guarded("unsubscribe", [&] { state_->socket.set(zmq::sockopt::unsubscribe, prefix); });
}

Result<bool> Socket::receive(std::vector<SharedBytes>& frames) {
  frames.clear();
  try {
    zmq::message_t first;
    if (!receive_frame(state_->socket, first)) return false;
    std::size_t bytes = first.size();
    bool more = first.more();
    auto parts = std::make_shared<std::vector<zmq::message_t>>();
    parts->reserve(4);
    parts->push_back(std::move(first));
    while (more) {
      zmq::message_t& part = parts->emplace_back();
      receive_frame(state_->socket, part);
      bytes += part.size();
      more = part.more();
      if (bytes > limits::message_bytes_max || parts->size() > limits::message_frames_max) {
        if (more) drop_rest(state_->socket);
        const zmq::message_t& sender = parts->front();
        frames.push_back(SharedBytes::own(Bytes(sender.data<char>(), sender.size())));
        return fail(ErrorCode::too_large, "a message has more than " + std::to_string(limits::message_frames_max) +
                                              " frames or " + std::to_string(limits::message_bytes_max) +
                                              " bytes: send it as several");
      }
    }
    frames.reserve(parts->size());
    for (const zmq::message_t& part : *parts) frames.push_back({parts, {part.data<char>(), part.size()}});
    return true;
  } catch (const zmq::error_t& error) {
    return fail(from_zmq(error, "receive"));
  }
}

Result<bool> Socket::receive(Multipart& message) {
  Multipart::Frames& frames = *message.frames_;
  frames.count = 0;
  try {
    if (!receive_frame(state_->socket, frames.kept[0])) return false;
    frames.count = 1;
    bool more = frames.kept[0].more();
    zmq::message_t dropped;
    while (more) {
      zmq::message_t& frame = frames.count < Multipart::frames_kept_max ? frames.kept[frames.count] : dropped;
      receive_frame(state_->socket, frame);
      more = frame.more();
      ++frames.count;
    }
    return true;
  } catch (const zmq::error_t& error) {
    return fail(from_zmq(error, "receive"));
  }
}

Result<Sent> Socket::send(std::span<const SharedBytes> frames) {
  return guarded("send", [&] {
    return send_all(state_->socket, frames.size(), [&](std::size_t i) { return frame_of(frames[i]); });
  });
}

Result<Sent> Socket::send(const wire::Message& message) {
  return guarded("send", [&] {
    return send_all(state_->socket, frames_in(message), [&](std::size_t i) { return frame_at(message, i); });
  });
}

Result<Sent> Socket::send_to(std::string_view peer, const wire::Message& message) {
  return guarded("send", [&] {
    return send_all(state_->socket, 1 + frames_in(message),
                    [&](std::size_t i) { return i == 0 ? frame_of(BytesView(peer)) : frame_at(message, i - 1); });
  });
}

Result<Sent> Socket::send_copy(std::span<const BytesView> frames) {
  return guarded("send", [&] {
    return send_all(state_->socket, frames.size(), [&](std::size_t i) { return frame_of(frames[i]); });
  });
}

Result<Sent> Socket::send(Multipart& message) {
  Multipart::Frames& frames = *message.frames_;
  if (frames.count > Multipart::frames_kept_max) {
    return fail(ErrorCode::too_large,
                "a message of more than " + std::to_string(Multipart::frames_kept_max) + " frames is not passed on");
  }
  return guarded("send", [&] {
    const std::size_t count = frames.count;
    Sent sent = Sent::sent;
    for (std::size_t i = 0; i < count; ++i) {
      const Sent now = send_frame(state_->socket, frames.kept[i], i + 1 < count);
      if (i == 0 && now != Sent::sent) return now;
      if (now != Sent::sent) sent = now;
    }
    frames.count = 0;
    return sent;
  });
}

void Socket::set_linger(Duration time) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(time).count();
  state_->socket.set(zmq::sockopt::linger, static_cast<int>(ms));
}

void* Socket::handle() const { return &state_->socket; }

}  // namespace spindle::transport
