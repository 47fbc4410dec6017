#pragma once

#include <memory>
#include <string>

#include "proxy/broker.hpp"
#include "proxy/broker_config.hpp"
#include "proxy/committer.hpp"
#include "spindle/base/files.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/reader.hpp"
#include "spindle/spool/recovery.hpp"

namespace spindle::proxy {

/// An open spool as the control thread uses it: it reads, and has batches written. The directory stays locked for as
/// long as this lives.
struct Storage {
  Files& files;
  std::string directory;
  /// What groups find damaged is lost to them, instead of stopping them there.
  bool accept_loss;
  std::unique_ptr<DirectoryLock> lock;  // before the committer: it must outlive it
  spool::Reader reader;
  Committer committer;
};

/// A broker that knows what its spool holds, and the spool (none for a proxy of live events only).
struct RecoveredBroker {
  std::unique_ptr<Storage> storage;
  std::unique_ptr<Broker> broker;
  /// For the log: "spool /x (id 0123456789abcdef, next offset 7)".
  std::string description;
};

/// Opens the spool in `directory`, makes it if there is none, and replays it into a new broker, which is started: its
/// first batch is to be written before anyone is answered. Each loss that is accepted is an error in the log. With ""
/// for a directory the broker has no spool. Errors: those of spool::recover.
Result<RecoveredBroker> recover_broker(Files& files, const std::string& directory, std::uint64_t segment_bytes,
                                       spool::Loss loss, BrokerConfig config, Now now);

}  // namespace spindle::proxy
