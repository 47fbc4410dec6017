#include "spindle/transport/miss_counter.hpp"

namespace spindle::transport {

std::uint64_t MissCounter::note(std::string_view topic, const wire::PacketHeader& header) {
  key_.assign(topic).append(header.event_class == wire::EventClass::live ? " l " : " d ").append(header.source);
  const std::uint64_t next = header.topic_count + header.count;
  auto found = index_.find(key_);
  if (found == index_.end()) {
    if (streams_.size() >= streams_max_) {
      index_.erase(streams_.back().key);
      streams_.pop_back();
      ++forgotten_;
    }
    streams_.push_front({key_, header.epoch, next});
    index_[streams_.front().key] = streams_.begin();
    return 0;
  }
  streams_.splice(streams_.begin(), streams_, found->second);
  Stream& stream = streams_.front();
  if (header.epoch < stream.epoch) return 0;
  if (header.epoch > stream.epoch) {  // counts begin at 0 in a new epoch: what was before this packet was missed
    stream.epoch = header.epoch;
    stream.next = 0;
  }
  const std::uint64_t missed = header.topic_count > stream.next ? header.topic_count - stream.next : 0;
  stream.next = next > stream.next ? next : stream.next;
  total_ += missed;
  return missed;
}

}  // namespace spindle::transport
