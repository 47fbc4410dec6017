#include "spindle/wire/attributes.hpp"

#include <algorithm>
#include <string>

#include "spindle/wire/values.hpp"

namespace spindle::wire {

Result<std::string_view> AttributeNames::read(BytesView bytes, std::size_t& offset) {
  const auto name = str_at(bytes, offset);
  if (!name) return fail(ErrorCode::malformed, "an attribute's name is not UTF-8 text");
  const auto end = names_.begin() + static_cast<std::ptrdiff_t>(count_);
  if (std::find(names_.begin(), end, *name) != end) {
    return fail(ErrorCode::malformed, "attribute '" + std::string(name->substr(0, 80)) + "' stands twice");
  }
  if (count_ == names_.size()) {
    return fail(ErrorCode::too_large, "more attributes than attributes_max (" + std::to_string(names_.size()) +
                                          "): put them into the event's data");
  }
  names_[count_++] = *name;
  return *name;
}

Result<BytesView> attributes_at(BytesView bytes, std::size_t& offset) {
  const std::size_t begin = offset;
  if (begin < bytes.size() && bytes[begin] == '\xc0') {
    ++offset;
    return BytesView{};
  }
  const auto pairs = map_head(bytes, offset);
  if (!pairs) return fail(ErrorCode::malformed, "attributes are neither a map nor nil");
  AttributeNames names;
  for (std::uint32_t i = 0; i < *pairs; ++i) {
    if (auto name = names.read(bytes, offset); !name) return fail(name.error());
    if (auto value = skip_value(bytes, offset); !value) return fail(value.error());
  }
  if (offset - begin > limits::attributes_bytes_max) {
    return fail(ErrorCode::too_large, "attributes are larger than attributes_bytes_max (" +
                                          std::to_string(limits::attributes_bytes_max) +
                                          "): put them into the event's data");
  }
  return bytes.substr(begin, offset - begin);
}

}  // namespace spindle::wire
