#include "tools/bench/batch_sizes.hpp"

#include <stdexcept>

#include "spindle/base/files.hpp"
#include "spindle/spool/chain.hpp"
#include "spindle/spool/record.hpp"

namespace spindle::bench {
namespace {

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

Bytes contents_of(const std::string& path) {
  const auto file = must(posix_files().open(path, OpenMode::read));
  Bytes bytes(must(file->size()), '\0');
  bytes.resize(must(file->read(0, bytes.data(), bytes.size())));
  return bytes;
}

void add_batches_of(const Bytes& bytes, const spool::SegmentHeader& header, std::vector<std::size_t>& sizes) {
  std::uint64_t at = header.head_end;
  while (at < bytes.size()) {
    const BytesView rest = BytesView(bytes).substr(at);
    const spool::ParsedRecord parsed = spool::parse_record(rest, rest.size(), {header.salt(), at});
    if (parsed.found != spool::ParsedRecord::Found::record || parsed.record.kind == spool::Kind::seal) return;
    if (parsed.synced == at) sizes.push_back(0);  // all before it was durable: it is the first of its batch
    if (sizes.empty()) throw std::runtime_error("a record that belongs to no batch");
    sizes.back() += parsed.size;
    at += parsed.size;
  }
}

}  // namespace

std::vector<std::size_t> batch_sizes(const std::string& spool) {
  std::vector<std::size_t> sizes;
  for (const spool::Segment& segment : must(spool::read_chain_beside_writer(posix_files(), spool)).segments) {
    add_batches_of(contents_of(spool + "/" + segment.name()), segment.header, sizes);
  }
  return sizes;
}

}  // namespace spindle::bench
