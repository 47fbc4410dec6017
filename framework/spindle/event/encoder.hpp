#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "spindle/event/failure.hpp"
#include "spindle/event/field_kind.hpp"
#include "spindle/event/memory_budget.hpp"
#include "spindle/event/msgpack_adaptors.hpp"
#include "spindle/event/sink.hpp"
#include "spindle/event/text.hpp"

namespace spindle::event {

/// Writes one event. Holds to every rule of the Decoder, so that nothing is published that no one can read. The first
/// failure sticks, and finish() gives it.
class Encoder {
 public:
  explicit Encoder(Bytes& out) : sink_(out), packer_(sink_) {}

  template <class T>
  void value(const T& field);
  template <class S>
  void structure(const S& object);

  /// Call once, last. After a failure `out` is as it was before.
  Result<void> finish(std::string_view topic);

 private:
  class StructWriter;

  void text(std::string_view value);
  void bytes(const void* data, std::size_t size);
  void real(float value);
  void real(double value);
  void time(std::chrono::system_clock::time_point value) {
    packer_.pack_int64(std::chrono::duration_cast<WireTime>(value.time_since_epoch()).count());
  }
  template <class T>
  void integer(T value) {
    if constexpr (std::is_signed_v<T>) {
      packer_.pack_int64(value);
    } else {
      packer_.pack_uint64(value);
    }
  }
  template <class List>
  void list(const List& elements);
  template <class Map>
  void map(const Map& pairs);

  /// Opens a container of `values` values; false when a limit forbids it.
  bool enter(std::size_t values, std::size_t elements = 0, std::size_t bytes_each = 0);
  void leave() { --depth_; }

  Sink sink_;
  msgpack::packer<Sink> packer_;
  Failure failure_;
  MemoryBudget memory_;
  std::size_t values_ = 1;
  std::size_t depth_ = 0;
};

/// Looks like msgpack's packer to MSGPACK_DEFINE_MAP, which hands it ("name", field) pairs, and to MSGPACK_DEFINE,
/// which hands it fields.
class Encoder::StructWriter {
 public:
  explicit StructWriter(Encoder& encoder) : encoder_(encoder) {}

  void pack_map(std::uint32_t fields) {
    if (begin(fields, 2u * fields)) encoder_.packer_.pack_map(fields);
  }
  void pack_array(std::uint32_t fields) {
    if (begin(fields, fields)) encoder_.packer_.pack_array(fields);
  }
  template <std::size_t N>
  void pack(const char (&name)[N]) {
    name_ = {name, N - 1};
    if (encoder_.failure_) return;
    encoder_.packer_.pack_str(N - 1);
    encoder_.sink_.write(name, N - 1);
  }
  template <class T>
  void pack(const T& field) {
    if (encoder_.failure_) return;
    encoder_.value(field);
    if (encoder_.failure_) {
      if (name_.empty()) {
        encoder_.failure_.inside_element(written_);
      } else {
        encoder_.failure_.inside_field(name_);
      }
    }
    ++written_;
  }
  void end() {
    if (encoder_.failure_) return;
    encoder_.leave();
    if (written_ != fields_) {
      encoder_.failure_.set(ErrorCode::invalid_argument,
                            "has a char array among its fields; use std::string or std::array");
    }
  }

 private:
  bool begin(std::uint32_t fields, std::uint32_t values) {
    fields_ = fields;
    return encoder_.enter(values);
  }

  Encoder& encoder_;
  std::string_view name_;
  std::uint32_t fields_ = 0;
  std::uint32_t written_ = 0;
};

template <class S>
void Encoder::structure(const S& object) {
  StructWriter writer(*this);
  if constexpr (HasFields<S>) {
    object.msgpack_pack(writer);
  } else {
    writer.pack_map(0);
  }
  writer.end();
}

template <class T>
void Encoder::value(const T& field) {
  check_field<T>();
  constexpr FieldKind kind = kind_of<T>;
  if constexpr (kind == FieldKind::boolean) {
    field ? packer_.pack_true() : packer_.pack_false();
  } else if constexpr (kind == FieldKind::integer) {
    integer(field);
  } else if constexpr (kind == FieldKind::real) {
    real(field);
  } else if constexpr (kind == FieldKind::text) {
    text(field);
  } else if constexpr (kind == FieldKind::enumeration) {
    integer(static_cast<std::underlying_type_t<T>>(field));
  } else if constexpr (kind == FieldKind::duration) {
    value(field.count());
  } else if constexpr (kind == FieldKind::time) {
    time(field);
  } else if constexpr (kind == FieldKind::bytes || kind == FieldKind::fixed_bytes) {
    bytes(field.data(), field.size());
  } else if constexpr (kind == FieldKind::optional) {
    field ? value(*field) : static_cast<void>(packer_.pack_nil());
  } else if constexpr (kind == FieldKind::list || kind == FieldKind::fixed_list) {
    list(field);
  } else if constexpr (kind == FieldKind::map) {
    map(field);
  } else if constexpr (kind == FieldKind::structure) {
    structure(field);
  }
}

template <class List>
void Encoder::list(const List& elements) {
  using Element = typename List::value_type;
  constexpr std::size_t bytes_each = kind_of<List> == FieldKind::list ? sizeof(Element) : 0;
  if (!enter(elements.size(), elements.size(), bytes_each)) return;
  packer_.pack_array(static_cast<std::uint32_t>(elements.size()));
  for (std::size_t i = 0; i < elements.size(); ++i) {
    value<Element>(elements[i]);
    if (failure_) return failure_.inside_element(i);
  }
  leave();
}

template <class Map>
void Encoder::map(const Map& pairs) {
  if (!enter(2 * pairs.size(), pairs.size(), sizeof(typename Map::value_type))) return;
  packer_.pack_map(static_cast<std::uint32_t>(pairs.size()));
  std::size_t i = 0;
  for (const auto& [key, mapped] : pairs) {
    value(key);
    value(mapped);
    if (failure_) return failure_.inside_element(i);
    ++i;
  }
  leave();
}

}  // namespace spindle::event
