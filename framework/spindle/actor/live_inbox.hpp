#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <unordered_map>
#include <vector>

#include "spindle/actor/incoming.hpp"
#include "spindle/base/clock.hpp"
#include "spindle/transport/live_subscriber.hpp"

namespace spindle::actor {

class Runtime;

/// Live messages that wait for their turns, so that slow handlers never keep the worker from its other sockets. One
/// thread.
class LiveInbox {
 public:
  void add(std::vector<transport::LiveMessage> messages);
  bool empty() const { return messages_.empty(); }
  /// Gives the next event to the runtime; false when there is none.
  bool step(Runtime& runtime, Now now);
  void clear();

  /// Events that were missed since the last call, and a topic and source they were of.
  struct Missed {
    std::uint64_t count = 0;
    std::string of;
  };
  Missed take_missed() { return std::exchange(missed_, {}); }

 private:
  void open(const transport::LiveMessage& message);

  std::deque<transport::LiveMessage> messages_;
  // Of the first message:
  bool opened_ = false;
  Incoming incoming_;
  std::vector<wire::PacketEvent> events_;
  /// What packets without events told: goes to the handlers with the next event of that topic and source.
  std::unordered_map<std::string, std::uint64_t> untold_;
  Missed missed_;
};

}  // namespace spindle::actor
