#pragma once

#include <cstdint>
#include <memory>
#include <thread>

#include "spindle/base/files.hpp"
#include "spindle/base/mailbox.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/batch.hpp"
#include "spindle/spool/writer.hpp"

namespace spindle::proxy {

/// A batch that the broker decided, on its way to the disk.
struct NumberedBatch {
  std::uint64_t number = 0;
  std::shared_ptr<const spool::Batch> batch;
};

/// What became of a batch: durable, or never to be spoken of. After a failure the log is poisoned and the process
/// must end without a word to anyone about that batch or a later one.
struct Committed {
  NumberedBatch done;
  Result<void> result;
};

/// The thread that waits for the disk, so that the broker never does. It has one batch at a time.
class Committer {
 public:
  /// Starts the thread. `files` must outlive it; the directory must be locked by this process.
  Committer(Files& files, std::string directory);
  /// Waits for the batch in hand.
  ~Committer();

  bool idle() const { return !busy_; }
  /// Only when idle.
  void write(NumberedBatch batch);
  /// The batch that is done, if it is; then the committer is idle again.
  std::vector<Committed> take();
  /// Readable when take() has something.
  int fd() const { return done_.fd(); }
  /// Blocks until take() has something or `timeout` has passed.
  void wait(Duration timeout) const { done_.wait(timeout); }

 private:
  void run();

  spool::Writer writer_;           // of the thread
  Mailbox<NumberedBatch> orders_;  // an empty one ends the thread
  Mailbox<Committed> done_;
  bool busy_ = false;
  std::thread thread_;
};

}  // namespace spindle::proxy
