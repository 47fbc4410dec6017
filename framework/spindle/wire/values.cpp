#include "spindle/wire/values.hpp"

#include <limits>
#include <msgpack/null_visitor.hpp>
#include <msgpack/parse.hpp>
#include <msgpack/unpack.hpp>

#include "spindle/wire/limits.hpp"

namespace spindle::wire {
namespace {

/// What both visitors check: depth and count. Returning false ends the parse; the reason is kept.
class CheckingVisitor : public msgpack::null_visitor {
 public:
  bool start_array(std::uint32_t) { return enter(); }
  bool end_array() { return leave(); }
  bool start_map(std::uint32_t) { return enter(); }
  bool end_map() { return leave(); }
  void parse_error(std::size_t, std::size_t) { why_.clear(); }
  void insufficient_bytes(std::size_t, std::size_t) { why_ = "a msgpack value ends too early"; }
  Error error() const { return {code_, why_.empty() ? "the bytes are not msgpack" : why_}; }

 protected:
  bool refuse(ErrorCode code, std::string why) {
    code_ = code;
    why_ = std::move(why);
    return false;
  }

 private:
  bool enter() {
    if (++depth_ <= limits::msgpack_depth_max) return true;
    return refuse(ErrorCode::malformed, "msgpack is nested deeper than " + std::to_string(limits::msgpack_depth_max));
  }
  bool leave() {
    --depth_;
    return true;
  }

  std::size_t depth_ = 0;
  ErrorCode code_ = ErrorCode::malformed;
  std::string why_;  // only on failure: a string made for each message would cost an allocation
};

class StoringVisitor : public CheckingVisitor {
 public:
  explicit StoringVisitor(std::vector<Value>& values) : values_(values) {}

  bool visit_nil() { return add(ValueType::nil); }
  bool visit_boolean(bool v) { return add(ValueType::boolean, 0, v ? 1u : 0u); }
  bool visit_positive_integer(std::uint64_t v) { return add(ValueType::uint, 0, v); }
  bool visit_negative_integer(std::int64_t v) {
    return v >= 0 ? visit_positive_integer(static_cast<std::uint64_t>(v))
                  : add(ValueType::sint) && (values_.back().sint = v, true);
  }
  bool visit_float32(float v) { return visit_float64(static_cast<double>(v)); }
  bool visit_float64(double v) { return add(ValueType::real) && (values_.back().real = v, true); }
  bool visit_str(const char* data, std::uint32_t size) { return add_bytes(ValueType::str, data, size); }
  bool visit_bin(const char* data, std::uint32_t size) { return add_bytes(ValueType::bin, data, size); }
  bool visit_ext(const char* data, std::uint32_t size) { return add_bytes(ValueType::ext, data, size); }
  bool start_array(std::uint32_t count) {
    return add(ValueType::array, count) && CheckingVisitor::start_array(count);
  }
  bool start_map(std::uint32_t count) { return add(ValueType::map, count) && CheckingVisitor::start_map(count); }

 private:
  bool add(ValueType type, std::uint32_t size = 0, std::uint64_t uint = 0) {
    if (values_.size() == limits::msgpack_values_max) {
      return refuse(ErrorCode::too_large, "a message holds more than " + std::to_string(limits::msgpack_values_max) +
                                              " msgpack values; split it, or pack numbers into a bin");
    }
    Value value;
    value.type = type;
    value.size = size;
    value.uint = uint;
    values_.push_back(value);
    return true;
  }
  bool add_bytes(ValueType type, const char* data, std::uint32_t size) {
    if (!add(type, size)) return false;
    values_.back().data = data;
    return true;
  }

  std::vector<Value>& values_;
};

template <class Visitor>
Result<void> parse(BytesView bytes, std::size_t& offset, Visitor& visitor) {
  try {
    if (offset < bytes.size() && msgpack::parse(bytes.data(), bytes.size(), offset, visitor)) return {};
  } catch (const std::exception&) {
    // size_overflow and the like: a length field that no message can have
  }
  return fail(visitor.error());
}

std::optional<std::uint32_t> container_head(BytesView bytes, std::size_t& offset, unsigned fix_tag, unsigned fix_mask,
                                            unsigned tag16) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[offset + i]); };
  if (offset >= bytes.size()) return std::nullopt;
  const std::size_t left = bytes.size() - offset;
  std::uint32_t count = 0;
  std::size_t head = 0;
  if ((byte(0) & fix_mask) == fix_tag) {
    count = byte(0) & ~fix_mask & 0xffu;
    head = 1;
  } else if (byte(0) == tag16 && left >= 3) {
    count = static_cast<std::uint32_t>(byte(1) << 8 | byte(2));
    head = 3;
  } else if (byte(0) == tag16 + 1 && left >= 5) {
    count = static_cast<std::uint32_t>(byte(1)) << 24 | static_cast<std::uint32_t>(byte(2)) << 16 |
            static_cast<std::uint32_t>(byte(3)) << 8 | byte(4);
    head = 5;
  } else {
    return std::nullopt;
  }
  offset += head;
  return count;
}

}  // namespace

std::string_view name(ValueType type) {
  switch (type) {
    case ValueType::nil: return "nil";
    case ValueType::boolean: return "a boolean";
    case ValueType::uint: return "an integer";
    case ValueType::sint: return "a negative integer";
    case ValueType::real: return "a float";
    case ValueType::str: return "a string";
    case ValueType::bin: return "a bin";
    case ValueType::ext: return "an ext";
    case ValueType::array: return "an array";
    case ValueType::map: return "a map";
  }
  return "unknown";
}

Result<void> Values::read(BytesView bytes, std::size_t& offset) {
  values_.clear();
  StoringVisitor visitor(values_);
  return parse(bytes, offset, visitor);
}

Result<void> Values::read_whole(BytesView bytes) {
  std::size_t offset = 0;
  auto read_one = read(bytes, offset);
  if (!read_one) return read_one;
  if (offset != bytes.size()) {
    return fail(ErrorCode::malformed, std::to_string(bytes.size() - offset) + " bytes follow the msgpack value");
  }
  return {};
}

Result<void> skip_value(BytesView bytes, std::size_t& offset) {
  CheckingVisitor visitor;
  return parse(bytes, offset, visitor);
}

std::optional<std::uint32_t> array_head(BytesView bytes, std::size_t& offset) {
  return container_head(bytes, offset, 0x90, 0xf0, 0xdc);
}

std::optional<std::uint32_t> map_head(BytesView bytes, std::size_t& offset) {
  return container_head(bytes, offset, 0x80, 0xf0, 0xde);
}

std::optional<std::string_view> str_at(BytesView bytes, std::size_t& offset) {
  std::size_t at = offset;
  const auto take = [&](std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    at += size;
    return value;
  };
  if (at >= bytes.size()) return std::nullopt;
  const std::size_t tag = take(1);
  const std::size_t length_bytes = tag == 0xd9 ? 1 : tag == 0xda ? 2 : tag == 0xdb ? 4 : 0;
  if ((tag & 0xe0) != 0xa0 && length_bytes == 0) return std::nullopt;
  if (length_bytes > bytes.size() - at) return std::nullopt;
  const std::size_t size = length_bytes == 0 ? tag & 0x1f : take(length_bytes);
  if (size > bytes.size() - at || !is_utf8(bytes.substr(at, size))) return std::nullopt;
  offset = at + size;
  return bytes.substr(at, size);
}

std::optional<std::uint64_t> uint_at(BytesView bytes, std::size_t& offset) {
  if (offset >= bytes.size()) return std::nullopt;
  const auto tag = static_cast<unsigned char>(bytes[offset]);
  if (tag >= 0xcc && tag <= 0xcf) {
    const std::size_t size = std::size_t{1} << (tag - 0xcc);
    if (size > bytes.size() - offset - 1) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 1; i <= size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
    offset += 1 + size;
    return value;
  }
  if (tag >= 0x80) return std::nullopt;
  ++offset;
  return tag;
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    const std::size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                               : lead >= 0xe0 && lead < 0xf0 ? 3
                               : lead >= 0xf0 && lead < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    const auto second = static_cast<unsigned char>(text[i + 1]);
    if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
        (lead == 0xf4 && second >= 0x90)) {
      return false;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

const Value* Cursor::next(ValueType wanted, std::string_view field) {
  if (error_) return nullptr;
  if (at_ >= values_.size()) {
    fail(ErrorCode::malformed, std::string(field) + " is missing");
    return nullptr;
  }
  const Value& value = values_[at_];
  if (value.type != wanted) {
    fail(ErrorCode::malformed,
         std::string(field) + " is " + std::string(name(value.type)) + ", not " + std::string(name(wanted)));
    return nullptr;
  }
  ++at_;
  return &value;
}

std::uint64_t Cursor::uint(std::string_view field) {
  const Value* value = next(ValueType::uint, field);
  return value ? value->uint : 0;
}

std::int64_t Cursor::sint(std::string_view field) {
  if (peek() == ValueType::sint) {
    const Value* negative = next(ValueType::sint, field);
    return negative ? negative->sint : 0;
  }
  const std::uint64_t value = uint(field);
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    fail(ErrorCode::malformed, std::string(field) + " is above the largest signed integer");
    return 0;
  }
  return static_cast<std::int64_t>(value);
}

double Cursor::real(std::string_view field) {
  if (peek() == ValueType::uint || peek() == ValueType::sint) return static_cast<double>(sint(field));
  const Value* value = next(ValueType::real, field);
  return value ? value->real : 0;
}

bool Cursor::boolean(std::string_view field) {
  const Value* value = next(ValueType::boolean, field);
  return value && value->uint != 0;
}

std::string_view Cursor::str(std::string_view field) {
  const Value* value = next(ValueType::str, field);
  if (!value) return {};
  if (!is_utf8(value->view())) {
    fail(ErrorCode::malformed, std::string(field) + " is not UTF-8");
    return {};
  }
  return value->view();
}

BytesView Cursor::bin(std::string_view field) {
  const Value* value = next(ValueType::bin, field);
  return value ? value->view() : BytesView{};
}

std::uint32_t Cursor::array(std::string_view field) {
  const Value* value = next(ValueType::array, field);
  return value ? value->size : 0;
}

std::uint32_t Cursor::map(std::string_view field) {
  const Value* value = next(ValueType::map, field);
  return value ? value->size : 0;
}

bool Cursor::nil() {
  if (error_ || peek() != ValueType::nil) return false;
  ++at_;
  return true;
}

void Cursor::skip() {
  // A container is followed by its elements, so the values still to step over are a running sum: no recursion.
  for (std::uint64_t left = 1; left > 0 && !error_; --left) {
    if (at_ >= values_.size()) return fail(ErrorCode::malformed, "a value is missing");
    const Value& value = values_[at_++];
    if (value.type == ValueType::array) left += value.size;
    if (value.type == ValueType::map) left += 2ull * value.size;
  }
}

std::optional<ValueType> Cursor::peek() const {
  if (error_ || at_ >= values_.size()) return std::nullopt;
  return values_[at_].type;
}

void Cursor::fail(ErrorCode code, std::string text) {
  if (!error_) error_ = Error{code, std::move(text)};
}

}  // namespace spindle::wire
