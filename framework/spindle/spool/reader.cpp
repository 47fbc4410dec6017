#include "spindle/spool/reader.hpp"

#include <algorithm>
#include <utility>

#include "spindle/spool/scan.hpp"

namespace spindle::spool {
namespace {

/// The last of `entries` (by offset) at or before `offset`, or `otherwise`.
IndexEntry entry_for(const std::vector<IndexEntry>& entries, std::uint64_t offset, IndexEntry otherwise) {
  auto later = [](std::uint64_t wanted, const IndexEntry& entry) { return wanted < entry.offset; };
  auto after = std::upper_bound(entries.begin(), entries.end(), offset, later);
  return after == entries.begin() ? otherwise : *(after - 1);
}

}  // namespace

Reader::Known::Known(Segment listed) : segment(std::move(listed)), salt(segment.header.salt()) {}

Reader::Reader(Files& files, std::string directory, std::vector<Segment> segments, std::size_t tail_cache_bytes,
               std::size_t topic_cache_bytes)
    : files_(files),
      directory_(std::move(directory)),
      segments_(segments.begin(), segments.end()),
      next_offset_(segments.empty() ? 0 : segments.back().next_offset),
      cache_(tail_cache_bytes),
      topics_(topic_cache_bytes) {}

void Reader::note_durable(std::shared_ptr<const Batch> batch) {
  for (const Step& step : batch->steps) {
    std::visit([this](const auto& one) { note(one); }, step);
  }
  next_offset_ = batch->next_offset;
  cache_.add(std::move(batch));
}

void Reader::note(const AppendStep& step) {
  Known& known = segments_.back();
  SegmentTopics& topics = topics_.of(known.segment.header.serial, begin_of(known));
  if (topics.to.position == step.position) {  // or some of it was forgotten
    topics.index.add(step.topics);
    topics.to = {step.next_offset, step.position + step.bytes.size()};
  }
  known.segment.end = step.position + step.bytes.size();
  known.segment.next_offset = step.next_offset;
  known.index.insert(known.index.end(), step.index.begin(), step.index.end());
}

void Reader::note(const NewSegmentStep& step) {
  segments_.emplace_back(Segment{step.header, step.header.head_end, step.header.first_offset});
}

void Reader::note(const RemoveStep& step) {
  for (const std::string& name : step.names) {
    if (segments_.empty() || segments_.front().segment.name() != name) continue;
    const std::uint64_t serial = segments_.front().segment.header.serial;
    topics_.forget(serial);
    std::erase_if(open_files_, [serial](const OpenFile& open) { return open.serial == serial; });
    segments_.erase(segments_.begin());
  }
}

Result<Block> Reader::read(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end) {
  return read(from_offset, bytes_max, durable_end, nullptr);
}

Result<Block> Reader::read(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end,
                           const TopicFilter& filter) {
  return read(from_offset, bytes_max, durable_end, &filter);
}

Result<Block> Reader::read_at(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end,
                              const TopicFilter& filter) {
  auto block = read(from_offset, bytes_max, durable_end, &filter);
  if (block && !block->records.empty() && block->records.front().offset <= from_offset) return block;
  return read(from_offset, bytes_max, durable_end, nullptr);  // its topic is another, or something is damaged
}

Result<Block> Reader::read(std::uint64_t from_offset, std::size_t bytes_max, std::uint64_t durable_end,
                           const TopicFilter* filter) {
  Request request{.from_offset = from_offset,
                  .bytes_max = std::min<std::size_t>(bytes_max, segment_bytes_max),
                  .end_offset = std::min(durable_end, next_offset_),
                  .filter = filter,
                  .block = {nullptr, {}, from_offset, 0}};
  unreadable_.reset();
  if (from_offset >= request.end_offset) return std::move(request.block);
  if (from_offset < first_offset()) {
    // Nothing is trimmed that somebody needs, so somebody deleted it.
    unreadable_ = {from_offset, first_offset(), true, {}};
    return fail(ErrorCode::not_found, "offset " + std::to_string(from_offset) + " is no longer kept, the first is " +
                                          std::to_string(first_offset()));
  }
  if (auto hit = cache_.find(from_offset); hit.step) {
    filter ? read_memory_wanted(std::move(hit), request) : read_memory(hit, request);
    return std::move(request.block);
  }
  Known& known = segment_with(from_offset);
  auto done = read_segment(known, request);
  if (!done && unreadable_ && !unreadable_->accepted && !believed_.contains(unreadable_->place)) {
    // What came wrong from the disk once may come right: only what is wrong twice is reported. Once, since a group
    // that stands there has it read again and again.
    if (believed_.size() >= reader_places_max) believed_.clear();
    believed_.insert(unreadable_->place);
    unreadable_.reset();
    auto file = file_of(known);
    if (file) (void)(*file)->forget_cached();  // if it cannot, memory is asked again
    request.filter = filter;
    request.block = {nullptr, {}, from_offset, request.block.bytes_read};
    request.bytes = 0;
    done = read_segment(known, request);
  }
  if (!done) return fail(std::move(done.error()));
  return std::move(request.block);
}

Result<void> Reader::read_segment(Known& known, Request& request) {
  return request.filter ? read_disk_wanted(known, request)
                        : read_disk(known, start_in(known, request.from_offset), request, nullptr);
}

bool Reader::Request::take(const Record& record, std::uint64_t size) {
  if (record.kind != Kind::events || record.next_offset() <= from_offset) return true;
  if (record.offset >= end_offset) return false;
  if (!wants(record)) {
    pass(record.next_offset());
    return true;
  }
  if (!block.records.empty() && bytes + size > bytes_max) return false;
  block.records.push_back(record);
  block.next_offset = record.next_offset();
  bytes += static_cast<std::size_t>(size);
  return true;
}

void Reader::Request::pass(std::uint64_t offset) {
  block.next_offset = std::max(block.next_offset, std::min(offset, end_offset));
}

void Reader::read_memory(const TailCache::Hit& hit, Request& request) {
  const BytesView bytes = hit.step->bytes;
  auto at = static_cast<std::size_t>(start_in(*hit.step, request.from_offset).position - hit.step->position);
  while (at < bytes.size()) {
    const ParsedRecord parsed = view_record(bytes.substr(at));
    if (!request.take(parsed.record, parsed.size)) break;
    at += static_cast<std::size_t>(parsed.size);
  }
  request.block.owner = hit.owner;
  remember(request.block.next_offset, {hit.step->serial, hit.step->position + at});
}

Result<void> Reader::read_disk(Known& known, IndexEntry at, Request& request, SegmentTopics* topics) {
  std::uint64_t wanted = std::max(request.bytes_max, read_bytes_min) + read_slack_bytes;
  while (!request.is_on()) {
    const std::uint64_t available = known.segment.end - at.position;
    if (available == 0) return damage(known, at, known.segment.next_offset);  // the events are missing
    auto piece = load(known, at.position, std::min(available, wanted), request);
    if (!piece) return fail(std::move(piece.error()));
    auto missing = read_piece(known, *piece, at, request, topics);
    if (!missing) return fail(std::move(missing.error()));
    wanted = std::max(wanted, *missing);
  }
  remember(request.block.next_offset, {known.segment.header.serial, at.position});
  return {};
}

/// Goes over the records of a piece that begins at `at` and moves `at` behind what it used. Returns the size of the
/// piece that the next record needs, when it is cut off by this one's end.
Result<std::uint64_t> Reader::read_piece(Known& known, const Piece& piece, IndexEntry& at, Request& request,
                                         SegmentTopics* topics) {
  using Found = ParsedRecord::Found;
  const std::uint64_t begin = at.position;
  while (at.position < begin + piece.size) {
    const BytesView bytes = BytesView(piece.bytes.get(), piece.size).substr(at.position - begin);
    const ParsedRecord parsed = parse_record(bytes, known.segment.end - at.position, {known.salt, at.position});
    if (parsed.found == Found::part) return parsed.size;
    if (parsed.found != Found::record || parsed.record.offset != at.offset) {
      if (request.is_on()) return 0;  // the next read tells of the damage
      auto behind = pass_damage(known, at, request.from_offset);
      if (!behind) return fail(std::move(behind.error()));
      at = *behind;
      return 0;
    }
    note_place(known, at);
    if (topics && topics->to.position == at.position && !topics->index.gave_up()) {
      if (parsed.record.kind == Kind::events) topics->index.add(parsed.record.topic, at.position);
      topics->to = {parsed.record.next_offset(), at.position + parsed.size};
    }
    if (!request.take(parsed.record, parsed.size)) return 0;
    if (!request.block.records.empty()) request.block.owner = piece.bytes;
    at = {parsed.record.next_offset(), at.position + parsed.size};
  }
  return 0;
}

/// Keeps the places apart by index_spacing_bytes.
void Reader::note_place(Known& known, IndexEntry at) {
  std::vector<IndexEntry>& index = known.index;
  auto later = [](std::uint64_t position, const IndexEntry& entry) { return position < entry.position; };
  const auto behind = index.empty() || at.position >= index.back().position
                          ? index.end()
                          : std::upper_bound(index.begin(), index.end(), at.position, later);
  const std::uint64_t before = behind == index.begin() ? known.segment.header.head_end : std::prev(behind)->position;
  if (at.position < before + index_spacing_bytes) return;
  if (behind != index.end() && behind->position < at.position + index_spacing_bytes) return;
  index.insert(behind, at);
}

Reader::Known& Reader::segment_with(std::uint64_t offset) {
  auto ends_before = [offset](const Known& known) { return known.segment.next_offset <= offset; };
  return *std::partition_point(segments_.begin(), segments_.end(), ends_before);
}

IndexEntry Reader::start_in(const Known& known, std::uint64_t offset) const {
  auto place = places_.find(offset);
  const bool is_here = place != places_.end() && place->second.serial == known.segment.header.serial;
  return is_here ? IndexEntry{offset, place->second.position} : entry_for(known.index, offset, begin_of(known));
}

IndexEntry Reader::start_in(const AppendStep& step, std::uint64_t offset) const {
  auto place = places_.find(offset);
  if (place != places_.end() && place->second.serial == step.serial && place->second.position >= step.position) {
    return {offset, place->second.position};
  }
  return entry_for(step.index, offset, {step.first_offset, step.position});
}

void Reader::remember(std::uint64_t offset, Place place) {
  if (places_.size() >= reader_places_max) places_.clear();
  places_[offset] = place;
}

Result<Reader::Piece> Reader::load(const Known& known, std::uint64_t position, std::uint64_t size, Request& request) {
  auto file = file_of(known);
  if (!file) return fail(std::move(file.error()));
  Piece piece{std::make_shared_for_overwrite<char[]>(static_cast<std::size_t>(size)), 0};
  auto got = (*file)->read(position, piece.bytes.get(), static_cast<std::size_t>(size));
  if (!got) return fail(std::move(got.error()));
  if (*got < size) {
    return fail(ErrorCode::corrupt, "segment " + directory_ + "/" + known.segment.name() +
                                        " is cut off at position " + std::to_string(position + *got));
  }
  piece.size = *got;
  request.block.bytes_read += piece.size;
  return piece;
}

Result<File*> Reader::file_of(const Known& known) {
  const std::uint64_t serial = known.segment.header.serial;
  for (OpenFile& open : open_files_) {
    if (open.serial != serial) continue;
    open.used = ++uses_;
    return open.file.get();
  }
  auto file = files_.open(directory_ + "/" + known.segment.name(), OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  if (open_files_.size() >= reader_files_max) {
    auto older = [](const OpenFile& a, const OpenFile& b) { return a.used < b.used; };
    open_files_.erase(std::min_element(open_files_.begin(), open_files_.end(), older));
  }
  open_files_.push_back({serial, std::move(*file), ++uses_});
  return open_files_.back().file.get();
}

/// Where reading goes on behind damage: at the next valid record, or at the segment's end. An error when the offset
/// that is wanted is among those that cannot be read.
Result<IndexEntry> Reader::pass_damage(const Known& known, IndexEntry at, std::uint64_t wanted_offset) {
  auto file = file_of(known);
  if (!file) return fail(std::move(file.error()));
  IndexEntry behind{known.segment.next_offset, known.segment.end};
  SegmentScan scan(**file, known.segment.header, at.position, known.segment.end);
  while (true) {
    const std::uint64_t position = scan.position();
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (*record && (*record)->offset >= at.offset) {
      behind = {(*record)->offset, position};
      break;
    }
    if (*record) continue;
    auto more = scan.skip_damage();
    if (!more) return fail(std::move(more.error()));
    if (!*more) break;
  }
  if (behind.offset <= wanted_offset) return behind;
  remember(behind.offset,
           {known.segment.header.serial, behind.position});  // or who reads on there comes past it again
  return damage(known, at, behind.offset);
}

tl::unexpected<Error> Reader::damage(const Known& known, IndexEntry at, std::uint64_t readable_again) {
  unreadable_ = {at.offset, readable_again, known.segment.header.lost, {known.segment.header.serial, at.position}};
  return fail(ErrorCode::corrupt, "segment " + directory_ + "/" + known.segment.name() + " is damaged at position " +
                                      std::to_string(at.position) + ": offsets " + std::to_string(at.offset) +
                                      " to " + std::to_string(readable_again) + " (excluded) cannot be read");
}

}  // namespace spindle::spool
