#include "tools/spindle/msgpack_to_json.hpp"

#include <charconv>
#include <cmath>

#include "tools/spindle/base64.hpp"

namespace spindle::cli {
namespace {

void append_escaped(Bytes& out, char c) {
  constexpr std::string_view hex = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      out += "\\u00";
      out += hex[static_cast<unsigned char>(c) >> 4];
      out += hex[static_cast<unsigned char>(c) & 15u];
  }
}

template <class Number>
void append_digits(Bytes& out, Number number) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end.ptr);
}

void append_real(Bytes& out, double number) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  const std::size_t before = out.size();
  append_digits(out, number);
  // It shall still be a real when it is read again.
  if (out.find_first_of(".e", before) == Bytes::npos) out += ".0";
}

void append_bin(Bytes& out, BytesView bytes) {
  out += "\"$bin\":\"";
  append_base64(out, bytes);
  out += '"';
}

}  // namespace

void append_json_string(Bytes& out, std::string_view text) {
  out += '"';
  std::size_t plain_from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
    out += text.substr(plain_from, i - plain_from);
    append_escaped(out, c);
    plain_from = i + 1;
  }
  out += text.substr(plain_from);
  out += '"';
}

void append_json_number(Bytes& out, std::uint64_t number) { append_digits(out, number); }

Result<void> MsgpackToJson::append(Bytes& out, BytesView bytes) {
  if (auto read = values_.read_whole(bytes); !read) return read;
  const std::size_t before = out.size();
  at_ = 0;
  if (append_value(out)) return {};
  out.resize(before);
  return fail(ErrorCode::malformed, "a string is not UTF-8");
}

/// The value at at_ with all that belongs to it. As deep as Values lets it be (msgpack_depth_max).
bool MsgpackToJson::append_value(Bytes& out) {
  const wire::Value& value = values_.all()[at_++];
  switch (value.type) {
    case wire::ValueType::nil: out += "null"; return true;
    case wire::ValueType::boolean: out += value.uint != 0 ? "true" : "false"; return true;
    case wire::ValueType::uint: append_digits(out, value.uint); return true;
    case wire::ValueType::sint: append_digits(out, value.sint); return true;
    case wire::ValueType::real: append_real(out, value.real); return true;
    case wire::ValueType::str:
      if (!wire::is_utf8(value.view())) return false;
      append_json_string(out, value.view());
      return true;
    case wire::ValueType::bin:
      out += '{';
      append_bin(out, value.view());
      out += '}';
      return true;
    case wire::ValueType::ext:  // the first byte is the type
      out += "{\"$ext\":";
      append_digits(out, static_cast<int>(static_cast<signed char>(value.view().front())));
      out += ',';
      append_bin(out, value.view().substr(1));
      out += '}';
      return true;
    case wire::ValueType::array:
      out += '[';
      for (std::uint32_t i = 0; i < value.size; ++i) {
        if (i > 0) out += ',';
        if (!append_value(out)) return false;
      }
      out += ']';
      return true;
    case wire::ValueType::map: return append_members(out, value.size);
  }
  return false;
}

bool MsgpackToJson::append_members(Bytes& out, std::uint32_t pairs) {
  out += '{';
  for (std::uint32_t i = 0; i < pairs; ++i) {
    if (i > 0) out += ',';
    if (!append_name(out)) return false;
    out += ':';
    if (!append_value(out)) return false;
  }
  out += '}';
  return true;
}

bool MsgpackToJson::append_name(Bytes& out) {
  if (values_.all()[at_].type == wire::ValueType::str) return append_value(out);
  Bytes name;
  if (!append_value(name)) return false;
  append_json_string(out, name);
  return true;
}

}  // namespace spindle::cli
