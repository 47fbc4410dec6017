#pragma once

#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/broker.hpp"
#include "proxy/broker_config.hpp"
#include "spindle/base/memory_files.hpp"
#include "spindle/spool/reader.hpp"
#include "spindle/spool/recovery.hpp"
#include "spindle/spool/writer.hpp"
#include "spindle/wire/message.hpp"

namespace spindle::proxy {

/// A message from the broker, as a client gets it.
struct Received {
  wire::Envelope envelope;
  Bytes head;
  std::vector<wire::TopicPacket> packets;

  template <class M>
  M as() const {
    REQUIRE(envelope.kind == M::kind);
    wire::Values values;
    auto message = wire::decode<M>(wire::Head(head, values));
    REQUIRE(message);
    return std::move(*message);
  }
};

class BrokerDriver;
/// Leaves about this much for commits: on the disk, and what is left of the preallocated segment.
void leave_space(BrokerDriver& proxy, std::uint64_t bytes);

/// A proxy without sockets, threads and clock: the real broker and the real spool on a disk in memory. Everything
/// happens when it is told to, so a test chooses what is durable, what was sent and when the power goes.
class BrokerDriver {
 public:
  struct Setup {
    BrokerConfig config;
    std::uint64_t segment_bytes = spool::segment_bytes_default;
    bool has_spool = true;
    std::size_t tail_cache_bytes = spool::tail_cache_bytes_default;
    bool accept_loss = false;
    std::uint64_t free_bytes = ~std::uint64_t{0};
    /// The segments that the first start finds, by name.
    std::map<std::string, Bytes> disk = {};
    Now now{Instant(std::chrono::hours(1)), 1'700'000'000'000'000'000};
  };

  BrokerDriver() : BrokerDriver(Setup{}) {}
  explicit BrokerDriver(Setup setup);

  // --- the process ---
  /// Recovers and starts; what it decides at the start is durable, as the real one's is before it serves.
  void start();
  /// As start(), but the power may go on the way: then the error, and nothing was told to anybody.
  Result<void> try_start();
  /// The process dies: what it wrote stays, what it did not say is never said. Connections are gone.
  void kill();
  /// The machine dies with it: what was not synced is lost, kept or torn, by the seed.
  void power_cut(std::uint64_t seed);
  void restart() {
    kill();
    start();
  }

  // --- time ---
  Now now() const { return now_; }
  /// Somebody sets the clock of the wall.
  void jump_wall_clock(Duration by) { now_.wall_ns += by.count(); }
  /// Time passes and timers fire.
  void advance(Duration by);

  // --- messages ---
  void receive(const Peer& peer, const wire::Message& message);
  /// Messages to this peer are lost from now on, and the broker learns it.
  void disconnect(const Peer& peer) { gone_.insert(peer); }
  std::vector<Received> take(const Peer& peer);

  // --- what a loop turn does; receive() and advance() call it unless `by_hand` ---
  bool by_hand = false;
  void settle();
  /// Reads that groups want.
  bool read();
  /// Writes what was decided, if anything; `tell` says whether the broker learns at once what is durable.
  bool commit(bool tell = true);
  /// Writes what was decided without telling the broker: whether that was anything, or why it cannot be written.
  Result<bool> write();
  bool collect();

  /// For the starts to come.
  void accept_loss(bool accept) { setup_.accept_loss = accept; }
  void free_bytes(std::uint64_t bytes) { setup_.free_bytes = bytes; }

  Broker& broker() { return *broker_; }
  MemoryFiles& files() { return files_; }
  /// The segments as they are on the disk, by name.
  std::map<std::string, Bytes> disk();
  /// All events in the log that are durable: offset, topic, packet.
  struct Stored {
    std::uint64_t offset;
    std::uint32_t count;
    std::string topic;
    Bytes packet;
  };
  std::vector<Stored> stored();
  /// The oldest event that is kept.
  std::uint64_t first_offset() const { return reader_->first_offset(); }

  /// Where the spool is; a start() after it was changed is one on another spool.
  std::string directory = "spool";
  std::uint64_t segment_bytes() const { return setup_.segment_bytes; }
  BrokerConfig& config() { return setup_.config; }
  std::uint64_t segments_made = 0;
  /// What commits may still take of the newest segment.
  std::uint64_t segment_bytes_left = 0;
  /// Called whenever a batch is durable.
  std::function<void()> after_batch;

 private:
  Setup setup_;
  MemoryFiles files_;
  Now now_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<spool::Writer> writer_;
  std::unique_ptr<spool::Reader> reader_;
  std::map<Peer, std::deque<Received>> inboxes_;
  std::map<std::pair<Peer, std::uint64_t>, std::uint64_t> numbers_;
  std::set<Peer> gone_;
  std::uint64_t untold_ = 0;  // the newest batch that is written although the broker does not know
};

}  // namespace spindle::proxy
