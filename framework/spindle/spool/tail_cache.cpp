#include "spindle/spool/tail_cache.hpp"

#include <algorithm>

namespace spindle::spool {

void TailCache::add(std::shared_ptr<const Batch> batch) {
  bytes_ += batch->bytes;
  batches_.push_back(std::move(batch));
  while (bytes_ > bytes_max_) {
    bytes_ -= batches_.front()->bytes;
    batches_.pop_front();
  }
}

TailCache::Hit TailCache::find(std::uint64_t offset) const {
  auto ends_before = [offset](const auto& batch) { return batch->next_offset <= offset; };
  auto batch = std::partition_point(batches_.begin(), batches_.end(), ends_before);
  if (batch == batches_.end() || (*batch)->first_offset > offset) return {};
  for (const Step& step : (*batch)->steps) {
    const auto* append = std::get_if<AppendStep>(&step);
    if (append && append->first_offset <= offset && offset < append->next_offset) return {*batch, append};
  }
  return {};
}

}  // namespace spindle::spool
