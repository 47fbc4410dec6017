#pragma once

#include "spindle/event/codec.hpp"
#include "spindle/event/event_traits.hpp"
#include "spindle/event/key_hash.hpp"
#include "spindle/event/schema.hpp"

/// What a header of event types includes. Neither sockets nor threads come with it.
///
///   struct OrderPlaced {
///     static constexpr std::string_view topic = "orders.placed";
///     static constexpr bool durable = true;
///     std::string order_id, email;
///     std::int64_t total_cents = 0;
///     std::optional<std::string> coupon;                    // added in March: older events lack it
///     std::string_view key() const { return order_id; }     // events of one order belong together
///     MSGPACK_DEFINE_MAP(order_id, email, total_cents, coupon)
///   };
///
/// Fields and their form in msgpack:
///   bool; all integers; float, double (as float, and read from integers that they hold exactly)
///   std::string                       str, always UTF-8
///   std::vector, std::array of char, unsigned char or std::byte    bin
///   std::vector<T>, std::array<T, N>  array
///   std::map, std::unordered_map from std::string or an integer    map (an unordered_map is slow when a hostile
///                                     sender picks keys that collide)
///   std::optional<T>                  nil or T
///   enumerations                      their number. A `constexpr bool is_enumerator(Colour)` beside the enumeration
///                                     makes decode refuse numbers for which it is false; without it all pass.
///   std::chrono durations             their count, in the type's own unit
///   std::chrono::system_clock::time_point    int64, nanoseconds since 1970
///   structs with MSGPACK_DEFINE_MAP (map from names) or MSGPACK_DEFINE (array), one in another
/// Anything else does not compile, and the first error says why.
///
/// How events change: event types live as long as the events on disk. Decoding is strict in both forms:
///   - A field that is missing on the wire is an error unless it is a std::optional. So a field that is added is a
///     std::optional, and the code says what its absence means: `event.currency.value_or("EUR")`.
///   - What the type does not know is ignored: unknown keys of a map, further elements of an array.
///   - So a field may be removed once no reader that needs it is left; in the array form only the last ones.
///   - A field's type may be widened (int32 to int64, T to std::optional<T>). Anything else is a new topic.
///   - A wrong type, a number out of range, a key twice, text that is not UTF-8, bytes after the event are errors
///   that
///     name the field.
