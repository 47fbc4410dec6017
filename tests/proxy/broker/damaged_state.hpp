#pragma once

#include <map>
#include <random>
#include <string>

#include "broker_driver.hpp"
#include "spindle/spool/record.hpp"
#include "spindle/spool/segment.hpp"

namespace spindle::proxy {

/// The segments of a log by name, oldest first: names sort so.
using Disk = std::map<std::string, Bytes>;

inline std::size_t segments_on(const Disk& disk) {
  return static_cast<std::size_t>(std::count_if(
      disk.begin(), disk.end(), [](const auto& file) { return spool::parse_segment_name(file.first).has_value(); }));
}

/// Deletes the oldest segments until `keep` are left.
inline void trim(Disk& disk, std::size_t keep) {
  while (segments_on(disk) > keep) disk.erase(disk.begin());
}

/// The ways in which the state at the head of a segment can be wrong while the segment's header is whole.
enum class StateDamage { bit, first_record, last_record, length, swapped, zeros };
inline constexpr StateDamage state_damages[] = {StateDamage::bit,         StateDamage::first_record,
                                                StateDamage::last_record, StateDamage::length,
                                                StateDamage::swapped,     StateDamage::zeros};

/// Where the state's records begin in a segment, and at the end where the last one ends.
inline std::vector<std::size_t> state_records(const Bytes& segment) {
  auto header = spool::parse_header(segment, "segment");
  REQUIRE(header);
  std::vector<std::size_t> starts;
  std::size_t at = spool::segment_header_bytes;
  while (at < header->head_end) {
    starts.push_back(at);
    std::uint32_t length = 0;
    for (int i = 3; i >= 0; --i)
      length = length << 8 | static_cast<unsigned char>(segment[at + 8 + static_cast<std::size_t>(i)]);
    at += (length + 7) / 8 * 8;
  }
  REQUIRE(at == header->head_end);
  starts.push_back(at);
  return starts;
}

inline void damage_state(Bytes& segment, StateDamage damage, std::mt19937_64& random) {
  const auto records = state_records(segment);
  auto flip = [&](std::size_t begin, std::size_t end) {
    segment[begin + random() % (end - begin)] ^= static_cast<char>(1 << random() % 8);
  };
  switch (damage) {
    case StateDamage::bit: {
      const std::size_t record = random() % (records.size() - 1);
      // Not in the padding: a checksum covers that too, but it is nobody's state.
      return flip(records[record], records[record + 1]);
    }
    case StateDamage::first_record: return flip(records[0] + 40, records[1]);
    case StateDamage::last_record: return flip(records[records.size() - 2], records.back());
    case StateDamage::length: return flip(records[0] + 8, records[0] + 12);
    case StateDamage::swapped: {  // two sectors, or halves, have changed places
      const std::size_t size = std::min<std::size_t>(512, (records.back() - records[0]) / 2);
      const Bytes first = segment.substr(records[0], size);
      segment.replace(records[0], size, segment.substr(records.back() - size, size));
      segment.replace(records.back() - size, size, first);
      return;
    }
    case StateDamage::zeros:
      segment.replace(records[0], records.back() - records[0], records.back() - records[0], '\0');
  }
}

inline void damage_newest_state(Disk& disk, StateDamage damage, std::mt19937_64& random) {
  for (auto file = disk.rbegin(); file != disk.rend(); ++file) {
    if (spool::parse_segment_name(file->first)) return damage_state(file->second, damage, random);
  }
}

}  // namespace spindle::proxy
