#pragma once

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "spindle/actor/delivery.hpp"
#include "spindle/actor/delivery_desk.hpp"
#include "spindle/actor/incoming.hpp"
#include "spindle/actor/meta.hpp"
#include "spindle/actor/raw_event.hpp"
#include "spindle/base/result.hpp"
#include "spindle/event/codec.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::actor {

/// What a handler is called with.
struct Call {
  const Incoming& incoming;
  wire::Values& scratch;
  const std::shared_ptr<DeliveryDesk>& desk;
};

/// Decodes and calls the user's function. The error is the decoding's; what the function throws passes through.
using Handler = std::function<Result<void>(const Call&)>;

template <class Argument>
inline constexpr bool is_delivery = std::is_same_v<std::remove_cvref_t<Argument>, Delivery>;
template <class Argument>
inline constexpr bool is_meta = std::is_same_v<std::remove_cvref_t<Argument>, Meta>;

/// Makes the argument behind the event that a handler asked for.
template <class Argument>
decltype(auto) argument(const Call& call, const Meta& meta) {
  static_assert(is_meta<Argument> || is_delivery<Argument>,
                "a handler takes the event, then optionally `const spindle::Meta&` and `spindle::Delivery`");
  if constexpr (is_meta<Argument>) {
    return (meta);
  } else {
    return Delivery(call.desk, call.incoming);
  }
}

template <class E, class... Rest, class Function>
Handler make_handler(Function function) {
  return [function = std::move(function)](const Call& call) -> Result<void> {
    const Meta meta(call.incoming);
    if constexpr (std::is_same_v<E, RawEvent>) {
      function(RawEvent{call.incoming.topic, call.incoming.data, call.incoming.attributes},
               argument<Rest>(call, meta)...);
    } else {
      auto event = decode<E>(call.incoming.data, call.scratch);
      if (!event) return fail(std::move(event.error()));
      function(std::as_const(*event), argument<Rest>(call, meta)...);
    }
    return {};
  };
}

/// The parameters of a lambda's call operator.
template <class Signature>
struct Parameters;
template <class F, class R, class E, class... Rest>
struct Parameters<R (F::*)(const E&, Rest...) const> {
  using Event = E;
  static constexpr bool takes_delivery = (is_delivery<Rest> || ...);
  template <class Function>
  static Handler handler(Function function) {
    return make_handler<E, Rest...>(std::move(function));
  }
};
template <class F, class R, class E, class... Rest>
struct Parameters<R (F::*)(const E&, Rest...)> : Parameters<R (F::*)(const E&, Rest...) const> {
  template <class Function>
  static Handler handler(Function function) {
    // A mutable lambda: std::function calls through a const object, so it is kept behind a pointer.
    auto shared = std::make_shared<Function>(std::move(function));
    return make_handler<E, Rest...>(
        [shared](const E& event, auto&&... rest) { (*shared)(event, std::forward<decltype(rest)>(rest)...); });
  }
};

}  // namespace spindle::actor
