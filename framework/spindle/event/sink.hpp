#pragma once

#include <array>
#include <cstddef>
#include <cstring>

#include "spindle/base/bytes.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::event {

/// What msgpack's packer writes to. Pieces gather on the stack first: an append to a string for each of the twenty
/// pieces of a small event would cost more than packing it.
class Sink {
 public:
  explicit Sink(Bytes& out) : out_(out), start_(out.size()) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  void write(const char* data, std::size_t size) {
    if (size > gathered_.size() - used_) return write_through(data, size);
    std::memcpy(gathered_.data() + used_, data, size);
    used_ += size;
  }

  /// Room for `size` bytes, at most 16, that the caller fills.
  char* claim(std::size_t size) {
    if (size > gathered_.size() - used_) write_through(nullptr, 0);
    char* room = gathered_.data() + used_;
    used_ += size;
    return room;
  }

  /// Appends what was gathered. False when the event is larger than limits::event_bytes_max.
  bool finish() {
    write_through(nullptr, 0);
    return !too_large_;
  }

  void take_back() { out_.resize(start_); }

 private:
  void write_through(const char* data, std::size_t size) {
    if (out_.size() - start_ + used_ + size > limits::event_bytes_max) too_large_ = true;
    if (!too_large_) {
      out_.append(gathered_.data(), used_);
      if (size > 0) out_.append(data, size);
    }
    used_ = 0;
  }

  Bytes& out_;
  const std::size_t start_;
  std::size_t used_ = 0;
  bool too_large_ = false;
  std::array<char, 512> gathered_;
};

}  // namespace spindle::event
