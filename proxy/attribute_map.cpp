#include "proxy/attribute_map.hpp"

#include <algorithm>

#include "spindle/wire/limits.hpp"
#include "spindle/wire/values.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::proxy {

Attribute Attribute::text(std::string_view name, std::string_view value) {
  Attribute made{name, {}};
  wire::Writer(made.value).str(value);
  return made;
}

Attribute Attribute::number(std::string_view name, std::uint64_t value) {
  Attribute made{name, {}};
  wire::Writer(made.value).uint(value);
  return made;
}

Attribute Attribute::time(std::string_view name, WallNs value) {
  Attribute made{name, {}};
  wire::Writer(made.value).sint(value);
  return made;
}

BytesView attribute_in(BytesView attributes, std::string_view name) {
  std::size_t offset = 0;
  const std::uint32_t count = attributes.empty() ? 0 : wire::map_head(attributes, offset).value_or(0);
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto key = wire::str_at(attributes, offset);
    const std::size_t begin = offset;
    if (!key || !wire::skip_value(attributes, offset)) break;
    if (*key == name) return attributes.substr(begin, offset - begin);
  }
  return {};
}

std::optional<std::string> text_in(BytesView attributes, std::string_view name) {
  std::size_t offset = 0;
  const BytesView value = attribute_in(attributes, name);
  const auto text = value.empty() ? std::nullopt : wire::str_at(value, offset);
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

std::optional<std::uint64_t> number_in(BytesView attributes, std::string_view name) {
  wire::Values values;
  const BytesView value = attribute_in(attributes, name);
  if (value.empty() || !values.read_whole(value)) return std::nullopt;
  wire::Cursor at(values);
  const std::uint64_t number = at.uint(name);
  return at.ok() ? std::optional(number) : std::nullopt;
}

Bytes with_attributes(BytesView attributes, std::span<const Attribute> added) {
  Bytes pairs;
  std::size_t kept = 0;
  std::size_t offset = 0;
  const std::uint32_t count = attributes.empty() ? 0 : wire::map_head(attributes, offset).value_or(0);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::size_t begin = offset;
    const auto name = wire::str_at(attributes, offset);
    if (!name || !wire::skip_value(attributes, offset)) break;
    if (std::any_of(added.begin(), added.end(), [&](const Attribute& a) { return a.name == *name; })) continue;
    pairs.append(attributes.substr(begin, offset - begin));
    ++kept;
  }
  Bytes own;
  for (const Attribute& one : added) wire::Writer(own).str(one.name).raw(one.value);
  constexpr std::size_t map_head_bytes_max = 5;
  if (kept + added.size() > limits::attributes_max ||
      pairs.size() + own.size() + map_head_bytes_max > limits::attributes_bytes_max) {
    pairs.clear();
    kept = 0;
  }
  Bytes out;
  wire::Writer(out).map(kept + added.size()).raw(pairs).raw(own);
  return out;
}

}  // namespace spindle::proxy
