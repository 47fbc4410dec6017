#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "spindle/base/error.hpp"

namespace spindle {

/// A value or an Error. Ignoring one is a compiler warning. Has the interface of std::expected (C++23).
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

/// Makes the failed Result: `return fail(ErrorCode::malformed, "the header is not an array");`
inline tl::unexpected<Error> fail(ErrorCode code, std::string text) {
  return tl::unexpected<Error>(Error{code, std::move(text)});
}

/// Passes an error on: `if (!read) return fail(std::move(read.error()));`
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace spindle
