#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "spindle/base/result.hpp"

namespace spindle {

namespace actor {
class ReceiptBook;
}

/// Becomes ready when an event published with Service::publish is durable (a live one: when it was handed to its
/// socket), or finally refused. Cheap to copy; any thread; may be dropped.
class Receipt {
 public:
  Receipt(std::shared_ptr<const actor::ReceiptBook> book, std::size_t index)
      : book_(std::move(book)), index_(index) {}

  bool ready() const;
  /// Blocks until ready; the event's offset in the spool; 0 for a live event, and for one of which is only known that
  /// it is durable, since the connection was lost at the wrong moment. Errors: `timeout`, `closed` (the service
  /// stopped before; the event may be durable nevertheless), or why it was refused.
  Result<std::uint64_t> wait(std::chrono::nanoseconds timeout) const;

 private:
  std::shared_ptr<const actor::ReceiptBook> book_;
  std::size_t index_;
};

}  // namespace spindle
