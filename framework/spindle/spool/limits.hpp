#pragma once

#include <cstddef>
#include <cstdint>

namespace spindle::spool {

/// A segment takes this many bytes of commits after its head; also the size of the largest commit.
inline constexpr std::uint64_t segment_bytes_default = 64u << 20;
inline constexpr std::uint64_t segment_bytes_min = 4u << 10;
inline constexpr std::uint64_t segment_bytes_max = 1u << 30;

/// The state at the head of a segment. With segment_bytes_max it keeps every position within 32 bits.
inline constexpr std::uint64_t state_bytes_max = 1u << 30;
/// One record of that state; it is cut into several.
inline constexpr std::size_t state_chunk_bytes = 1u << 20;

/// A record's topic (16 bits in the format; what a topic may be is the wire's business).
inline constexpr std::size_t record_topic_bytes_max = 65535;

/// Committed batches that readers keep in memory to serve whoever keeps up.
inline constexpr std::size_t tail_cache_bytes_default = 16u << 20;

/// Bytes of records between two entries of the index that a reader holds (16 bytes an entry).
inline constexpr std::uint64_t index_spacing_bytes = 64u << 10;

/// What the topic index of one segment may take in memory, topics included; a segment that would need more has none,
/// and who wants a rare topic reads all of it.
inline constexpr std::size_t topic_index_bytes_max = 8u << 20;
/// What a reader keeps of the indexes of all segments, and of what was chosen from them; and that of one segment.
inline constexpr std::size_t topic_cache_bytes_default = 16u << 20;
inline constexpr std::size_t topic_choices_bytes_max = 4u << 20;
/// Wanted records that are nearer to each other are read with what is between them.
inline constexpr std::uint64_t read_gap_bytes_max = 16u << 10;

/// What is read from a file at a time.
inline constexpr std::size_t read_bytes_min = 64u << 10;
inline constexpr std::size_t scan_bytes = 1u << 20;
/// More than was asked for: a record that is just over it should not need a second read.
inline constexpr std::size_t read_slack_bytes = 4u << 10;

/// For each byte that is searched for a record behind damage, this many are checksummed at most. Data that was made
/// to look like records could make it thousands.
inline constexpr std::uint64_t search_checksummed_bytes_per_byte = 8;

/// Segments that a reader holds open, and places at which reads ended that it remembers.
inline constexpr std::size_t reader_files_max = 32;
inline constexpr std::size_t reader_places_max = 1024;

}  // namespace spindle::spool
