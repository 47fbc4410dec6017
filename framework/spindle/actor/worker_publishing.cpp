// What other threads publish: from the queue to the session and the live path, and the receipts back.
#include <algorithm>

#include "spindle/actor/worker.hpp"

namespace spindle::actor {
namespace {

/// Events published from outside that share a commit, so that a receipt never waits for a large one; far below what
/// one commit may have.
constexpr std::size_t queued_commit_bytes = 256 * 1024;
constexpr std::size_t queued_commit_packets = 256;

}  // namespace

void Worker::take_queue() {
  while (true) {
    if (!sending_) {
      sending_ = queue_.take();
      sent_events_ = 0;
    }
    if (!sending_ || !send_queued()) return;
    sending_.reset();
  }
}

/// Gives what was published from outside to the session and the live path; false when they have no room for now.
bool Worker::send_queued() {
  std::vector<transport::OutgoingEvent> commit;
  const std::vector<PublishQueue::Event>& events = sending_->events;
  while (sent_events_ < events.size()) {
    const std::size_t first = sent_events_;
    if (!events[first].durable) {
      if (!send_queued_live(first)) return false;
      ++sent_events_;
      continue;
    }
    if (!has_room()) return false;
    const std::size_t end = queued_commit_end(first);
    commit.clear();
    for (std::size_t i = first; i < end; ++i) commit.push_back(sending_->event(i));
    auto ticket = publish(commit);
    if (!ticket && ticket.error().code == ErrorCode::outbox_full) return false;
    if (ticket) {
      promises_.add(*ticket, 1, {sending_->receipts, first, end - first});
    } else {
      sending_->receipts->refused(first, end - first, ticket.error());
    }
    sent_events_ = end;
  }
  return true;
}

bool Worker::send_queued_live(std::size_t index) {
  if (!status_.ready || !live_) return false;  // nobody would get it
  auto published = live_->publisher().publish(sending_->event(index), now_);
  if (!published && published.error().code == ErrorCode::outbox_full) return false;
  if (published) {
    sending_->receipts->stored(index, 1, std::nullopt);
  } else {
    sending_->receipts->refused(index, 1, published.error());
  }
  return true;
}

/// One behind the last of the events from `first` on that go into one commit.
std::size_t Worker::queued_commit_end(std::size_t first) const {
  const std::vector<PublishQueue::Event>& events = sending_->events;
  std::size_t bytes = 0;
  std::size_t packets = 1;  // another topic, or another kind of it, begins another one
  std::size_t end = first;
  for (; end < events.size() && events[end].durable; ++end) {
    const bool same = end == first || (events[end].topic == events[end - 1].topic &&
                                       events[end].key.has_value() == events[end - 1].key.has_value());
    packets += same ? 0 : 1;
    if (end > first && (bytes >= queued_commit_bytes || packets > queued_commit_packets)) break;
    bytes += sending_->event(end).data.size();
  }
  return end;
}

void Worker::on_committed(const transport::session_event::Committed& committed) {
  const wire::Outcome& outcome = committed.outcome;
  std::optional<std::uint64_t> offset;
  if (outcome.status == wire::OutcomeStatus::stored && outcome.run == 1) offset = outcome.first_offset;
  promises_.answer(committed.first, outcome.run, [&](const Promise& promise, std::uint64_t, std::uint64_t) {
    if (outcome.status == wire::OutcomeStatus::refused) {
      promise.receipts->refused(promise.first, promise.count, {outcome.code, outcome.text});
    } else {
      promise.receipts->stored(promise.first, promise.count, offset);
    }
  });
  runtime_.on_outcome(committed.first, outcome, now_);
}

}  // namespace spindle::actor
