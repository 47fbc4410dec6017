#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/message.hpp"

namespace spindle::transport {

class Context;
class Multipart;

/// pair is for what happens inside one process (ConnectionMonitor).
enum class SocketKind : std::uint8_t { dealer, router, pub, sub, xpub, xsub, pair };

/// would_block: libzmq took nothing, since there is no connection or its queue is full. unreachable: a ROUTER has no
/// connection of that identity (any more).
enum class Sent : std::uint8_t { sent, would_block, unreachable };

/// A libzmq socket whose options are set on purpose (socket_options.cpp, the one place). One thread; may be moved to
/// another one that uses it from then on. Nothing blocks: wait with a PollSet. Closing it gives up what is queued,
/// except for `set_linger`.
class Socket {
 public:
  static Result<Socket> open(Context& context, SocketKind kind);
  ~Socket();
  Socket(Socket&&) noexcept;
  Socket& operator=(Socket&&) noexcept;

  /// Port 0 (`tcp://127.0.0.1:0`) picks a free one. Returns the endpoint as bound.
  Result<std::string> bind(const std::string& endpoint);
  /// Success says only that libzmq will try, and try again, for as long as the socket is open.
  Result<void> connect(const std::string& endpoint);

  /// For SUB; of nothing means everything.
  Result<void> subscribe(std::string_view prefix);
  Result<void> unsubscribe(std::string_view prefix);

  /// Takes the next whole message if one waits; its frames share one owner, uncopied. A message with more than
  /// limits::message_frames_max frames or limits::message_bytes_max bytes is read to its end, dropped, and reported
  /// as too_large; `frames` then holds its first frame only (the sender, on a ROUTER).
  Result<bool> receive(std::vector<SharedBytes>& frames);
  Result<bool> receive(Multipart& message);

  /// All frames or none. Frames of zero_copy_bytes_min and more are not copied: their owner is released, by an I/O
  /// thread, when they have left.
  Result<Sent> send(std::span<const SharedBytes> frames);
  Result<Sent> send(const wire::Message& message);
  Result<Sent> send_to(std::string_view peer, const wire::Message& message);
  /// Frames as plain bytes, copied: for a few small ones.
  Result<Sent> send_copy(std::span<const BytesView> frames);
  /// Empties `message` when it was sent; otherwise it may be sent again.
  Result<Sent> send(Multipart& message);

  /// How long closing may go on sending what is queued.
  void set_linger(Duration time);

  /// The zmq::socket_t, for the classes of this folder.
  void* handle() const;

  static constexpr std::size_t zero_copy_bytes_min = 4096;

 private:
  struct State;
  explicit Socket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace spindle::transport
