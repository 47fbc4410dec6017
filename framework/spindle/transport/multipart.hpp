#pragma once

#include <cstddef>
#include <memory>

#include "spindle/base/bytes.hpp"

namespace spindle::transport {

/// A message of a few frames as libzmq holds it: for loops that pass messages on without copying them. Make one and
/// reuse it: Socket::receive fills it, Socket::send empties it. Not thread-safe.
class Multipart {
 public:
  /// More frames than this are counted but not kept.
  static constexpr std::size_t frames_kept_max = 4;

  Multipart();
  ~Multipart();
  Multipart(const Multipart&) = delete;
  Multipart& operator=(const Multipart&) = delete;

  /// Frames that the message had, kept or not.
  std::size_t frame_count() const;
  /// A kept frame; valid until the message is sent, cleared or received into.
  BytesView frame(std::size_t index) const;
  /// A kept frame with an owner of its own; large ones are shared, not copied.
  SharedBytes share(std::size_t index) const;
  void clear();

 private:
  friend class Socket;
  struct Frames;
  std::unique_ptr<Frames> frames_;
};

}  // namespace spindle::transport
