#include "spindle/event/failure.hpp"

#include <utility>

namespace spindle::event {

void Failure::set(ErrorCode code, std::string what) {
  if (failed_) return;
  failed_ = true;
  code_ = code;
  what_ = std::move(what);
}

void Failure::inside_field(std::string_view name) { put_before_path(std::string(name)); }

void Failure::inside_element(std::size_t index) {
  std::string place = "[";
  place += std::to_string(index);
  place += ']';
  put_before_path(std::move(place));
}

void Failure::put_before_path(std::string place) {
  if (!path_.empty() && path_.front() != '[') place += '.';
  path_ = std::move(place) + path_;
}

Error Failure::error(std::string_view topic) const {
  std::string text(topic);
  text += path_.empty() ? ": the event " : ": field " + path_ + " ";
  return {code_, text + what_};
}

}  // namespace spindle::event
