#include "tools/spindle/event_input.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace spindle::cli {

void EventInput::read() {
  if (ended_) return;
  buffer_.erase(0, begin_);
  lines_end_ -= begin_;
  begin_ = 0;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + read_bytes);
  const ssize_t got = ::read(fd_, buffer_.data() + before, read_bytes);
  buffer_.resize(before + static_cast<std::size_t>(got > 0 ? got : 0));
  if (got < 0 && errno != EINTR && errno != EAGAIN) {
    return refuse({ErrorCode::io_error, "cannot read it: " + std::generic_category().message(errno)});
  }
  if (got == 0) {
    ended_ = true;
    if (buffer_.size() > lines_end_) buffer_ += '\n';  // the last line may do without
  }
  const auto newline = buffer_.rfind('\n');
  if (newline != Bytes::npos && newline >= lines_end_) lines_end_ = newline + 1;
  if (buffer_.size() - lines_end_ > line_bytes_max) {
    if (!has_line()) ++line_;
    refuse({ErrorCode::too_large, "longer than " + std::to_string(line_bytes_max) + " bytes (line_bytes_max)"});
  }
}

std::optional<EventInput::Event> EventInput::next() {
  while (has_line()) {
    const std::string_view text = take_line();
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto converted = convert_.convert(text);
    if (converted) return Event{converted->data, converted->key, line_};
    refuse(converted.error());
  }
  return std::nullopt;
}

std::string_view EventInput::take_line() {
  const std::size_t end = buffer_.find('\n', begin_);
  const std::string_view line = std::string_view(buffer_).substr(begin_, end - begin_);
  begin_ = end + 1;
  ++line_;
  return line;
}

void EventInput::refuse(const Error& why) {
  wrong_ = Error{why.code, "line " + std::to_string(line_) + ": " + why.text};
  close();
}

void EventInput::close() {
  ended_ = true;
  begin_ = lines_end_;
}

}  // namespace spindle::cli
