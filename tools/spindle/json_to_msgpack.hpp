#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle::cli {

/// Turns JSON texts into the msgpack that events carry. `{"$bin": "base64…"}` becomes a bin. Reused from text to text
/// so that converting allocates little; not thread-safe.
class JsonToMsgpack {
 public:
  /// `key_field` names the field of the outermost object that is the event's key, a string or an integer; "": none.
  explicit JsonToMsgpack(std::string key_field = "");
  ~JsonToMsgpack();

  struct Converted {
    /// One msgpack value; valid until the next call.
    BytesView data;
    /// Hash of the key, the one that an event struct with this key has.
    std::optional<std::uint32_t> key;
  };
  /// One JSON value that fills `text`. Errors: malformed (says the column; also a name that stands twice in an
  /// object, and nesting deeper than msgpack_depth_max), too_large, invalid_argument (no key).
  Result<Converted> convert(std::string_view text);

 private:
  class Reader;
  std::unique_ptr<Reader> reader_;
  Bytes data_;
};

}  // namespace spindle::cli
