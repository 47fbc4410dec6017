#include "spindle/event/encoder.hpp"

#include <bit>
#include <string>

#include "spindle/wire/limits.hpp"

namespace spindle::event {
namespace {

template <class Bits>
void put_real(Sink& sink, char tag, Bits bits) {
  char* at = sink.claim(1 + sizeof(Bits));
  *at = tag;
  for (std::size_t i = 0; i < sizeof(Bits); ++i) {
    at[1 + i] = static_cast<char>(bits >> (8 * (sizeof(Bits) - 1 - i)) & 0xff);
  }
}

}  // namespace

Result<void> Encoder::finish(std::string_view topic) {
  if (!sink_.finish()) {
    failure_ = {};
    failure_.set(ErrorCode::too_large, "takes more than " + std::to_string(limits::event_bytes_max) +
                                           " bytes; keep the bulk elsewhere and send where it is");
  }
  if (!failure_) return {};
  sink_.take_back();
  return fail(failure_.error(topic));
}

void Encoder::text(std::string_view value) {
  if (!is_text(value))
    return failure_.set(ErrorCode::malformed, "is not UTF-8; use std::vector<std::byte> for bytes");
  if (value.size() > limits::event_bytes_max) {
    return failure_.set(ErrorCode::too_large, "alone is larger than an event may be");
  }
  packer_.pack_str(static_cast<std::uint32_t>(value.size()));
  sink_.write(value.data(), value.size());
}

void Encoder::bytes(const void* data, std::size_t size) {
  if (size > limits::event_bytes_max) {
    return failure_.set(ErrorCode::too_large, "alone is larger than an event may be");
  }
  packer_.pack_bin(static_cast<std::uint32_t>(size));
  if (size > 0) sink_.write(static_cast<const char*>(data), size);
}

// Not packer_.pack_double: it writes 1.0 as the integer 1 and loses the sign of -0.0.
void Encoder::real(float value) { put_real(sink_, '\xca', std::bit_cast<std::uint32_t>(value)); }
void Encoder::real(double value) { put_real(sink_, '\xcb', std::bit_cast<std::uint64_t>(value)); }

bool Encoder::enter(std::size_t values, std::size_t elements, std::size_t bytes_each) {
  if (values > limits::msgpack_values_max - values_) {
    failure_.set(ErrorCode::too_large, "brings the event above " + std::to_string(limits::msgpack_values_max) +
                                           " values; pack numbers into bytes, or split it");
    return false;
  }
  if (!memory_.take(elements, bytes_each)) {
    failure_.set(ErrorCode::too_large, "has elements that take more than " +
                                           std::to_string(limits::event_memory_bytes_max) + " bytes of memory");
    return false;
  }
  if (depth_ == limits::msgpack_depth_max) {
    failure_.set(ErrorCode::malformed,
                 "is nested deeper than " + std::to_string(limits::msgpack_depth_max) + " levels");
    return false;
  }
  values_ += values;
  ++depth_;
  return true;
}

}  // namespace spindle::event
