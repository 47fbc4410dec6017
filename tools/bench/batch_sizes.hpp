#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace spindle::bench {

/// How many bytes each write+fdatasync put into the spool, in order, as its records tell (each says where the batch
/// that it came with begins). The heads of segments are not among them. Throws std::runtime_error when the spool
/// cannot be read.
std::vector<std::size_t> batch_sizes(const std::string& spool);

/// The packets in a spool, in order.
struct PacketSize {
  std::size_t bytes;
  std::uint32_t events;
};
std::vector<PacketSize> packet_sizes(const std::string& spool);

}  // namespace spindle::bench
