#pragma once

#include "proxy/bounded_mailbox.hpp"
#include "spindle/base/bytes.hpp"

namespace spindle::proxy {

/// A live message that --capture wants stored.
struct Captured {
  SharedBytes topic;
  SharedBytes packet;

  std::size_t bytes() const { return topic.view.size() + packet.view.size(); }
};

/// From the forwarder to the control thread. What does not fit is counted and logged by the forwarder.
using CaptureQueue = BoundedMailbox<Captured>;

inline constexpr std::size_t capture_queue_bytes_max = 16 * 1024 * 1024;

}  // namespace spindle::proxy
