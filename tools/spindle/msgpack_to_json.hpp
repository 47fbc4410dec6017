#pragma once

#include <cstdint>
#include <string_view>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::cli {

/// Appends `text` in quotes; it must be UTF-8.
void append_json_string(Bytes& out, std::string_view text);
void append_json_number(Bytes& out, std::uint64_t number);

/// Turns msgpack into JSON text: fields in the order they stand in, a bin as {"$bin": base64}, an ext as {"$ext": its
/// type, "$bin": base64}, a name that is no string as the text of its JSON, a real that JSON cannot say as null.
class MsgpackToJson {
 public:
  /// Appends the one value that fills `bytes`. Malformed when it is not msgpack, too deep, or has a string that is
  /// not UTF-8; `out` is as before then.
  Result<void> append(Bytes& out, BytesView bytes);

 private:
  bool append_value(Bytes& out);
  bool append_members(Bytes& out, std::uint32_t pairs);
  bool append_name(Bytes& out);

  wire::Values values_;
  std::size_t at_ = 0;
};

}  // namespace spindle::cli
