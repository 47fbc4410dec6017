#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spindle/event/event_traits.hpp"
#include "spindle/event/field_kind.hpp"
#include "spindle/event/msgpack_adaptors.hpp"

namespace spindle {

/// One field of an event or of a struct in it.
struct FieldSchema {
  /// Empty in the array form, where the field's place is its name.
  std::string name;
  /// bool, int8 … uint64, float32, float64, string, bytes, bytes[16], enum int32, duration 1/1000 s of int64,
  /// time (nanoseconds since 1970, int64), struct; and "list of …", "list[3] of …", "map of string to …".
  std::string type;
  /// May be missing, or nil.
  bool optional = false;
  /// Of the struct that the type names; empty where a struct contains itself.
  std::vector<FieldSchema> fields;
};

/// What an event type looks like on the wire, for tools and documents.
struct EventSchema {
  std::string topic;
  bool durable = false;
  bool has_key = false;
  /// MSGPACK_DEFINE_MAP: a map from field names; otherwise an array of the fields in their order.
  bool is_map = true;
  std::vector<FieldSchema> fields;
};

namespace event {

/// The structs around a field, to notice one that contains itself.
struct StructChain {
  const void* type = nullptr;
  const StructChain* outer = nullptr;

  bool contains(const void* other) const { return type == other || (outer != nullptr && outer->contains(other)); }
};

template <class T>
inline constexpr char type_tag = 0;

std::string bracketed(std::size_t size);
std::string duration_type(std::intmax_t numerator, std::intmax_t denominator, const std::string& count);

/// Gives the type's words; puts the fields of the struct in it, if any, into `fields`.
template <class T>
std::string describe_type(std::vector<FieldSchema>& fields, const StructChain& outer);

/// Looks like msgpack's packer and notes what it is handed.
class SchemaWriter {
 public:
  SchemaWriter(std::vector<FieldSchema>& fields, const StructChain& chain) : fields_(fields), chain_(chain) {}

  void pack_map(std::uint32_t) {}
  void pack_array(std::uint32_t) { is_map_ = false; }
  template <std::size_t N>
  void pack(const char (&name)[N]) {
    name_ = {name, N - 1};
  }
  template <class T>
  void pack(const T&) {
    FieldSchema field;
    field.name = name_;
    if constexpr (kind_of<T> == FieldKind::optional) {
      field.optional = true;
      field.type = describe_type<typename T::value_type>(field.fields, chain_);
    } else {
      field.type = describe_type<T>(field.fields, chain_);
    }
    fields_.push_back(std::move(field));
  }
  bool is_map() const { return is_map_; }

 private:
  std::vector<FieldSchema>& fields_;
  const StructChain& chain_;
  std::string_view name_;
  bool is_map_ = true;
};

/// Lists the fields; true when S has the map form.
template <class S>
bool describe_struct(std::vector<FieldSchema>& fields, const StructChain& outer) {
  if constexpr (HasFields<S>) {
    const StructChain chain{&type_tag<S>, &outer};
    SchemaWriter writer(fields, chain);
    S{}.msgpack_pack(writer);
    return writer.is_map();
  } else {
    return true;
  }
}

template <class T>
std::string describe_type(std::vector<FieldSchema>& fields, const StructChain& outer) {
  check_field<T>();
  constexpr FieldKind kind = kind_of<T>;
  if constexpr (kind == FieldKind::boolean) {
    return "bool";
  } else if constexpr (kind == FieldKind::integer) {
    return integer_name<T>();
  } else if constexpr (kind == FieldKind::real) {
    return sizeof(T) == 4 ? "float32" : "float64";
  } else if constexpr (kind == FieldKind::text) {
    return "string";
  } else if constexpr (kind == FieldKind::enumeration) {
    return "enum " + describe_type<std::underlying_type_t<T>>(fields, outer);
  } else if constexpr (kind == FieldKind::duration) {
    return duration_type(T::period::num, T::period::den, describe_type<typename T::rep>(fields, outer));
  } else if constexpr (kind == FieldKind::time) {
    return "time";
  } else if constexpr (kind == FieldKind::bytes) {
    return "bytes";
  } else if constexpr (kind == FieldKind::fixed_bytes) {
    return "bytes" + bracketed(std::tuple_size_v<T>);
  } else if constexpr (kind == FieldKind::optional) {
    return "optional " + describe_type<typename T::value_type>(fields, outer);
  } else if constexpr (kind == FieldKind::list) {
    return "list of " + describe_type<typename T::value_type>(fields, outer);
  } else if constexpr (kind == FieldKind::fixed_list) {
    return "list" + bracketed(std::tuple_size_v<T>) + " of " + describe_type<typename T::value_type>(fields, outer);
  } else if constexpr (kind == FieldKind::map) {
    const std::string key = describe_type<typename T::key_type>(fields, outer);
    return "map of " + key + " to " + describe_type<typename T::mapped_type>(fields, outer);
  } else {
    if (!outer.contains(&type_tag<T>)) describe_struct<T>(fields, outer);
    return "struct";
  }
}

}  // namespace event

template <class E>
EventSchema schema() {
  check_event<E>();
  EventSchema result;
  result.topic = E::topic;
  result.durable = E::durable;
  result.has_key = event::HasKey<E>;
  result.is_map = event::describe_struct<E>(result.fields, {});
  return result;
}

}  // namespace spindle
