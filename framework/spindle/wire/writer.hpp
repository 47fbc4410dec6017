#pragma once

#include <cstdint>

#include "spindle/base/bytes.hpp"

namespace spindle::wire {

/// Appends msgpack values to bytes, each in its shortest form. Whoever opens an array or map of n writes its n
/// elements (or pairs) next.
class Writer {
 public:
  /// Appends to `out`, which outlives the writer.
  explicit Writer(Bytes& out) : out_(out) {}

  Writer& nil();
  Writer& boolean(bool value);
  Writer& uint(std::uint64_t value);
  Writer& sint(std::int64_t value);
  Writer& real(double value);
  Writer& str(std::string_view value);
  Writer& bin(BytesView value);
  /// The head of a bin whose `size` bytes the caller appends.
  Writer& bin_head(std::size_t size);
  Writer& array(std::size_t count);
  Writer& map(std::size_t count);
  /// Bytes that are msgpack already.
  Writer& raw(BytesView encoded);

 private:
  Bytes& out_;
};

}  // namespace spindle::wire
