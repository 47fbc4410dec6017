#include "spindle/event/schema.hpp"

namespace spindle::event {

std::string bracketed(std::size_t size) {
  std::string text = "[";
  text += std::to_string(size);
  text += ']';
  return text;
}

std::string duration_type(std::intmax_t numerator, std::intmax_t denominator, const std::string& count) {
  std::string text = "duration ";
  text += std::to_string(numerator);
  if (denominator != 1) {
    text += '/';
    text += std::to_string(denominator);
  }
  return text + " s of " + count;
}

}  // namespace spindle::event
