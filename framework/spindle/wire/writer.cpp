#include "spindle/wire/writer.hpp"

#include <bit>
#include <msgpack/pack.hpp>

namespace spindle::wire {
namespace {

struct Appender {
  Bytes& out;
  void write(const char* data, std::size_t size) { out.append(data, size); }
};

}  // namespace

Writer& Writer::nil() {
  out_.push_back('\xc0');
  return *this;
}

Writer& Writer::boolean(bool value) {
  out_.push_back(value ? '\xc3' : '\xc2');
  return *this;
}

Writer& Writer::uint(std::uint64_t value) {
  Appender to{out_};
  msgpack::packer<Appender>(to).pack_uint64(value);
  return *this;
}

Writer& Writer::sint(std::int64_t value) {
  Appender to{out_};
  msgpack::packer<Appender>(to).pack_int64(value);
  return *this;
}

Writer& Writer::real(double value) {
  // The library's pack_double turns 1.0 into the integer 1; a reader could not tell which it was.
  const auto bits = std::bit_cast<std::uint64_t>(value);
  out_.push_back('\xcb');
  for (int shift = 56; shift >= 0; shift -= 8) out_.push_back(static_cast<char>(bits >> shift & 0xff));
  return *this;
}

Writer& Writer::str(std::string_view value) {
  Appender to{out_};
  msgpack::packer<Appender>(to).pack_str(static_cast<std::uint32_t>(value.size()));
  return raw(value);
}

Writer& Writer::bin(BytesView value) { return bin_head(value.size()).raw(value); }

Writer& Writer::bin_head(std::size_t size) {
  Appender to{out_};
  msgpack::packer<Appender>(to).pack_bin(static_cast<std::uint32_t>(size));
  return *this;
}

Writer& Writer::array(std::size_t count) {
  Appender to{out_};
  msgpack::packer<Appender>(to).pack_array(static_cast<std::uint32_t>(count));
  return *this;
}

Writer& Writer::map(std::size_t count) {
  Appender to{out_};
  msgpack::packer<Appender>(to).pack_map(static_cast<std::uint32_t>(count));
  return *this;
}

Writer& Writer::raw(BytesView encoded) {
  out_.append(encoded);
  return *this;
}

}  // namespace spindle::wire
