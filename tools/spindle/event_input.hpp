#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"
#include "tools/spindle/json_to_msgpack.hpp"

namespace spindle::cli {

/// A line may have this many bytes: several times event_bytes_max, for JSON is longer than msgpack.
inline constexpr std::size_t line_bytes_max = 8 * 1024 * 1024;

/// Events from a file descriptor: JSON lines, each one event's data; blank lines are skipped. Call read() when the
/// descriptor is readable, then next() until it has nothing.
class EventInput {
 public:
  EventInput(int fd, std::string key_field) : fd_(fd), convert_(std::move(key_field)) {}

  /// Takes what waits, at most read_bytes; ended() afterwards if there is no more.
  void read();

  struct Event {
    /// Valid until the next call of next() or read().
    BytesView data;
    std::optional<std::uint32_t> key;
    std::uint64_t line = 0;
  };
  /// The next event of what was read. Nothing when there is none, or after a wrong line.
  std::optional<Event> next();

  /// There will be no more events: the input ended, a line was wrong, or it was closed.
  bool ended() const { return ended_ && !has_line(); }
  /// Why the input is not read to its end; names the line.
  const std::optional<Error>& wrong() const { return wrong_; }
  void close();

  static constexpr std::size_t read_bytes = 64 * 1024;

 private:
  bool has_line() const { return begin_ < lines_end_; }
  std::string_view take_line();
  void refuse(const Error& why);

  int fd_;
  JsonToMsgpack convert_;
  Bytes buffer_;
  std::size_t begin_ = 0;      // of the next line
  std::size_t lines_end_ = 0;  // behind the last whole line
  std::uint64_t line_ = 0;
  bool ended_ = false;
  std::optional<Error> wrong_;
};

}  // namespace spindle::cli
