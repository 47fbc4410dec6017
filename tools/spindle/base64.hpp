#pragma once

#include <optional>
#include <string_view>

#include "spindle/base/bytes.hpp"

namespace spindle::cli {

/// RFC 4648 with padding: how JSON carries bytes.
void append_base64(Bytes& out, BytesView bytes);
/// Nothing unless the text is exactly what append_base64 writes.
std::optional<Bytes> decode_base64(std::string_view text);

}  // namespace spindle::cli
