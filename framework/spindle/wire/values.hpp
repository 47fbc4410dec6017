#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle::wire {

enum class ValueType : std::uint8_t { nil, boolean, uint, sint, real, str, bin, ext, array, map };

std::string_view name(ValueType type);

/// One msgpack value as the parser met it. Containers are followed by their elements (a map's keys and values in
/// turn).
struct Value {
  ValueType type;
  /// Bytes of a str, bin or ext; elements of an array; pairs of a map.
  std::uint32_t size;
  union {
    std::uint64_t uint;
    std::int64_t sint;  // negative numbers only
    double real;
    const char* data;
  };

  BytesView view() const { return {data, size}; }
};
static_assert(sizeof(Value) == 16);

/// The values of one message in the order they stand in it, read by the library's parser in one pass. Reused from
/// message to message so that reading allocates nothing. Views point into the bytes that were read. Not thread-safe.
class Values {
 public:
  /// Reads one value at `offset` and moves `offset` behind it. Fails (malformed, too_large) on bytes that are not
  /// msgpack, depth above limits::msgpack_depth_max and more than limits::msgpack_values_max values, before
  /// allocating what a length field claims.
  Result<void> read(BytesView bytes, std::size_t& offset);

  /// Reads exactly one value that fills `bytes`; trailing bytes are an error.
  Result<void> read_whole(BytesView bytes);

  const std::vector<Value>& all() const { return values_; }

 private:
  std::vector<Value> values_;
};

/// Moves `offset` behind the msgpack value that begins there, without keeping it; the same checks as Values::read.
Result<void> skip_value(BytesView bytes, std::size_t& offset);

/// Elements of the array, or pairs of the map, whose head begins at `offset`, which is moved behind the head; nothing
/// when there is no such head. For walking a container whose elements' own bytes are wanted.
std::optional<std::uint32_t> array_head(BytesView bytes, std::size_t& offset);
std::optional<std::uint32_t> map_head(BytesView bytes, std::size_t& offset);

/// The string that begins at `offset`, which is moved behind it; nothing when there is no string or it is not UTF-8.
std::optional<std::string_view> str_at(BytesView bytes, std::size_t& offset);

/// The same of an unsigned integer of any width.
std::optional<std::uint64_t> uint_at(BytesView bytes, std::size_t& offset);

/// Whether the text is UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

/// Reads typed fields one after another from Values. The first failure sticks: later reads give empty values, and
/// error() names the field; check ok() once at the end, and before loops over counts that were read.
class Cursor {
 public:
  explicit Cursor(const Values& values) : values_(values.all()) {}

  std::uint64_t uint(std::string_view field);
  std::int64_t sint(std::string_view field);
  double real(std::string_view field);
  bool boolean(std::string_view field);
  std::string_view str(std::string_view field);
  BytesView bin(std::string_view field);
  /// Number of elements; they follow.
  std::uint32_t array(std::string_view field);
  std::uint32_t map(std::string_view field);
  /// Steps over a nil if there is one.
  bool nil();
  void skip();

  /// The next value's type without stepping; nothing at the end or after a failure.
  std::optional<ValueType> peek() const;
  bool ok() const { return !error_; }
  void fail(ErrorCode code, std::string text);
  Error error() const { return *error_; }

 private:
  const Value* next(ValueType wanted, std::string_view field);

  const std::vector<Value>& values_;
  std::size_t at_ = 0;
  std::optional<Error> error_;
};

}  // namespace spindle::wire
