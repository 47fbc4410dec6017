#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "proxy/broker.hpp"
#include "spindle/spool/appender.hpp"

namespace spindle::proxy {

/// The broker's side of the log: commits go into the batch being filled, and what was said because of them is held
/// back until that batch is durable. Pure; one thread.
class Ledger {
 public:
  /// `state` gives the whole logged state, for the head of a new segment. Without an appender nothing is logged and
  /// nothing is held back.
  Ledger(std::unique_ptr<spool::Appender> appender, std::function<Bytes()> state);

  bool has_log() const { return appender_ != nullptr; }
  /// Makes sure that a commit of this size goes into one segment; call before the commit changes any state.
  /// too_large when no segment could hold it.
  Result<void> make_room(std::uint64_t commit_bytes, Now now);
  /// Begins a new segment with the state as it is now.
  void roll(Now now);
  spool::Appender& log() { return *appender_; }
  std::uint64_t next_offset() const { return appender_ ? appender_->next_offset() : 0; }

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
  std::unique_ptr<spool::Appender> appender_;
  std::function<Bytes()> state_;
  std::uint64_t filling_ = 1;
  std::uint64_t durable_batch_ = 0;
  std::uint64_t durable_end_ = 0;
  struct Taken {
    std::uint64_t number;
    std::uint64_t next_offset;
  };
  std::deque<Taken> taken_;
  std::map<std::uint64_t, std::vector<Outgoing>> held_;
  void release(const Outgoing& outgoing);
  std::size_t held_bytes_ = 0;
  std::size_t held_answer_bytes_ = 0;
  std::unordered_map<Peer, std::size_t> held_answer_bytes_of_;
  bool failed_ = false;
};

}  // namespace spindle::proxy
