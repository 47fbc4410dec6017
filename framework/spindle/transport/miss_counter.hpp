#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "spindle/wire/packet.hpp"

namespace spindle::transport {

/// Streams (source, topic, class) that a subscriber remembers the count of; the one not seen for longest goes first.
inline constexpr std::size_t missed_streams_max = 65'536;

/// Tells from `topic_count` how many events of a stream a subscriber missed, counted from the first packet it saw of
/// that stream (PROTOCOL.md, "Counting misses"). Pure; one thread.
class MissCounter {
 public:
  explicit MissCounter(std::size_t streams_max = missed_streams_max) : streams_max_(streams_max) {}

  /// How many events were missed just before this packet (0 for a repeat or a packet of an older epoch). A packet
  /// without events only states the total.
  std::uint64_t note(std::string_view topic, const wire::PacketHeader& header);

  /// Missed in all streams since the start.
  std::uint64_t total() const { return total_; }
  /// Streams forgotten for others: what is missed in one until it is seen again is not counted.
  std::uint64_t forgotten() const { return forgotten_; }
  std::size_t streams() const { return streams_.size(); }

 private:
  struct Stream {
    std::string key;
    std::uint64_t epoch = 0;
    std::uint64_t next = 0;  // the topic_count that the next packet should have
  };

  std::size_t streams_max_;
  std::list<Stream> streams_;                                                // last seen first
  std::unordered_map<std::string_view, std::list<Stream>::iterator> index_;  // its keys are the streams' own
  std::string key_;
  std::uint64_t total_ = 0;
  std::uint64_t forgotten_ = 0;
};

}  // namespace spindle::transport
