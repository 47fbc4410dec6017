#pragma once

#include <stdexcept>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "spindle/base/error.hpp"

namespace spindle {

/// What Result::value() throws when there is none; what() is the Error's message.
class ResultError : public std::runtime_error {
 public:
  explicit ResultError(Error error) : std::runtime_error(error.message()), error_(std::move(error)) {}
  const Error& error() const { return error_; }

 private:
  Error error_;
};

/// A value or an Error. Ignoring one is a compiler warning. Has the interface of std::expected (C++23), but value()
/// throws a ResultError that says what went wrong.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;

  decltype(auto) value() & { return check(), Base::value(); }
  decltype(auto) value() const& { return check(), Base::value(); }
  decltype(auto) value() && { return check(), std::move(*this).Base::value(); }

 private:
  void check() const {
    if (!this->has_value()) throw ResultError(this->error());
  }
};

/// Makes the failed Result: `return fail(ErrorCode::malformed, "the header is not an array");`
inline tl::unexpected<Error> fail(ErrorCode code, std::string text) {
  return tl::unexpected<Error>(Error{code, std::move(text)});
}

/// Passes an error on: `if (!read) return fail(std::move(read.error()));`
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace spindle
