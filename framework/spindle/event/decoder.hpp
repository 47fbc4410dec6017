#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "spindle/base/result.hpp"
#include "spindle/event/failure.hpp"
#include "spindle/event/field_kind.hpp"
#include "spindle/event/key_index.hpp"
#include "spindle/event/memory_budget.hpp"
#include "spindle/event/text.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::event {

/// Reads the values of an event's bytes into `values`; errors name the topic.
Result<void> read_values(BytesView bytes, wire::Values& values, std::string_view topic);

/// Reads one event from the values of its message. Strict: a value has exactly the field's type and is in its range.
/// Every read gives false after a failure, which is then in failure().
class Decoder {
 public:
  /// `values` hold at least one whole value and outlive the decoder.
  explicit Decoder(const wire::Values& values) : at_(values.all().data()) {}

  template <class T>
  bool value(T& field);
  template <class S>
  bool structure(S& object);

  const Failure& failure() const { return failure_; }

 private:
  class StructReader;

  template <class T>
  bool integer(T& field);
  template <class T>
  bool real(T& field);
  template <class T>
  bool enumeration(T& field);
  template <class T>
  bool bytes(T& field);
  template <class T>
  bool optional(T& field);
  template <class T>
  bool list(T& field);
  template <class T, std::size_t N>
  bool list(std::array<T, N>& field);
  template <class T>
  bool map(T& field);
  bool boolean(bool& field);
  bool text(std::string& field);
  bool time(std::chrono::system_clock::time_point& field);
  /// The value's number when a double can hold it exactly.
  bool number(double& field);

  bool take_memory(std::size_t count, std::size_t bytes_each);
  bool is(wire::ValueType wanted, const char* wanted_name) { return at_->type == wanted || wrong_type(wanted_name); }
  bool wrong_type(const char* wanted);
  bool out_of_range(const char* type);
  bool wrong_size(std::size_t found, std::size_t wanted, const char* what);
  bool fails(std::string what);

  const wire::Value* at_;
  Failure failure_;
  MemoryBudget memory_;
};

/// Looks like msgpack's packer to MSGPACK_DEFINE_MAP and MSGPACK_DEFINE, but fills the fields that it is handed:
/// they are constant only because packing does not change a struct; the struct itself is not.
class Decoder::StructReader {
 public:
  explicit StructReader(Decoder& decoder) : in_(decoder) {}

  void pack_map(std::uint32_t fields);
  void pack_array(std::uint32_t fields);
  template <std::size_t N>
  void pack(const char (&name)[N]) {
    name_ = {name, N - 1};
  }
  template <class T>
  void pack(const T& field) {
    check_field<T>();
    if (in_.failure_) return;
    const bool found = find();
    if (in_.failure_) return;
    if (!(found ? in_.value(const_cast<T&>(field)) : missing(const_cast<T&>(field)))) fails_here();
  }
  /// Steps behind the struct's last value.
  bool end();

 private:
  /// Steps to the field's value, if there is one.
  bool find() {
    if (in_order_ && in_.at_->type == wire::ValueType::str && in_.at_->view() == name_) {
      ++in_.at_;
      return true;
    }
    return find_elsewhere();
  }
  bool find_elsewhere();
  bool build_index();
  template <class T>
  bool missing(T& field) {
    if constexpr (kind_of<T> == FieldKind::optional) {
      field.reset();
      return true;
    } else {
      return is_missing();
    }
  }
  bool is_missing();
  void fails_here();

  Decoder& in_;
  std::string_view name_;
  const wire::Value* first_ = nullptr;  // behind the head
  std::uint32_t size_ = 0;              // pairs or elements on the wire
  std::uint32_t read_ = 0;              // elements of the array form that were read
  bool is_map_ = false;
  bool in_order_ = false;  // a map whose keys so far were the fields in their order, and as many
  KeyIndex index_;         // of a map that is not in order
};

template <class S>
bool Decoder::structure(S& object) {
  StructReader reader(*this);
  if constexpr (HasFields<S>) {
    static_cast<const S&>(object).msgpack_pack(reader);
  } else {
    reader.pack_map(0);
  }
  return reader.end();
}

template <class T>
bool Decoder::value(T& field) {
  check_field<T>();
  constexpr FieldKind kind = kind_of<T>;
  if constexpr (kind == FieldKind::boolean) {
    return boolean(field);
  } else if constexpr (kind == FieldKind::integer) {
    return integer(field);
  } else if constexpr (kind == FieldKind::real) {
    return real(field);
  } else if constexpr (kind == FieldKind::text) {
    return text(field);
  } else if constexpr (kind == FieldKind::enumeration) {
    return enumeration(field);
  } else if constexpr (kind == FieldKind::duration) {
    typename T::rep count{};
    return value(count) && (field = T(count), true);
  } else if constexpr (kind == FieldKind::time) {
    return time(field);
  } else if constexpr (kind == FieldKind::bytes || kind == FieldKind::fixed_bytes) {
    return bytes(field);
  } else if constexpr (kind == FieldKind::optional) {
    return optional(field);
  } else if constexpr (kind == FieldKind::list || kind == FieldKind::fixed_list) {
    return list(field);
  } else if constexpr (kind == FieldKind::map) {
    return map(field);
  } else if constexpr (kind == FieldKind::structure) {
    return structure(field);
  } else {
    return false;
  }
}

template <class T>
bool Decoder::integer(T& field) {
  using Limits = std::numeric_limits<T>;
  if (at_->type == wire::ValueType::uint) {
    if (at_->uint > static_cast<std::uint64_t>(Limits::max())) return out_of_range(integer_name<T>());
    field = static_cast<T>(at_->uint);
  } else if (at_->type == wire::ValueType::sint) {
    if (!std::is_signed_v<T> || at_->sint < static_cast<std::int64_t>(Limits::min())) {
      return out_of_range(integer_name<T>());
    }
    field = static_cast<T>(at_->sint);
  } else {
    return wrong_type("an integer");
  }
  ++at_;
  return true;
}

template <class T>
bool Decoder::real(T& field) {
  double wide = 0;
  if (!number(wide)) return false;
  if constexpr (std::is_same_v<T, float>) {
    constexpr double largest = std::numeric_limits<float>::max();
    const bool is_finite = wide - wide == 0;
    if (is_finite && (wide > largest || wide < -largest)) return fails("is out of range for a 32-bit float");
  }
  field = static_cast<T>(wide);
  ++at_;
  return true;
}

template <class T>
bool Decoder::enumeration(T& field) {
  std::underlying_type_t<T> number{};
  if (!value(number)) return false;
  field = static_cast<T>(number);
  if constexpr (KnowsEnumerators<T>) {
    if (!is_enumerator(field)) return fails("is " + std::to_string(number) + ", which is none of its enumerators");
  }
  return true;
}

template <class T>
bool Decoder::bytes(T& field) {
  using Byte = typename T::value_type;
  if (!is(wire::ValueType::bin, "a bin")) return false;
  const auto* data = reinterpret_cast<const Byte*>(at_->data);
  if constexpr (kind_of<T> == FieldKind::fixed_bytes) {
    if (at_->size != field.size()) return wrong_size(at_->size, field.size(), "bytes");
    std::copy(data, data + at_->size, field.begin());
  } else {
    field.assign(data, data + at_->size);
  }
  ++at_;
  return true;
}

template <class T>
bool Decoder::optional(T& field) {
  if (at_->type != wire::ValueType::nil) return value(field.emplace());
  field.reset();
  ++at_;
  return true;
}

template <class T>
bool Decoder::list(T& field) {
  using Element = typename T::value_type;
  if (!is(wire::ValueType::array, "an array")) return false;
  const std::uint32_t count = at_->size;
  if (!take_memory(count, sizeof(Element))) return false;
  field.clear();
  field.reserve(count);
  ++at_;
  for (std::uint32_t i = 0; i < count; ++i) {
    bool read = false;
    if constexpr (std::is_same_v<Element, bool>) {
      bool element = false;
      read = value(element);
      field.push_back(element);
    } else {
      read = value(field.emplace_back());
    }
    if (!read) {
      failure_.inside_element(i);
      return false;
    }
  }
  return true;
}

template <class T, std::size_t N>
bool Decoder::list(std::array<T, N>& field) {
  if (!is(wire::ValueType::array, "an array")) return false;
  if (at_->size != N) return wrong_size(at_->size, N, "elements");
  ++at_;
  for (std::size_t i = 0; i < N; ++i) {
    if (!value(field[i])) {
      failure_.inside_element(i);
      return false;
    }
  }
  return true;
}

template <class T>
bool Decoder::map(T& field) {
  if (!is(wire::ValueType::map, "a map")) return false;
  const std::uint32_t pairs = at_->size;
  if (!take_memory(pairs, sizeof(typename T::value_type))) return false;
  field.clear();
  ++at_;
  for (std::uint32_t i = 0; i < pairs; ++i) {
    typename T::key_type key{};
    if (value(key)) {
      const auto [at, is_new] = field.try_emplace(std::move(key));
      if (is_new ? value(at->second) : fails("is a key that was there before")) continue;
    }
    failure_.inside_element(i);
    return false;
  }
  return true;
}

}  // namespace spindle::event
