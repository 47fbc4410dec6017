#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spindle {

namespace actor {
struct Incoming;
}

/// What is known of the event at hand besides its fields. Valid until the handler returns.
class Meta {
 public:
  explicit Meta(const actor::Incoming& incoming) : incoming_(incoming) {}

  /// Unique across sources and for ever, and the same at every attempt: the idempotency key for effects outside the
  /// log (a payment, an e-mail).
  std::string id() const;
  std::string_view topic() const;
  /// Who published it: `service/instance/worker`, or the `source` of a CloudEvent.
  std::string_view source() const;
  /// Its number in the spool; nothing for a live event.
  std::optional<std::uint64_t> offset() const;
  /// 1 for the first delivery, 2 after one that failed, …
  std::uint64_t attempt() const;
  /// When it was published, by the publisher's clock.
  std::chrono::system_clock::time_point time() const;
  /// A string attribute of that name, as CloudEvents extensions are ("subject", "traceparent", …).
  std::optional<std::string> attribute(std::string_view name) const;
  /// Live events only: how many of this source and topic were missed just before this one.
  std::uint64_t missed() const;

 private:
  const actor::Incoming& incoming_;
};

}  // namespace spindle
