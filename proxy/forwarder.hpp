#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "proxy/capture_queue.hpp"
#include "proxy/live_copies.hpp"
#include "proxy/log.hpp"
#include "proxy/prefix_set.hpp"
#include "spindle/base/result.hpp"
#include "spindle/base/wakeup.hpp"
#include "spindle/transport/multipart.hpp"
#include "spindle/transport/poll_set.hpp"
#include "spindle/transport/socket.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::proxy {

/// Passes live messages from publishers (XSUB) to subscribers (XPUB), at most once: a subscriber that does not keep
/// up misses some, and holds up nobody. Copies of durable events join them. It is our own loop and not zmq_proxy,
/// which would pass a subscriber's messages on to all publishers (FACTS.md).
///
/// A message goes on when it has two frames and the first is a topic; of the topics that begin with `_spindle.`,
/// which only Spindle itself may use, those of the echo alone. The rest is dropped, counted and logged.
class Forwarder {
 public:
  /// The sockets are bound. Live messages that match one of `capture` are also posted to `captured`.
  Forwarder(transport::Socket publish, transport::Socket subscribe, std::vector<wire::Pattern> capture,
            LiveCopies& copies, CaptureQueue& captured);

  /// Turns until stop(), and once more for what waits then. The error is one of the sockets and final.
  Result<void> run();
  /// From any thread.
  void stop();

 private:
  /// What is done with the messages on a topic.
  enum class Verdict : std::uint8_t { refuse, forward, forward_and_capture };

  Result<void> turn();
  Result<void> wait();
  Result<void> read_subscriptions();
  Result<void> forward_live();
  Result<void> send_copies();
  Verdict verdict_on(BytesView topic);
  void capture();
  void report(Instant now);

  transport::Socket publish_;
  transport::Socket subscribe_;
  std::vector<wire::Pattern> capture_;
  LiveCopies& copies_;
  CaptureQueue& captured_;

  PrefixSet subscribed_;
  transport::Multipart message_;
  transport::PollSet poll_;
  bool busy_ = false;  // the last turn left work behind
  Wakeup stop_signal_;
  std::atomic<bool> stopping_ = false;

  // Messages on one topic tend to come in a row: the last one's verdict is kept.
  std::string verdict_topic_;
  Verdict verdict_ = Verdict::refuse;

  log::Throttle refused_;
  log::Throttle not_captured_;
};

}  // namespace spindle::proxy
