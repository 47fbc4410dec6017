#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "spindle/base/clock.hpp"
#include "spindle/base/result.hpp"

namespace spindle::transport {

class Socket;

/// Waits until one of several sockets and descriptors is readable. Cheap to clear and fill again, so a loop whose
/// sockets may be remade does that every turn. What it watches must be open during wait(). One thread.
class PollSet {
 public:
  PollSet();
  ~PollSet();
  PollSet(const PollSet&) = delete;
  PollSet& operator=(const PollSet&) = delete;

  void clear();
  /// The index to ask readable() with.
  std::size_t add(const Socket& socket);
  std::size_t add(int descriptor);

  /// Returns when something is readable, `timeout` has passed (0 or less: at once), or a signal came.
  Result<void> wait(Duration timeout);
  /// Also at the end of a pipe: reading does not block.
  bool readable(std::size_t index) const;

 private:
  struct Items;
  std::unique_ptr<Items> items_;
};

/// Time from `now` to the earlier of two deadlines, at most `longest`: what to give wait().
Duration time_until(std::optional<Instant> first, std::optional<Instant> second, Instant now, Duration longest);

}  // namespace spindle::transport
