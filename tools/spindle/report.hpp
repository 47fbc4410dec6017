#pragma once

#include <string>
#include <string_view>

#include "spindle/base/bytes.hpp"
#include "spindle/base/result.hpp"

namespace spindle::cli {

/// One line on standard error: "spindle: …".
void report(std::string_view line);
/// A line there as it is.
void print_error(std::string_view text);
/// The same as report, of an error, and exit_failure for the caller to return.
int failed(const Error& error);

/// Writes all of it to standard output at once, past any buffer; errors: closed (its reader is gone), io_error.
Result<void> print(BytesView text);

}  // namespace spindle::cli
