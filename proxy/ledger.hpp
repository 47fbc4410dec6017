#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/broker.hpp"
#include "spindle/spool/appender.hpp"

namespace spindle::proxy {

/// What a commit is for decides how far it may eat into the disk's reserve: publishes halt first, so that the
/// consumers who would free the space go on.
enum class Tier : std::uint8_t {
  publish,  ///< leaves the whole reserve
  turn,     ///< a turn that publishes, or a publish of a session that consumes too: leaves half of it
  drain,    ///< a turn that publishes and settles events of the oldest segments: leaves a quarter of it
  bare,     ///< settles, refusals, epochs, groups, dead letters, losses: leave an eighth of it
};

/// The broker's side of the log: commits go into the batch being filled, and what was said because of them is held
/// back until that batch is durable. It also knows the disk's space: has_space() is asked before anything is decided,
/// so that no decision meets a full disk. Pure; one thread.
class Ledger {
 public:
  struct Disk {
    std::uint64_t reserve_bytes = 0;
    /// Of the file system, when the ledger is made.
    std::uint64_t free_bytes = ~std::uint64_t{0};
  };
  /// Who is asked for the whole logged state, for the head of a new segment, and told of each: its header and the
  /// time of the newest record before it.
  struct Owner {
    std::function<Bytes()> state;
    std::function<void(const spool::SegmentHeader& next, WallNs last_time_ns)> on_roll;
  };
  /// Without an appender nothing is logged and
  /// nothing is held back.
  Ledger(std::unique_ptr<spool::Appender> appender, Disk disk, Owner owner);

  bool has_log() const { return appender_ != nullptr; }
  /// Makes sure that a commit of this size goes into one segment; call before the commit changes any state.
  /// too_large when no segment could hold it.
  Result<void> make_room(std::uint64_t commit_bytes, Now now);
  /// Begins a new segment with the state as it is now.
  void roll(Now now);
  spool::Appender& log() { return *appender_; }
  std::uint64_t next_offset() const { return appender_ ? appender_->next_offset() : 0; }

  /// Whether a commit of this tier and size may be decided: the disk has room for it, for a new segment's head if it
  /// needs one, and for what the tier must leave. True without a log.
  bool has_space(Tier tier, std::uint64_t commit_bytes);
  /// What the file system has free now.
  void on_space(std::uint64_t free_bytes);
  /// What commits may still take: free on the disk, or preallocated for the current segment.
  std::uint64_t space_bytes();
  /// What commits of this tier leave.
  std::uint64_t reserve_bytes(Tier tier) const;
  /// What was appended to the newest segment since it began.
  std::uint64_t appended_bytes() const;
  /// The size of the state at the newest segment's head.
  std::uint64_t state_bytes() const { return state_bytes_; }

  /// The number of the batch that is being filled.
  std::uint64_t filling_batch() const { return filling_; }
  /// The number of the batch that holds everything decided so far.
  std::uint64_t decided_batch() const;
  std::optional<Broker::Decided> take_batch();
  void on_durable(std::uint64_t batch);
  std::uint64_t durable_batch() const { return durable_batch_; }
  std::uint64_t durable_end() const { return durable_end_; }
  /// Recovery: everything below is on disk already.
  void set_durable_end(std::uint64_t offset) { durable_end_ = offset; }

  /// The message leaves once `batch` is durable.
  void hold(Peer peer, wire::Message message, std::uint64_t batch);
  std::vector<Outgoing> take_outgoing();
  /// Bytes of messages that wait; without the packets in them, of all and of those to this peer.
  std::size_t held_bytes() const { return held_bytes_; }
  std::size_t held_answer_bytes() const { return held_answer_bytes_; }
  std::size_t held_answer_bytes(const Peer& peer) const;
  /// The disk failed: nothing more becomes durable, and what is held from now on waits for nothing. Returns what was
  /// held for batches that are not durable: it must never leave.
  std::vector<Outgoing> fail();

 private:
  std::uint64_t free_bytes() const;
  std::uint64_t segment_head_bytes() const;
  void count_appended();

  std::unique_ptr<spool::Appender> appender_;
  Owner owner_;
  std::uint64_t filling_ = 1;
  std::uint64_t durable_batch_ = 0;
  std::uint64_t durable_end_ = 0;
  struct Taken {
    std::uint64_t number;
    std::uint64_t next_offset;
    /// What writing it takes from the file system's free bytes.
    std::uint64_t disk_bytes;
  };
  std::deque<Taken> taken_;
  std::map<std::uint64_t, std::vector<Outgoing>> held_;
  void release(const Outgoing& outgoing);
  std::size_t held_bytes_ = 0;
  std::size_t held_answer_bytes_ = 0;
  std::unordered_map<Peer, std::size_t> held_answer_bytes_of_;
  bool failed_ = false;

  // the disk
  Disk disk_;
  bool preallocated_ = false;
  /// Of the current segment, if that was not preallocated: bytes that are counted in filling_disk_bytes_.
  std::uint64_t counted_bytes_ = 0;
  std::uint64_t filling_disk_bytes_ = 0;
  std::uint64_t unwritten_disk_bytes_ = 0;  // the sum of taken_
  std::uint64_t state_bytes_ = 0;
  bool state_measured_ = false;  // since the last on_space()
};

}  // namespace spindle::proxy
