#include "proxy/live_copies.hpp"

#include <variant>

#include "proxy/group_topics.hpp"
#include "spindle/spool/record.hpp"

namespace spindle::proxy {

bool LiveCopies::offer(std::shared_ptr<const spool::Batch> batch) {
  const std::size_t bytes = batch->bytes;
  return offered_.post(std::move(batch), bytes);
}

void LiveCopies::take() {
  for (auto& batch : offered_.take()) taken_.push_back(std::move(batch));
}

std::optional<LiveCopies::Copy> LiveCopies::next() {
  while (!taken_.empty()) {
    const auto& batch = taken_.front();
    while (step_ < batch->steps.size()) {
      const auto* step = std::get_if<spool::AppendStep>(&batch->steps[step_]);
      while (step != nullptr && position_ < step->bytes.size()) {
        const auto parsed = spool::view_record(BytesView(step->bytes).substr(position_));
        position_ += parsed.size;
        if (parsed.record.kind == spool::Kind::events && !is_replay_topic(parsed.record.topic)) {
          return Copy{batch, parsed.record.topic, parsed.record.body};
        }
      }
      ++step_;
      position_ = 0;
    }
    drop_front();
  }
  return std::nullopt;
}

void LiveCopies::drop_taken() {
  while (!taken_.empty()) drop_front();
}

void LiveCopies::drop_front() {
  offered_.release(taken_.front()->bytes);
  taken_.pop_front();
  step_ = 0;
  position_ = 0;
}

}  // namespace spindle::proxy
