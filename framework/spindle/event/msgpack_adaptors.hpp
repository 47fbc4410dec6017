#pragma once

// The macros of msgpack-cxx make every struct mention the library's own conversions of all of its fields, though
// Spindle decodes without them. So the adaptors of the types that an event may have are all here; narrow headers,
// because msgpack.hpp as a whole doubles the compile time of whoever includes an event.
#include <msgpack/adaptor/bool.hpp>
#include <msgpack/adaptor/cpp11/array.hpp>
#include <msgpack/adaptor/cpp11/array_char.hpp>
#include <msgpack/adaptor/cpp11/array_unsigned_char.hpp>
#include <msgpack/adaptor/cpp11/chrono.hpp>
#include <msgpack/adaptor/cpp11/unordered_map.hpp>
#include <msgpack/adaptor/cpp17/array_byte.hpp>
#include <msgpack/adaptor/cpp17/optional.hpp>
#include <msgpack/adaptor/cpp17/vector_byte.hpp>
#include <msgpack/adaptor/define.hpp>
#include <msgpack/adaptor/float.hpp>
#include <msgpack/adaptor/int.hpp>
#include <msgpack/adaptor/map.hpp>
#include <msgpack/adaptor/string.hpp>
#include <msgpack/adaptor/vector.hpp>
#include <msgpack/adaptor/vector_bool.hpp>
#include <msgpack/adaptor/vector_char.hpp>
#include <msgpack/adaptor/vector_unsigned_char.hpp>
#include <msgpack/pack.hpp>
#include <type_traits>

#include "spindle/event/field_kind.hpp"

namespace spindle::event {

template <class T>
concept NeedsNumberAdaptor = kind_of<T>
== FieldKind::enumeration || kind_of<T> == FieldKind::duration;

template <class T>
concept HasNoAdaptor = !has_wire_form<T> && !requires(T & value, const msgpack::object& object) {
  value.msgpack_unpack(object);
};

}  // namespace spindle::event

// In the library's innermost version namespace and constrained on the type itself: MSGPACK_ADD_ENUM, adaptors of
// users and the library's own are all preferred to these.
namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(v1) {
  namespace adaptor {

  /// Enumerations and durations as their number, without a second macro.
  template <class T>
  requires spindle::event::NeedsNumberAdaptor<T>
  struct convert<T, void> {
    const msgpack::object& operator()(const msgpack::object& object, T& value) const {
      if constexpr (std::is_enum_v<T>) {
        value = static_cast<T>(object.as<std::underlying_type_t<T>>());
      } else {
        value = T(object.as<typename T::rep>());
      }
      return object;
    }
  };

  template <class T>
  requires spindle::event::NeedsNumberAdaptor<T>
  struct pack<T, void> {
    template <class Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& packer, const T& value) const {
      if constexpr (std::is_enum_v<T>) {
        return packer.pack(static_cast<std::underlying_type_t<T>>(value));
      } else {
        return packer.pack(value.count());
      }
    }
  };

  /// What did not compile before does not compile now, but says why.
  template <class T>
  requires spindle::event::HasNoAdaptor<T>
  struct convert<T, void> {
    const msgpack::object& operator()(const msgpack::object& object, T&) const {
      spindle::event::check_field<T>();
      return object;
    }
  };

  /// The library takes a pointer for the place to convert to and fails before it asks for convert.
  template <class T>
  struct as<T*, void> {
    T* operator()(const msgpack::object&) const {
      spindle::event::check_field<T*>();
      return nullptr;
    }
  };

  }  // namespace adaptor
}  // MSGPACK_API_VERSION_NAMESPACE
}  // namespace msgpack
