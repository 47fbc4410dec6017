#include "tools/bench/batch_sizes.hpp"

#include <functional>
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

/// Each record and where it stands.
using Visit = std::function<void(const spool::ParsedRecord& record, std::uint64_t at)>;

void visit_records_of(const Bytes& bytes, const spool::SegmentHeader& header, const Visit& visit) {
  std::uint64_t at = header.head_end;
  while (at < bytes.size()) {
    const BytesView rest = BytesView(bytes).substr(at);
    const spool::ParsedRecord parsed = spool::parse_record(rest, rest.size(), {header.salt(), at});
    if (parsed.found != spool::ParsedRecord::Found::record || parsed.record.kind == spool::Kind::seal) return;
    visit(parsed, at);
    at += parsed.size;
  }
}

void visit_records(const std::string& spool, const Visit& visit) {
  for (const spool::Segment& segment : must(spool::read_chain_beside_writer(posix_files(), spool)).segments) {
    visit_records_of(contents_of(spool + "/" + segment.name()), segment.header, visit);
  }
}

}  // namespace

std::vector<std::size_t> batch_sizes(const std::string& spool) {
  std::vector<std::size_t> sizes;
  visit_records(spool, [&](const spool::ParsedRecord& parsed, std::uint64_t at) {
    if (parsed.synced == at) sizes.push_back(0);  // all before it was durable: it is the first of its batch
    if (sizes.empty()) throw std::runtime_error("a record that belongs to no batch");
    sizes.back() += parsed.size;
  });
  return sizes;
}

std::vector<PacketSize> packet_sizes(const std::string& spool) {
  std::vector<PacketSize> sizes;
  visit_records(spool, [&](const spool::ParsedRecord& parsed, std::uint64_t) {
    if (parsed.record.kind == spool::Kind::events) sizes.push_back({parsed.record.body.size(), parsed.record.count});
  });
  return sizes;
}

}  // namespace spindle::bench
