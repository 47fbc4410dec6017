#include "spindle/actor/publish_queue.hpp"

#include "spindle/actor/turn.hpp"

namespace spindle::actor {

transport::OutgoingEvent PublishQueue::Batch::event(std::size_t index) const {
  const Event& event = events[index];
  const std::size_t begin = index == 0 ? 0 : events[index - 1].end;
  return {topics[event.topic], BytesView(data).substr(begin, event.end - begin), {}, event.key};
}

PublishQueue::~PublishQueue() {
  if (batch_.receipts) batch_.receipts->close({ErrorCode::closed, "the service ended before the event was sent"});
}

Result<void> PublishQueue::check_open() const {
  if (closed_) return fail(*closed_);
  if (batch_.data.size() >= publish_queue_bytes_max) {
    return fail(ErrorCode::outbox_full,
                "publish_queue_bytes_max (32 MiB) wait to be sent; wait for a receipt, then "
                "publish again");
  }
  return {};
}

Result<Receipt> PublishQueue::finish(std::unique_lock<std::mutex> lock, std::string_view topic,
                                     std::optional<std::uint32_t> key, bool durable) {
  const std::size_t begin = bytes_used();
  const BytesView data = BytesView(batch_.data).substr(begin);
  auto checked = transport::check_sizes({topic, data, {}, key});
  const bool new_topic = batch_.topics.empty() || batch_.topics.back() != topic;
  if (checked && new_topic) checked = check_own_topic(topic);
  if (!checked) {
    batch_.data.resize(begin);
    return fail(checked.error());
  }
  if (new_topic) batch_.topics.emplace_back(topic);
  if (!batch_.receipts) batch_.receipts = std::make_shared<ReceiptBook>();
  const bool was_empty = batch_.events.empty();
  batch_.events.push_back({batch_.topics.size() - 1, batch_.data.size(), key, durable});
  Receipt receipt(batch_.receipts, batch_.events.size() - 1);
  lock.unlock();
  if (was_empty) wakeup_.signal();
  return receipt;
}

std::optional<PublishQueue::Batch> PublishQueue::take() {
  wakeup_.clear();
  std::lock_guard lock(mutex_);
  if (batch_.events.empty()) return std::nullopt;
  return std::exchange(batch_, {});
}

void PublishQueue::close(Error why) {
  std::lock_guard lock(mutex_);
  closed_ = std::move(why);
}

}  // namespace spindle::actor
