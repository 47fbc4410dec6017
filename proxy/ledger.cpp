#include "proxy/ledger.hpp"

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

}  // namespace

Ledger::Ledger(std::unique_ptr<spool::Appender> appender, std::function<Bytes()> state)
    : appender_(std::move(appender)), state_(std::move(state)) {}

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

void Ledger::roll(Now now) { appender_->roll(state_(), now.wall_ns); }

std::uint64_t Ledger::decided_batch() const {
  if (!appender_) return 0;
  if (failed_) return durable_batch_;
  return appender_->batch_bytes() > 0 ? filling_ : filling_ - 1;
}

std::optional<Broker::Decided> Ledger::take_batch() {
  if (!appender_) return std::nullopt;
  auto batch = appender_->take_batch();
  if (!batch) return std::nullopt;
  taken_.push_back({filling_, appender_->next_offset()});
  return Broker::Decided{filling_++, std::move(batch)};
}

void Ledger::on_durable(std::uint64_t batch) {
  durable_batch_ = batch;
  while (!taken_.empty() && taken_.front().number <= batch) {
    durable_end_ = taken_.front().next_offset;
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
