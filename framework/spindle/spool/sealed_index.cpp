#include "spindle/spool/sealed_index.hpp"

#include <utility>

#include "spindle/spool/limits.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/spool/scan.hpp"

namespace spindle::spool {

static_assert(seal_bytes == record_bytes(0, 0));

Bytes encode_sealed_index(const SegmentHeader& segment, const SegmentHeader& next, const TopicIndex& index) {
  Bytes records;
  if (index.gave_up()) return records;
  const Bytes body = index.encode();
  const std::uint64_t salt = segment.salt();
  const std::uint64_t at = next.previous_end + seal_bytes;
  BytesView rest = body;
  bool last = false;
  while (!last) {
    const BytesView chunk = rest.substr(0, state_chunk_bytes);
    rest.remove_prefix(chunk.size());
    last = rest.empty();
    const std::size_t begin = records.size();
    encode_record({.kind = Kind::index,
                   .last_of_commit = last,
                   .must_understand = false,
                   .offset = next.first_offset,
                   .count = 0,
                   .time_ns = next.created_ns,
                   .topic = {},
                   .body = chunk},
                  static_cast<std::uint32_t>(next.previous_end), records);
    set_record_checksum(&records[begin], records.size() - begin, {salt, at + begin});
  }
  return records;
}

Result<SealedIndex> read_sealed_index(File& file, const SegmentHeader& header, std::uint64_t end) {
  using Found = SealedIndex::Found;
  auto size = file.size();
  if (!size) return fail(std::move(size.error()));
  const std::uint64_t at = end + seal_bytes;
  if (*size <= at) return SealedIndex{};
  Bytes begin(record_header_bytes, '\0');
  auto got = file.read(at, begin.data(), begin.size());
  if (!got) return fail(std::move(got.error()));
  if (begin.find_first_not_of('\0') == Bytes::npos) return SealedIndex{};
  const SealedIndex damaged{Found::damaged, {}};
  SegmentScan scan(file, header, at, *size);
  Bytes body;
  while (true) {
    auto record = scan.next();
    if (!record) return fail(std::move(record.error()));
    if (!*record || (*record)->kind != Kind::index || !(*record)->topic.empty()) return damaged;
    if (body.size() + (*record)->body.size() > topic_index_bytes_max) return damaged;
    body.append((*record)->body);
    if ((*record)->last_of_commit) break;
  }
  auto index = TopicIndex::decode(body, header.head_end, end);
  if (!index) return damaged;
  return SealedIndex{Found::whole, std::move(*index)};
}

}  // namespace spindle::spool
