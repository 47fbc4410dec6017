#include "spindle/transport/multipart.hpp"

#include "spindle/transport/multipart_frames.hpp"
#include "spindle/transport/socket.hpp"

namespace spindle::transport {

Multipart::Multipart() : frames_(std::make_unique<Frames>()) {}

Multipart::~Multipart() = default;

std::size_t Multipart::frame_count() const { return frames_->count; }

BytesView Multipart::frame(std::size_t index) const {
  const zmq::message_t& frame = frames_->kept[index];
  return {frame.data<char>(), frame.size()};
}

SharedBytes Multipart::share(std::size_t index) const {
  if (frame(index).size() < Socket::zero_copy_bytes_min) return SharedBytes::own(Bytes(frame(index)));
  auto copy = std::make_shared<zmq::message_t>();
  copy->copy(frames_->kept[index]);  // counts references to the same bytes
  BytesView view(copy->data<char>(), copy->size());
  return {std::move(copy), view};
}

void Multipart::clear() {
  for (std::size_t i = 0; i < frames_->count && i < frames_kept_max; ++i) frames_->kept[i].rebuild();
  frames_->count = 0;
}

}  // namespace spindle::transport
