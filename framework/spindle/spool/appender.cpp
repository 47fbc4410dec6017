#include "spindle/spool/appender.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "spindle/spool/sealed_index.hpp"

namespace spindle::spool {
namespace {

// The next batch is likely as large as this one; growing to it by doubling would copy it once more.
constexpr std::size_t reserve_bytes_max = 4u << 20;

}  // namespace

Appender::Appender(Tail tail, std::uint64_t segment_bytes)
    : segment_bytes_(std::clamp(segment_bytes, segment_bytes_min, segment_bytes_max)),
      header_(std::move(tail.newest)),
      incarnation_(tail.incarnation),
      topics_(std::move(tail.topics)),
      next_offset_(tail.next_offset),
      last_time_ns_(tail.last_time_ns),
      batch_first_offset_(tail.next_offset),
      step_position_(tail.end),
      step_first_offset_(tail.next_offset) {}

bool Appender::fits(std::uint64_t commit_bytes) const { return commit_bytes <= segment_bytes_left(); }

std::uint64_t Appender::segment_bytes_left() const {
  return position() < segment_limit_ ? segment_limit_ - position() : 0;
}

void Appender::roll(BytesView state, WallNs now_ns, bool preallocate) {
  assert(!in_commit_ && state.size() <= state_bytes_max);
  last_time_ns_ = std::max(last_time_ns_, now_ns);
  close_step();

  SegmentHeader next;
  next.spool_id = header_.spool_id;
  next.incarnation = incarnation_;
  next.serial = header_.serial + 1;
  next.first_offset = next_offset_;
  next.previous_end = position();
  next.created_ns = last_time_ns_;
  NewSegmentStep step;
  step.head = encode_head(state, next);
  if (header_.serial != 0) {
    step.sealed = segment_name(header_.first_offset, header_.serial);
    step.seal = encode_seal(header_, next);
    if (topics_) step.topic_index = encode_sealed_index(header_, next, *topics_);
  }
  step.preallocate = preallocate;
  step.header = next;
  batch_bytes_ += step.head.size() + step.seal.size() + step.topic_index.size();

  header_ = next;
  salt_ = next.salt();
  step_position_ = next.head_end;
  segment_limit_ = next.file_bytes;
  first_event_ns_ = 0;
  topics_.emplace();
  next_index_position_ = next.head_end + index_spacing_bytes;
  steps_.emplace_back(std::move(step));
}

std::uint64_t Appender::sealing_bytes() const {
  if (header_.serial == 0) return 0;
  const std::uint64_t index = (topics_ ? topics_->memory_bytes() : 0) + step_topics_.memory_bytes();
  return seal_bytes + index + (index / state_chunk_bytes + 1) * record_bytes(0, record_alignment);
}

Bytes Appender::encode_head(BytesView state, SegmentHeader& header) {
  const std::uint64_t salt = header.salt();
  Bytes head(segment_header_bytes, '\0');
  head.reserve(segment_header_bytes + state.size() +
               (state.size() / state_chunk_bytes + 1) * 2 * record_header_bytes);
  bool last = false;
  while (!last) {
    const BytesView chunk = state.substr(0, state_chunk_bytes);
    state.remove_prefix(chunk.size());
    last = state.empty();
    const std::size_t begin = head.size();
    encode_record({.kind = Kind::state,
                   .last_of_commit = last,
                   .must_understand = true,
                   .offset = next_offset_,
                   .count = 0,
                   .time_ns = last_time_ns_,
                   .topic = {},
                   .body = chunk},
                  0, head);
    set_record_checksum(&head[begin], head.size() - begin, {salt, begin});
  }
  header.head_end = head.size();
  header.file_bytes = header.head_end + segment_bytes_;
  head.replace(0, segment_header_bytes, encode_header(header));
  return head;
}

void Appender::begin(WallNs now_ns) {
  assert(!in_commit_ && segment_limit_ != 0);
  in_commit_ = true;
  last_time_ns_ = std::max(last_time_ns_, now_ns);
  if (bytes_.capacity() < reserve_bytes_) bytes_.reserve(reserve_bytes_);
}

std::uint64_t Appender::append(Kind kind, BytesView topic, BytesView body, std::uint32_t count,
                               bool must_understand) {
  assert(in_commit_ && (kind == Kind::events) == (count > 0));
  complete_pending();
  if (position() >= next_index_position_) {
    index_.push_back({next_offset_, position()});
    next_index_position_ = position() + index_spacing_bytes;
  }
  if (kind == Kind::events) step_topics_.add(topic, position());
  pending_ = bytes_.size();
  const std::uint64_t offset = next_offset_;
  encode_record({.kind = kind,
                 .last_of_commit = false,
                 .must_understand = must_understand,
                 .offset = offset,
                 .count = count,
                 .time_ns = last_time_ns_,
                 .topic = topic,
                 .body = body},
                static_cast<std::uint32_t>(step_position_), bytes_);
  next_offset_ += count;
  if (count > 0 && first_event_ns_ == 0) first_event_ns_ = last_time_ns_;
  return offset;
}

void Appender::finish() {
  assert(in_commit_);
  in_commit_ = false;
  if (pending_ == none) return;
  mark_last_of_commit(&bytes_[pending_]);
  complete_pending();
}

void Appender::complete_pending() {
  if (pending_ == none) return;
  set_record_checksum(&bytes_[pending_], bytes_.size() - pending_, {salt_, step_position_ + pending_});
  pending_ = none;
}

void Appender::close_step() {
  if (bytes_.empty()) return;
  const std::uint64_t end = position();
  batch_bytes_ += bytes_.size() + step_topics_.memory_bytes();
  if (topics_) topics_->add(step_topics_);
  steps_.emplace_back(AppendStep{.serial = header_.serial,
                                 .position = step_position_,
                                 .first_offset = step_first_offset_,
                                 .next_offset = next_offset_,
                                 .bytes = std::exchange(bytes_, {}),
                                 .index = std::exchange(index_, {}),
                                 .topics = std::exchange(step_topics_, {})});
  step_position_ = end;
  step_first_offset_ = next_offset_;
}

void Appender::remove(std::vector<std::string> names, std::uint64_t first_offset) {
  assert(!in_commit_ && !names.empty() && first_offset <= next_offset_);
  close_step();
  steps_.emplace_back(RemoveStep{std::move(names), first_offset});
}

std::shared_ptr<const Batch> Appender::take_batch() {
  assert(!in_commit_);
  close_step();
  if (steps_.empty()) return nullptr;
  auto batch = std::make_shared<Batch>();
  batch->steps = std::exchange(steps_, {});
  batch->first_offset = std::exchange(batch_first_offset_, next_offset_);
  batch->next_offset = next_offset_;
  batch->bytes = std::exchange(batch_bytes_, 0);
  reserve_bytes_ = std::min(batch->bytes, reserve_bytes_max);
  return batch;
}

}  // namespace spindle::spool
