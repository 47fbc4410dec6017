#pragma once

#include "spindle/event/decoder.hpp"
#include "spindle/event/encoder.hpp"
#include "spindle/event/event_traits.hpp"

namespace spindle {

/// Appends the event's msgpack to `out`. What it accepts, decode<E> accepts. Fails, with `out` as it was, when the
/// event is not fit to send: a std::string that is not UTF-8 (malformed), more than limits::event_bytes_max bytes,
/// limits::msgpack_values_max values or limits::event_memory_bytes_max bytes of elements (too_large). Throws nothing
/// but std::bad_alloc. Any thread.
template <class E>
Result<void> encode(const E& event, Bytes& out) {
  check_event<E>();
  event::Encoder encoder(out);
  encoder.structure(event);
  return encoder.finish(E::topic);
}

/// Reads the event that `bytes` are, no more and no less, as strictly as spindle/event.hpp says. Errors (malformed,
/// too_large) name the topic and the field: "orders.placed: field total_cents is a string, not an integer".
/// `scratch` is reused from call to call, so that nothing but what the event itself owns is allocated; the event
/// keeps no view into `bytes`. Throws nothing but std::bad_alloc and what E's own default constructor throws. Any
/// thread with a scratch of its own.
template <class E>
Result<E> decode(BytesView bytes, wire::Values& scratch) {
  check_event<E>();
  static_assert(std::default_initializable<E>, "an event to decode into must have a default constructor");
  if (auto read = event::read_values(bytes, scratch, E::topic); !read) return fail(std::move(read.error()));
  Result<E> result;
  event::Decoder decoder(scratch);
  if (!decoder.structure(*result)) result = fail(decoder.failure().error(E::topic));
  return result;
}

}  // namespace spindle
