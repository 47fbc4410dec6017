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

/// Says in the first error what is wrong with a handler's parameters behind the event.
template <class... Rest>
consteval void check_parameters() {
  static_assert(((is_meta<Rest> || is_delivery<Rest>)&&...),
                "a handler takes the event, then optionally `const spindle::Meta&` and `spindle::Delivery`");
  static_assert(((!is_delivery<Rest> || std::is_same_v<Rest, Delivery>)&&...),
                "a handler takes its Delivery by value: `spindle::Delivery delivery`");
  static_assert(((!is_meta<Rest> || std::is_same_v<Rest, const Meta&>)&&...),
                "a handler takes `const spindle::Meta&`: it is valid until the handler returns");
  static_assert((0 + ... + static_cast<int>(is_delivery<Rest>)) <= 1, "a handler takes one Delivery");
}

/// Of a handler for live events.
template <class... Rest>
consteval void check_live_parameters() {
  static_assert(!(is_delivery<Rest> || ...), "a live event has nothing to settle: take it in group(…).on");
  check_parameters<Rest...>();
}

/// Of an event that groups deliver.
template <class E>
consteval void check_durable() {
  check_event<E>();
  if constexpr (event::HasDurable<E>) {
    static_assert(E::durable, "a group takes durable events only: this type says durable = false; use on_live");
  }
}

/// Of a handler for undecoded events.
template <class E>
consteval void check_raw() {
  static_assert(std::is_same_v<E, RawEvent>,
                "on_raw takes handlers of `const spindle::RawEvent&`; use on for a type");
}

/// Makes the argument behind the event that a handler asked for.
template <class Argument>
decltype(auto) argument(const Call& call, const Meta& meta) {
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

/// A handler that is a lambda (or another object with one call operator), taken apart.
template <class Signature>
struct CallOperator {
  static constexpr bool known = false;
};
template <class F, class E, class... Rest>
struct CallOperator<void (F::*)(const E&, Rest...) const> {
  static constexpr bool known = true;
  using Event = E;
  static constexpr bool takes_delivery = (is_delivery<Rest> || ...);
  static consteval void check() { check_parameters<Rest...>(); }
  static consteval void check_live() { check_live_parameters<Rest...>(); }
  static Handler handler(F function) { return make_handler<E, Rest...>(std::move(function)); }
};
template <class F, class E, class... Rest>
struct CallOperator<void (F::*)(const E&, Rest...)> : CallOperator<void (F::*)(const E&, Rest...) const> {
  static Handler handler(F function) {
    // A mutable lambda: std::function calls through a const object, so it is kept behind a pointer.
    auto shared = std::make_shared<F>(std::move(function));
    return make_handler<E, Rest...>(
        [shared](const E& event, auto&&... rest) { (*shared)(event, std::forward<decltype(rest)>(rest)...); });
  }
};
template <class F, class E, class... Rest>
struct CallOperator<void (F::*)(const E&, Rest...) const noexcept>
    : CallOperator<void (F::*)(const E&, Rest...) const> {};
template <class F, class E, class... Rest>
struct CallOperator<void (F::*)(const E&, Rest...) noexcept> : CallOperator<void (F::*)(const E&, Rest...)> {};

template <class F>
consteval auto call_operator_of() {
  if constexpr (requires { &F::operator(); }) {
    return CallOperator<decltype(&F::operator())>();
  } else {
    return CallOperator<void>();
  }
}

/// What `F` handles; stops the compilation when it is no handler.
template <class F>
struct HandlerTraits : decltype(call_operator_of<F>()) {
  static_assert(HandlerTraits::known,
                "a handler is `void (const Event&)`, a member function that is not const or a lambda, optionally "
                "with `const spindle::Meta&` and `spindle::Delivery` behind the event; it returns nothing");
};

}  // namespace spindle::actor
