#pragma once

#include <cstddef>
#include <cstdint>

/// Every limit of the protocol, once. PROTOCOL.md has the same table; a test compares the two.
namespace spindle::limits {

inline constexpr std::size_t topic_bytes_max = 200;  // libzmq loses subscriptions of 246 to 255 bytes silently
inline constexpr std::size_t group_name_bytes_max = 64;
inline constexpr std::size_t source_bytes_max = 200;
inline constexpr std::size_t event_bytes_max = 1024 * 1024;
inline constexpr std::size_t attributes_bytes_max = 16 * 1024;
inline constexpr std::size_t attributes_max = 64;              // each name is compared with those before it
inline constexpr std::size_t packet_bytes_target = 64 * 1024;  // coalescing stops here
inline constexpr std::size_t packet_bytes_max = event_bytes_max + 64 * 1024;
inline constexpr std::size_t packet_events_max = 65'536;
inline constexpr std::size_t message_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t message_frames_max = 4'096;
inline constexpr std::size_t msgpack_depth_max = 32;
inline constexpr std::size_t msgpack_values_max = 262'144;  // 16 bytes each while a message is read
inline constexpr std::size_t patterns_per_member_max = 256;
inline constexpr std::size_t turns_per_settle_max = 4'096;  // commits: a turn of the short form is many
inline constexpr std::size_t lost_ranges_max = 4'096;       // in one message
inline constexpr std::size_t claims_per_attach_max = 65'536;
inline constexpr std::uint64_t commits_in_flight_max = 1'024;  // unanswered commits a source may have
inline constexpr std::uint64_t publish_window_bytes_default = 8 * 1024 * 1024;

}  // namespace spindle::limits
