#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "proxy/broker.hpp"
#include "proxy/capture_queue.hpp"
#include "proxy/live_copies.hpp"
#include "proxy/log.hpp"
#include "proxy/loop_clock.hpp"
#include "proxy/storage.hpp"
#include "spindle/base/result.hpp"
#include "spindle/base/wakeup.hpp"
#include "spindle/transport/poll_set.hpp"
#include "spindle/transport/socket.hpp"

namespace spindle::proxy {

/// The control thread: feeds the broker with messages, time, the disk's word and what it wants to read, and does what
/// it decides. Everything durable goes one way: decided, written by the committer, and only then spoken of.
class ControlEndpoint {
 public:
  /// The ROUTER is bound. `storage` is null for a proxy of live events only.
  ControlEndpoint(transport::Socket router, std::unique_ptr<Broker> broker, std::unique_ptr<Storage> storage,
                  LiveCopies& copies, CaptureQueue& captured);

  /// Before run(): waits until what the broker decided at its start is durable.
  Result<void> begin();
  /// Turns until stop(); then finishes the commit in hand and the one decided, sends what is durable, and says
  /// goodbye to every session. An error ends the process: the log must not be spoken of any more.
  Result<void> run();
  /// From any thread.
  void stop();

 private:
  Result<void> turn();
  Result<void> wait();
  Result<bool> receive();
  void refuse_oversized(const Error& error);
  void take_captured();
  Result<void> take_committed();
  void offer_copies();
  void commit();
  void tick(bool input_drained);
  void note_space();
  void read_log();
  bool note_read_error(const ReadRequest& request, const Error& error);
  Result<void> send();
  Result<void> settle_disk(Duration patience);
  tl::unexpected<Error> disk_failed(Error why);
  void hear_out();
  Result<void> finish();

  transport::Socket router_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Storage> storage_;
  LiveCopies& copies_;
  CaptureQueue& captured_;

  LoopClock clock_;
  Now now_;
  Instant input_drained_at_;
  Instant space_due_;
  bool busy_ = false;  // the last turn left work behind
  transport::PollSet poll_;
  std::vector<std::shared_ptr<const spool::Batch>> to_copy_;  // durable, for live subscribers
  Wakeup stop_signal_;
  std::atomic<bool> stopping_ = false;

  std::vector<SharedBytes> frames_;
  log::Throttle oversized_;
  log::Throttle not_stored_;
  log::Throttle skipped_copies_;
  log::Throttle failed_reads_;
};

}  // namespace spindle::proxy
