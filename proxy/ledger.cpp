#include "proxy/ledger.hpp"

#include <iterator>
#include <utility>

namespace spindle::proxy {
namespace {

/// What it takes in memory, roughly; a message is never for free. Packets are those of deliveries, which credit
/// bounds.
std::size_t head_bytes(const wire::Message& message) { return 256 + message.head.size(); }

std::size_t size_of(const wire::Message& message) {
  std::size_t bytes = head_bytes(message);
  for (const wire::TopicPacket& pair : message.packets) bytes += 64 + pair.packet.view.size();
  return bytes;
}

std::uint64_t minus(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }
std::uint64_t plus(std::uint64_t a, std::uint64_t b) { return a + b < a ? ~std::uint64_t{0} : a + b; }

}  // namespace

Ledger::Ledger(std::unique_ptr<spool::Appender> appender, Disk disk, Owner owner)
    : appender_(std::move(appender)), owner_(std::move(owner)), disk_(disk) {}

Result<void> Ledger::make_room(std::uint64_t commit_bytes, Now now) {
  if (commit_bytes > appender_->commit_bytes_max()) {
    return spindle::fail(ErrorCode::too_large,
                         "a commit of " + std::to_string(commit_bytes) +
                             " bytes does not fit into a segment of the spool; publish less at once or "
                             "raise --segment-size");
  }
  if (!appender_->fits(commit_bytes)) roll(now);
  return {};
}

void Ledger::roll(Now now) {
  count_appended();
  const Bytes state = owner_.state();
  state_bytes_ = state.size();
  const std::uint64_t whole = segment_head_bytes() + appender_->commit_bytes_max();
  preallocated_ = free_bytes() >= plus(whole, reserve_bytes(Tier::bare));
  const WallNs last_time_ns = appender_->last_time_ns();
  filling_disk_bytes_ += appender_->sealing_bytes();
  appender_->roll(state, now.wall_ns, preallocated_);
  owner_.on_roll(appender_->segment(), last_time_ns);
  filling_disk_bytes_ += preallocated_ ? whole : segment_head_bytes();
  counted_bytes_ = 0;
}

/// What the newest state is at the head of a segment: header, records, and each record's own header and padding.
std::uint64_t Ledger::segment_head_bytes() const {
  const std::uint64_t chunks = state_bytes_ / spool::state_chunk_bytes + 1;
  return spool::segment_header_bytes + state_bytes_ + chunks * (spool::record_header_bytes + 8);
}

std::uint64_t Ledger::free_bytes() const {
  return minus(disk_.free_bytes, plus(unwritten_disk_bytes_, filling_disk_bytes_));
}

/// What goes into a segment that is not preallocated comes from the free bytes.
void Ledger::count_appended() {
  if (preallocated_ || !appender_) return;
  const std::uint64_t used = appended_bytes();
  filling_disk_bytes_ += minus(used, counted_bytes_);
  counted_bytes_ = used;
}

std::uint64_t Ledger::appended_bytes() const {
  return appender_ ? minus(appender_->commit_bytes_max(), appender_->segment_bytes_left()) : 0;
}

std::uint64_t Ledger::space_bytes() {
  if (!appender_) return 0;
  count_appended();
  return plus(free_bytes(), preallocated_ ? appender_->segment_bytes_left() : 0);
}

std::uint64_t Ledger::reserve_bytes(Tier tier) const {
  switch (tier) {
    case Tier::publish: return disk_.reserve_bytes;
    case Tier::turn: return disk_.reserve_bytes / 2;
    case Tier::drain: return disk_.reserve_bytes / 4;
    case Tier::bare: break;
  }
  return disk_.reserve_bytes / 8;
}

bool Ledger::has_space(Tier tier, std::uint64_t commit_bytes) {
  if (!appender_) return true;
  const std::uint64_t needed = plus(commit_bytes, reserve_bytes(tier));
  if (appender_->fits(commit_bytes)) return space_bytes() >= needed;
  // A new segment is made before the rest of this one is given back, so its head and the commit need free bytes.
  if (!std::exchange(state_measured_, true)) state_bytes_ = owner_.state().size();
  const std::uint64_t head = plus(segment_head_bytes(), appender_->sealing_bytes());
  return space_bytes() >= plus(needed, head) && free_bytes() >= plus(commit_bytes, head);
}

void Ledger::on_space(std::uint64_t free_bytes) {
  disk_.free_bytes = free_bytes;
  state_measured_ = false;
}

std::uint64_t Ledger::decided_batch() const {
  if (!appender_) return 0;
  if (failed_) return durable_batch_;
  return appender_->batch_bytes() > 0 ? filling_ : filling_ - 1;
}

std::optional<Broker::Decided> Ledger::take_batch() {
  if (!appender_) return std::nullopt;
  count_appended();
  auto batch = appender_->take_batch();
  if (!batch) return std::nullopt;
  const std::uint64_t disk_bytes = std::exchange(filling_disk_bytes_, 0);
  unwritten_disk_bytes_ += disk_bytes;
  taken_.push_back({filling_, appender_->next_offset(), disk_bytes});
  return Broker::Decided{filling_++, std::move(batch)};
}

void Ledger::on_durable(std::uint64_t batch) {
  durable_batch_ = batch;
  while (!taken_.empty() && taken_.front().number <= batch) {
    durable_end_ = taken_.front().next_offset;
    // The free bytes were measured before this was written, or while it was: the next measure is the exact one.
    disk_.free_bytes = minus(disk_.free_bytes, taken_.front().disk_bytes);
    unwritten_disk_bytes_ -= taken_.front().disk_bytes;
    taken_.pop_front();
  }
}

void Ledger::hold(Peer peer, wire::Message message, std::uint64_t batch) {
  held_bytes_ += size_of(message);
  held_answer_bytes_ += head_bytes(message);
  held_answer_bytes_of_[peer] += head_bytes(message);
  held_[batch].push_back({std::move(peer), std::move(message), batch});
}

std::size_t Ledger::held_answer_bytes(const Peer& peer) const {
  auto found = held_answer_bytes_of_.find(peer);
  return found == held_answer_bytes_of_.end() ? 0 : found->second;
}

void Ledger::release(const Outgoing& outgoing) {
  held_bytes_ -= size_of(outgoing.message);
  held_answer_bytes_ -= head_bytes(outgoing.message);
  auto found = held_answer_bytes_of_.find(outgoing.peer);
  if ((found->second -= head_bytes(outgoing.message)) == 0) held_answer_bytes_of_.erase(found);
}

std::vector<Outgoing> Ledger::take_outgoing() {
  std::vector<Outgoing> ready;
  while (!held_.empty() && held_.begin()->first <= durable_batch_) {
    for (Outgoing& outgoing : held_.begin()->second) {
      release(outgoing);
      ready.push_back(std::move(outgoing));
    }
    held_.erase(held_.begin());
  }
  return ready;
}

std::vector<Outgoing> Ledger::fail() {
  failed_ = true;
  std::vector<Outgoing> never;
  const auto first = held_.upper_bound(durable_batch_);
  for (auto batch = first; batch != held_.end(); ++batch) {
    for (Outgoing& outgoing : batch->second) {
      release(outgoing);
      never.push_back(std::move(outgoing));
    }
  }
  held_.erase(first, held_.end());
  return never;
}

}  // namespace spindle::proxy
