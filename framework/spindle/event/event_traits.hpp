#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "spindle/event/field_kind.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle {
namespace event {

template <class E>
concept HasTopic = requires {
  { E::topic } -> std::convertible_to<std::string_view>;
};

template <class E>
concept HasConstantTopic = HasTopic<E> && requires {
  typename std::bool_constant<(static_cast<void>(std::string_view(E::topic)), true)>;
};

template <class E>
concept HasDurable = requires {
  requires std::same_as<decltype(E::durable), const bool>;
  typename std::bool_constant<E::durable>;
};

template <class E>
consteval bool has_valid_topic() {
  if constexpr (HasConstantTopic<E>) {
    return wire::is_topic(E::topic);
  } else {
    return false;
  }
}

template <class Key>
inline constexpr bool is_key = std::is_same_v<Key, std::string> || std::is_same_v<Key, std::string_view> ||
                               (is_number<Key> && !std::is_same_v<Key, bool> && !std::is_same_v<Key, char>);

/// A member function called key, whatever its shape. (A field may have that name.)
template <class E>
concept MentionsKey = requires {
  &E::key;
  requires std::is_member_function_pointer_v<decltype(&E::key)>;
};

template <class E>
concept HasKey = requires(const E& e) {
  requires is_key<std::remove_cvref_t<decltype(e.key())>>;
};

/// An event without any field needs no macro.
template <class E>
concept HasEventFields = HasFields<E> || std::is_empty_v<E>;

}  // namespace event

/// An event type: a struct with
///   static constexpr std::string_view topic = "orders.placed";
///   static constexpr bool durable = true;   // mandatory, so that no typing error makes an event live
///   MSGPACK_DEFINE_MAP(order_id, email)     // public; MSGPACK_DEFINE for the array form
/// and, if events of one key must keep their order, `key() const` that gives a string or an integer.
template <class E>
concept Event = event::HasTopic<E> &&
    event::has_valid_topic<E>() && event::HasDurable<E> && event::HasEventFields<E> &&
    (!event::MentionsKey<E> || event::HasKey<E>);

/// Stops the compilation with the reason when E is not an event type. For templates that take one: called first,
/// where the concept alone would only say that a constraint is not satisfied.
template <class E>
consteval void check_event() {
  static_assert(event::HasTopic<E>,
                "this is not an event: it has no `static constexpr std::string_view topic = \"a.topic\";`");
  if constexpr (event::HasTopic<E>) {
    static_assert(event::HasConstantTopic<E>, "an event's topic must be static constexpr");
    if constexpr (event::HasConstantTopic<E>) {
      static_assert(event::has_valid_topic<E>(),
                    "this event's topic is not one: it takes tokens of [A-Za-z0-9_-] separated by dots, at most 200 "
                    "bytes, no wildcards");
    }
    static_assert(event::HasDurable<E>,
                  "this event does not say whether it is durable: add `static constexpr bool durable = true;` (or "
                  "false)");
    static_assert(event::HasEventFields<E>,
                  "this event has no public MSGPACK_DEFINE_MAP(...) (or MSGPACK_DEFINE) that names its fields");
    static_assert(!event::MentionsKey<E> || event::HasKey<E>,
                  "this event's key() must be a const member function that gives a string or an integer");
  }
}

}  // namespace spindle
