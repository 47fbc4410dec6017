#include "proxy/ledger.hpp"

#include <iterator>

namespace spindle::proxy {

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
  held_[batch].push_back({std::move(peer), std::move(message), batch});
}

std::vector<Outgoing> Ledger::take_outgoing() {
  std::vector<Outgoing> ready;
  while (!held_.empty() && held_.begin()->first <= durable_batch_) {
    for (Outgoing& outgoing : held_.begin()->second) ready.push_back(std::move(outgoing));
    held_.erase(held_.begin());
  }
  return ready;
}

std::vector<Outgoing> Ledger::fail() {
  failed_ = true;
  std::vector<Outgoing> never;
  const auto first = held_.upper_bound(durable_batch_);
  for (auto batch = first; batch != held_.end(); ++batch) {
    std::move(batch->second.begin(), batch->second.end(), std::back_inserter(never));
  }
  held_.erase(first, held_.end());
  return never;
}

}  // namespace spindle::proxy
