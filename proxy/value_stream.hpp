#pragma once

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::proxy {

/// Msgpack values that stand one behind the other in a record of the log, read one at a time: wire's limit on the
/// values of a message holds for each of them, not for the record.
class ValueStream {
 public:
  /// Reads `bytes`; `values` is scratch. Both must outlive it.
  ValueStream(BytesView bytes, wire::Values& values) : bytes_(bytes), values_(values) {}

  /// Reads the next value with `read(wire::Cursor&)`; what goes wrong is `corrupt`: damage that no checksum saw.
  template <class Read>
  Result<void> next(Read read) {
    if (auto parsed = values_.read(bytes_, offset_); !parsed) return fail(ErrorCode::corrupt, parsed.error().text);
    wire::Cursor at(values_);
    read(at);
    if (!at.ok()) return fail(ErrorCode::corrupt, at.error().text);
    return {};
  }

  /// What is not read yet.
  BytesView rest() const { return bytes_.substr(offset_); }

 private:
  BytesView bytes_;
  wire::Values& values_;
  std::size_t offset_ = 0;
};

}  // namespace spindle::proxy
