// Reads for those who want some topics only.
#include <algorithm>
#include <utility>

#include "spindle/spool/reader.hpp"
#include "spindle/spool/sealed_index.hpp"

namespace spindle::spool {
namespace {

using Positions = std::vector<std::uint32_t>;

/// Where the run of positions ends that is read at once: those near each other, within `bytes_max`.
Positions::const_iterator end_of_run(Positions::const_iterator at, Positions::const_iterator end,
                                     std::uint64_t bytes_max) {
  const std::uint64_t begin = *at;
  std::uint64_t before = begin;
  for (++at; at != end; ++at) {
    if (*at - before > read_gap_bytes_max || *at - begin > bytes_max) break;
    before = *at;
  }
  return at;
}

}  // namespace

/// Looks at as many batches as it takes to find something: who keeps up passes over what it does not want.
void Reader::read_memory_wanted(TailCache::Hit hit, Request& request) {
  while (hit.step) {
    const AppendStep& step = *hit.step;
    const Selection selection = Selection::of(step.topics, *request.filter);
    if (selection.most) {
      request.filter = nullptr;
      return read_memory(hit, request);
    }
    const std::uint64_t start = start_in(step, request.from_offset).position;
    auto next = std::lower_bound(selection.positions.begin(), selection.positions.end(), start);
    for (; next != selection.positions.end(); ++next) {
      const ParsedRecord parsed = view_record(BytesView(step.bytes).substr(*next - step.position));
      if (request.take(parsed.record, parsed.size)) continue;
      request.pass(parsed.record.offset);
      remember(request.block.next_offset, {step.serial, *next});
      break;
    }
    if (next == selection.positions.end()) request.pass(step.next_offset);
    if (!request.block.records.empty()) request.block.owner = hit.owner;
    if (!request.block.records.empty() || next != selection.positions.end()) return;
    if (request.block.next_offset >= request.end_offset) return;
    hit = cache_.find(request.block.next_offset);
  }
}

/// What is known of the segment's topics; from behind its seal, if it was not read yet.
Result<SegmentTopics*> Reader::topics_of(Known& known) {
  SegmentTopics& topics = topics_.of(known.segment.header.serial, begin_of(known));
  const bool sealed = &known != &segments_.back();
  if (!sealed || topics.looked_on_disk || topics.to.position == known.segment.end) return &topics;
  topics.looked_on_disk = true;
  auto file = file_of(known);
  if (!file) return fail(std::move(file.error()));
  // What cannot be read is as good as missing: the records tell.
  auto found = read_sealed_index(**file, known.segment.header, known.segment.end);
  if (!found || found->found != SealedIndex::Found::whole) return &topics;
  topics.reset({known.segment.next_offset, known.segment.end});
  topics.index = std::move(found->index);
  return &topics;
}

Result<void> Reader::read_disk_wanted(Known& known, Request& request) {
  auto found = topics_of(known);
  if (!found) return fail(std::move(found.error()));
  SegmentTopics& topics = **found;
  IndexEntry at = start_in(known, request.from_offset);
  if (topics.to.offset <= request.from_offset && topics.to.position > at.position) at = topics.to;
  if (at.position >= topics.to.position) return read_disk(known, at, request, &topics);
  const Selection& selection = topics.choose(*request.filter);
  if (selection.most) {
    request.filter = nullptr;
    return read_disk(known, at, request, nullptr);
  }
  auto agreed = read_chosen(known, topics, selection, at, request);
  if (!agreed) return fail(std::move(agreed.error()));
  if (*agreed) return {};
  // The index is wrong, or a record is damaged: the records themselves tell which.
  topics.reset(begin_of(known));
  request.block = {nullptr, {}, request.from_offset, request.block.bytes_read};
  request.bytes = 0;
  return read_disk(known, at, request, &topics);
}

/// Reads the chosen records from `at` on. False when one is not what the index says.
Result<bool> Reader::read_chosen(Known& known, const SegmentTopics& topics, const Selection& selection, IndexEntry at,
                                 Request& request) {
  const std::uint64_t bytes_max = std::max(request.bytes_max, read_bytes_min);
  auto pieces = std::make_shared<std::vector<std::shared_ptr<char[]>>>();
  const auto end = selection.positions.end();
  auto next = std::lower_bound(selection.positions.begin(), end, at.position);
  bool full = false;
  while (next != end && !full && (!request.is_on() || request.block.bytes_read < bytes_max)) {
    const std::uint64_t begin = *next;
    const auto run_end = end_of_run(next, end, bytes_max);
    const std::uint64_t to = std::min<std::uint64_t>(*std::prev(run_end) + read_slack_bytes, topics.to.position);
    auto run = load(known, begin, to - begin, request);
    if (!run) return fail(std::move(run.error()));
    const std::size_t taken_before = request.block.records.size();
    Piece piece = *run;
    for (; next != run_end && !full; ++next) {
      auto parsed = parse_chosen(known, *next, begin, piece, request);
      if (!parsed) return fail(std::move(parsed.error()));
      const Record& record = parsed->record;
      const bool is_it = parsed->found == ParsedRecord::Found::record && record.kind == Kind::events &&
                         record.offset >= at.offset && request.filter->wants(record.topic);
      if (!is_it) return false;
      note_place(known, {record.offset, *next});
      full = !request.take(record, parsed->size);
      if (full) {
        at = {record.offset, *next};
        request.pass(at.offset);
        break;
      }
      at = {record.next_offset(), *next + parsed->size};
      if (piece.bytes != run->bytes) pieces->push_back(std::exchange(piece, *run).bytes);
    }
    if (request.block.records.size() > taken_before) pieces->push_back(run->bytes);
  }
  if (next == end) {
    at = topics.to;
    request.pass(at.offset);
  }
  if (!request.block.records.empty()) request.block.owner = std::move(pieces);
  if (request.block.next_offset == at.offset) {
    remember(at.offset, {known.segment.header.serial, at.position});
  }
  return true;
}

/// The record at `position`; `piece`, which begins at `piece_at`, is replaced by a longer one when it does not hold
/// it.
Result<ParsedRecord> Reader::parse_chosen(Known& known, std::uint64_t position, std::uint64_t piece_at, Piece& piece,
                                          Request& request) {
  const std::uint64_t available = known.segment.end - position;
  const RecordPlace place{known.salt, position};
  const BytesView bytes = BytesView(piece.bytes.get(), piece.size).substr(position - piece_at);
  ParsedRecord parsed = parse_record(bytes, available, place);
  if (parsed.found != ParsedRecord::Found::part) return parsed;
  auto whole = load(known, position, std::max<std::uint64_t>(parsed.size, record_header_bytes), request);
  if (!whole) return fail(std::move(whole.error()));
  piece = std::move(*whole);
  parsed = parse_record(BytesView(piece.bytes.get(), piece.size), available, place);
  if (parsed.found == ParsedRecord::Found::part) {  // it was not even seen how long it is
    whole = load(known, position, parsed.size, request);
    if (!whole) return fail(std::move(whole.error()));
    piece = std::move(*whole);
    parsed = parse_record(BytesView(piece.bytes.get(), piece.size), available, place);
  }
  return parsed;
}

}  // namespace spindle::spool
