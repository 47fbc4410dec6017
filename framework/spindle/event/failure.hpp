#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "spindle/base/error.hpp"

namespace spindle::event {

/// The first thing that was wrong with an event, and in which field. The path grows from the inside out while the
/// calls return, so that it costs nothing when all is well.
class Failure {
 public:
  explicit operator bool() const { return failed_; }

  /// `what` completes the sentence "field x …": "is missing". The first one stays.
  void set(ErrorCode code, std::string what);
  void inside_field(std::string_view name);
  void inside_element(std::size_t index);

  /// "orders.placed: field items[2].sku is an integer, not a string".
  Error error(std::string_view topic) const;

 private:
  void put_before_path(std::string place);

  bool failed_ = false;
  ErrorCode code_ = ErrorCode::malformed;
  std::string what_;
  std::string path_;
};

}  // namespace spindle::event
