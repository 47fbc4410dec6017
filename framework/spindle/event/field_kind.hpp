#pragma once

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

/// Which form a field of some C++ type has on the wire. The encoder, the decoder and the schema all follow this one
/// classification; the list for users is in spindle/event.hpp.
namespace spindle::event {

enum class FieldKind {
  boolean,
  integer,
  real,
  text,
  enumeration,
  duration,
  time,
  bytes,
  fixed_bytes,
  optional,
  list,
  fixed_list,
  map,
  structure,
  // these have no form on the wire
  view,
  pointer,
  c_array,
  foreign_clock,
  unknown,
};

/// Stands for msgpack's packer where only the question is asked whether a type has fields.
struct PackerShape {
  void pack_map(std::uint32_t);
  void pack_array(std::uint32_t);
  template <class T>
  void pack(const T&);
};

/// Has MSGPACK_DEFINE_MAP or MSGPACK_DEFINE, where others can reach it.
template <class T>
concept HasFields = requires(const T& object, PackerShape& packer) {
  object.msgpack_pack(packer);
};

template <class T>
inline constexpr bool is_byte =
    std::is_same_v<T, char> || std::is_same_v<T, unsigned char> || std::is_same_v<T, std::byte>;

template <class T>
inline constexpr bool is_number =
    std::is_integral_v<T> && !std::is_same_v<T, wchar_t> && !std::is_same_v<T, char8_t> &&
    !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>;

template <class T>
concept IsSmartPointer = requires(const T& pointer) {
  typename T::element_type;
  pointer.get();
};

template <class T>
struct KindOf {
  static consteval FieldKind get() {
    if constexpr (std::is_same_v<T, bool>) {
      return FieldKind::boolean;
    } else if constexpr (is_number<T>) {
      return FieldKind::integer;
    } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
      return FieldKind::real;
    } else if constexpr (std::is_enum_v<T> && !std::is_same_v<T, std::byte>) {
      return FieldKind::enumeration;
    } else if constexpr (std::is_pointer_v<T> || IsSmartPointer<T>) {
      return FieldKind::pointer;
    } else if constexpr (std::is_array_v<T>) {
      return FieldKind::c_array;
    } else if constexpr (HasFields<T>) {
      return FieldKind::structure;
    } else {
      return FieldKind::unknown;
    }
  }
};
template <>
struct KindOf<std::string> {
  static consteval FieldKind get() { return FieldKind::text; }
};
template <>
struct KindOf<std::string_view> {
  static consteval FieldKind get() { return FieldKind::view; }
};
template <class T, std::size_t N>
struct KindOf<std::span<T, N>> {
  static consteval FieldKind get() { return FieldKind::view; }
};
template <class Rep, class Period>
struct KindOf<std::chrono::duration<Rep, Period>> {
  static consteval FieldKind get() { return FieldKind::duration; }
};
template <class Clock, class Duration>
struct KindOf<std::chrono::time_point<Clock, Duration>> {
  static consteval FieldKind get() {
    return std::is_same_v<std::chrono::time_point<Clock, Duration>, std::chrono::system_clock::time_point>
               ? FieldKind::time
               : FieldKind::foreign_clock;
  }
};
template <class T>
struct KindOf<std::optional<T>> {
  static consteval FieldKind get() { return FieldKind::optional; }
};
template <class T>
struct KindOf<std::vector<T>> {
  static consteval FieldKind get() { return is_byte<T> ? FieldKind::bytes : FieldKind::list; }
};
template <class T, std::size_t N>
struct KindOf<std::array<T, N>> {
  static consteval FieldKind get() { return is_byte<T> ? FieldKind::fixed_bytes : FieldKind::fixed_list; }
};
template <class K, class T>
struct KindOf<std::map<K, T>> {
  static consteval FieldKind get() { return FieldKind::map; }
};
template <class K, class T>
struct KindOf<std::unordered_map<K, T>> {
  static consteval FieldKind get() { return FieldKind::map; }
};

template <class T>
inline constexpr FieldKind kind_of = KindOf<T>::get();

template <class T>
inline constexpr bool has_wire_form = kind_of<T> < FieldKind::view;

/// Stops the compilation with the reason when a field's own type has no form on the wire. What is inside a container
/// is checked when the container's elements are.
template <class T>
consteval void check_field() {
  constexpr FieldKind kind = kind_of<T>;
  static_assert(kind != FieldKind::view,
                "this field is a view: it would point into bytes that are gone; use std::string or std::vector");
  static_assert(kind != FieldKind::pointer,
                "this field is a pointer: what it points to does not cross the wire; use a value, std::optional or "
                "std::vector");
  static_assert(kind != FieldKind::c_array, "this field is a C array; use std::string or std::array");
  static_assert(kind != FieldKind::foreign_clock,
                "this field is a time that means nothing in another process; use "
                "std::chrono::system_clock::time_point, or a duration");
  static_assert(kind != FieldKind::unknown,
                "this field's type has no form on the wire: give a struct of yours a public MSGPACK_DEFINE_MAP(...), "
                "or use a type that spindle/event.hpp lists");
  if constexpr (kind == FieldKind::optional) {
    static_assert(kind_of<typename T::value_type> != FieldKind::optional,
                  "this field is an optional of an optional: nil could mean either");
  } else if constexpr (kind == FieldKind::map) {
    using Key = typename T::key_type;
    static_assert(kind_of<Key> == FieldKind::text || kind_of<Key> == FieldKind::integer,
                  "this field is a map whose key is neither std::string nor an integer");
  }
}

/// "uint8": the name of an integer type in errors and schemas.
template <class T>
constexpr const char* integer_name() {
  constexpr const char* names[2][4] = {{"uint8", "uint16", "uint32", "uint64"}, {"int8", "int16", "int32", "int64"}};
  return names[std::is_signed_v<T>][sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3];
}

/// A time's form on the wire: nanoseconds since 1970.
using WireTime = std::chrono::duration<std::int64_t, std::nano>;

/// Whether the enumeration says which of its values it knows, by a function `is_enumerator(value)` beside it.
template <class T>
concept KnowsEnumerators = requires(T value) {
  { is_enumerator(value) } -> std::same_as<bool>;
};

}  // namespace spindle::event
