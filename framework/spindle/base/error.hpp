#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spindle {

/// What a peer may do about an error: `final` never succeeds when repeated, `passing` may succeed later,
/// `session` ends the session (say hello again, or exit, as the code says).
enum class ErrorClass : std::uint8_t { final, passing, session };

/// Every error that Spindle gives, on the wire and in Results. The table in error.cpp holds name and class.
enum class ErrorCode : std::uint8_t {
  // what was sent or given is wrong
  malformed,
  too_large,
  invalid_argument,
  denied,
  unsupported,
  unsupported_version,
  // sessions and numbers
  unknown_session,
  fenced,
  number_gap,
  window_exceeded,
  source_forgotten,
  spool_rolled_back,
  // durable work
  no_spool,
  stale,
  unknown_group,
  group_deleted,
  group_mismatch,
  too_many,
  spool_full,
  paused,
  // the machine and the network
  outbox_full,
  timeout,
  unavailable,
  closed,
  io_error,
  disk_full,
  corrupt,
  locked,
  newer_format,
  not_found,
};

/// An error an operator or a caller can act on: the code for programs, the text (one line, says what to do) for
/// people.
struct Error {
  ErrorCode code;
  std::string text;

  /// "code: text", for logs and standard error.
  std::string message() const;
};

/// The name used on the wire, in JSON and in logs: "unknown_session".
std::string_view name(ErrorCode code);
ErrorClass class_of(ErrorCode code);
/// The code of that name, or nothing when this version does not know it.
std::optional<ErrorCode> error_code_named(std::string_view name);
std::string_view name(ErrorClass error_class);

}  // namespace spindle
