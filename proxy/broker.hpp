#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"
#include "spindle/spool/segment.hpp"
#include "spindle/wire/message.hpp"

namespace spindle::spool {
class Appender;
class Reader;
struct Batch;
struct Block;
struct Record;
struct TopicFilter;
}  // namespace spindle::spool

namespace spindle::proxy {

struct BrokerConfig;
class BrokerState;

/// The address of a client on the control port: the identity that the ROUTER gave its connection.
using Peer = std::string;

/// A message for a peer that may leave once batch `after_batch` is durable (0: at once).
struct Outgoing {
  Peer peer;
  wire::Message message;
  std::uint64_t after_batch = 0;
};

/// A group wants the events from `from_offset` on; or an operator does, for dead letters or for a search of a time.
struct ReadRequest {
  std::uint64_t group = 0;
  std::uint64_t from_offset = 0;
  std::size_t bytes_max = 0;
  /// Records of topics that it does not want may be left out of the block (Reader::read; null: all are wanted),
  std::shared_ptr<const spool::TopicFilter> topics;
  /// but not the one that holds from_offset (Reader::read_at).
  bool at_offset = false;
  /// Which request of an operator it is for; 0 both: it is the group's.
  std::uint64_t dead_request = 0;
  std::uint64_t time_seek = 0;
};

/// Makes the read; for whoever feeds the broker. Errors: those of the Reader.
Result<spool::Block> read_for(const ReadRequest& request, spool::Reader& reader, std::uint64_t durable_end);

/// The broker: sessions, sources, groups and what they decide, as a state machine without I/O. It is fed messages,
/// time, blocks of the log and word of what became durable; it gives batches to write, messages to send and reads to
/// make. Everything it decides is a record in a batch, and recovery feeds the same records back: the log is the
/// truth. One thread. The same inputs give the same outputs (session numbers come from `BrokerConfig::seed`).
class Broker {
 public:
  explicit Broker(BrokerConfig config);
  ~Broker();

  /// Recovery, before start(): the newest state and every record since, as spool::recover() gives them.
  Result<void> replay(const spool::Record& record, Now now);
  /// The log that recovery found. Begins a new segment: take_batch() has it.
  struct Log {
    std::unique_ptr<spool::Appender> appender;
    std::string spool;
    std::uint64_t incarnation = 0;
    /// The oldest event that is kept.
    std::uint64_t first_offset = 0;
    /// Its end was lost, or it is a copy: what was granted behind it must never be granted again.
    bool restored = false;
    /// As recovery found them, oldest first.
    std::vector<spool::Segment> segments = {};
    /// What the file system has free.
    std::uint64_t free_bytes = ~std::uint64_t{0};
  };
  /// Without a log it is a live-only proxy: sessions work, durable work is refused with no_spool.
  void start(std::optional<Log> log, Now now);

  /// A whole message from a peer: frame 0 and the frames behind it (their owners may outlive the call).
  void on_message(const Peer& peer, std::span<const SharedBytes> frames, Now now);
  /// A message could not be sent to the peer: nothing goes to its session until the client says hello again, and the
  /// session ends with its lease.
  void on_unreachable(const Peer& peer, Now now);
  /// A message from the live path that --capture wants stored: a packet or a CloudEvent map on `topic`.
  /// Errors say why it is not stored: malformed, spool_full, no_spool.
  Result<void> on_captured(BytesView topic, BytesView packet, Now now);
  /// The batch of this number and all before it are on disk.
  void on_durable(std::uint64_t batch, Now now);
  /// What a read asked for by take_reads() found.
  void on_block(const ReadRequest& request, const spool::Block& block, Now now);
  /// A read failed: the group is stalled and the error kept for `groups`; an operator is told which letter it was, or
  /// that the search failed.
  void on_read_error(const ReadRequest& request, const Error& error, Now now);
  /// A read found that events in [from_offset, to_offset) are damaged or gone for good, and that is accepted: what
  /// the group has not settled of them is lost, logged and told, and the group goes on behind.
  void on_read_lost(const ReadRequest& request, const Error& error, std::uint64_t from_offset,
                    std::uint64_t to_offset, Now now);
  /// What the log's file system has free; to be told about once a second.
  void on_space(std::uint64_t bytes_free);
  /// Leases, deadlines and retries that are due.
  void on_tick(Now now);
  /// When on_tick has something to do next.
  std::optional<Instant> next_deadline() const;

  /// What was decided since the last call, to be written as one batch; null when nothing was.
  struct Decided {
    std::uint64_t number = 0;
    std::shared_ptr<const spool::Batch> batch;
  };
  std::optional<Decided> take_batch(Now now);
  /// Messages whose batch is durable, in order for each peer.
  std::vector<Outgoing> take_outgoing();
  /// Reads that groups with credit, or operators, want; each is answered by on_block or on_read_error before the next
  /// call.
  std::vector<ReadRequest> take_reads(Now now);

  /// Goodbye to every session (SIGTERM), after which only take_outgoing() is called.
  void say_goodbye(Now now);

  /// A batch could not be made durable. Whatever waits for a batch is never said; instead every session is told the
  /// reason (io_error, then goodbye). After it only take_outgoing() is called, and the process ends.
  void say_failed(const Error& why);

  /// Offsets below this are durable: what readers may see.
  std::uint64_t durable_end() const;

 private:
  std::unique_ptr<BrokerState> state_;
};

}  // namespace spindle::proxy
