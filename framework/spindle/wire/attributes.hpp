#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/wire/limits.hpp"

namespace spindle::wire {

/// The names met so far in one map of attributes: all different, at most limits::attributes_max.
class AttributeNames {
 public:
  /// Reads the name at `offset`, which is moved behind it. Fails on what is not UTF-8 text, on a name that was there
  /// before and on one too many. The text stays valid as long as `bytes`.
  Result<std::string_view> read(BytesView bytes, std::size_t& offset);

 private:
  std::array<std::string_view, limits::attributes_max> names_;
  std::size_t count_ = 0;
};

/// The bytes of the attribute map at `offset`, which is moved behind it; empty for nil. Fails unless it is nil or a
/// map of at most limits::attributes_bytes_max bytes whose names AttributeNames accepts.
Result<BytesView> attributes_at(BytesView bytes, std::size_t& offset);

}  // namespace spindle::wire
