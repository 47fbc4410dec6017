#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "spindle/base/checksum.hpp"
#include "spindle/spool/reader.hpp"
#include "spindle/spool/recovery.hpp"

namespace spindle::spool {

/// What a golden spool amounts to, in lines: the figures of its recovery, each record that is replayed, each event
/// that a Reader gives. `directory` is changed as by any recovery.
inline std::string describe_spool(const std::string& directory) {
  std::string text;
  std::string replayed;
  auto log = recover(
      posix_files(), directory, "ffffffffffffffff",
      [&](const Record& record) -> Result<void> {
        replayed += "replayed kind=" + std::to_string(static_cast<int>(record.kind)) +
                    " offset=" + std::to_string(record.offset) + " count=" + std::to_string(record.count) +
                    " time=" + std::to_string(record.time_ns) + " last=" + (record.last_of_commit ? "1" : "0") +
                    " topic=" + std::string(record.topic) + " bytes=" + std::to_string(record.body.size()) +
                    " xxh3=" + std::to_string(checksum(record.body)) + "\n";
        return {};
      },
      segment_bytes_min, Loss::refuse, 0);
  if (!log) return "refused " + log.error().message() + "\n";
  text += "spool=" + log->spool_id + " incarnation=" + std::to_string(log->incarnation) +
          " restored=" + (log->restored ? "1" : "0") + " first_offset=" + std::to_string(log->first_offset) +
          " next_offset=" + std::to_string(log->next_offset) + " notes=" + std::to_string(log->notes.size()) + "\n";
  for (const Segment& segment : log->segments) {
    text += "segment " + segment.name() + " end=" + std::to_string(segment.end) +
            " next_offset=" + std::to_string(segment.next_offset) + (segment.header.lost ? " lost" : "") + "\n";
  }
  text += replayed;
  Reader reader(posix_files(), directory, log->segments, 0);
  for (const Segment& segment : log->segments) {
    const std::uint64_t end = segment.header.lost ? segment.header.first_offset : segment.next_offset;
    for (std::uint64_t from = segment.header.first_offset; from < end;) {
      auto block = reader.read(from, 1'000, end);
      if (!block || block->next_offset <= from) return text + "unreadable from " + std::to_string(from) + "\n";
      for (const Record& record : block->records) {
        text += "event offset=" + std::to_string(record.offset) + " count=" + std::to_string(record.count) +
                " topic=" + std::string(record.topic) + " body=" + std::string(record.body.substr(0, 16)) + "\n";
      }
      from = block->next_offset;
    }
  }
  return text;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace spindle::spool
