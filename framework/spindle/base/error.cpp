#include "spindle/base/error.hpp"

#include <array>

namespace spindle {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  ErrorClass error_class;
};

constexpr std::array rows{
    Row{ErrorCode::malformed, "malformed", ErrorClass::final},
    Row{ErrorCode::too_large, "too_large", ErrorClass::final},
    Row{ErrorCode::invalid_argument, "invalid_argument", ErrorClass::final},
    Row{ErrorCode::denied, "denied", ErrorClass::final},
    Row{ErrorCode::unsupported, "unsupported", ErrorClass::final},
    Row{ErrorCode::unsupported_version, "unsupported_version", ErrorClass::session},
    Row{ErrorCode::unknown_session, "unknown_session", ErrorClass::session},
    Row{ErrorCode::fenced, "fenced", ErrorClass::session},
    Row{ErrorCode::number_gap, "number_gap", ErrorClass::session},
    Row{ErrorCode::window_exceeded, "window_exceeded", ErrorClass::session},
    Row{ErrorCode::source_forgotten, "source_forgotten", ErrorClass::session},
    Row{ErrorCode::spool_rolled_back, "spool_rolled_back", ErrorClass::session},
    Row{ErrorCode::no_spool, "no_spool", ErrorClass::final},
    Row{ErrorCode::stale, "stale", ErrorClass::final},
    Row{ErrorCode::unknown_group, "unknown_group", ErrorClass::final},
    Row{ErrorCode::group_deleted, "group_deleted", ErrorClass::final},
    Row{ErrorCode::group_mismatch, "group_mismatch", ErrorClass::final},
    Row{ErrorCode::too_many, "too_many", ErrorClass::passing},
    Row{ErrorCode::spool_full, "spool_full", ErrorClass::passing},
    Row{ErrorCode::paused, "paused", ErrorClass::passing},
    Row{ErrorCode::outbox_full, "outbox_full", ErrorClass::passing},
    Row{ErrorCode::timeout, "timeout", ErrorClass::passing},
    Row{ErrorCode::unavailable, "unavailable", ErrorClass::passing},
    Row{ErrorCode::closed, "closed", ErrorClass::final},
    Row{ErrorCode::io_error, "io_error", ErrorClass::session},
    Row{ErrorCode::disk_full, "disk_full", ErrorClass::passing},
    Row{ErrorCode::corrupt, "corrupt", ErrorClass::final},
    Row{ErrorCode::locked, "locked", ErrorClass::final},
    Row{ErrorCode::newer_format, "newer_format", ErrorClass::final},
    Row{ErrorCode::not_found, "not_found", ErrorClass::final},
};

const Row& row_of(ErrorCode code) { return rows[static_cast<std::size_t>(code)]; }

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (static_cast<std::size_t>(rows[i].code) != i) return false;
  }
  return rows.size() == static_cast<std::size_t>(ErrorCode::not_found) + 1;
}
static_assert(rows_are_in_order(), "the table must list every code, in the order of the enumeration");

}  // namespace

std::string Error::message() const { return std::string(name(code)) + ": " + text; }

std::string_view name(ErrorCode code) { return row_of(code).name; }

ErrorClass class_of(ErrorCode code) { return row_of(code).error_class; }

std::optional<ErrorCode> error_code_named(std::string_view name) {
  for (const Row& row : rows) {
    if (row.name == name) return row.code;
  }
  return std::nullopt;
}

std::string_view name(ErrorClass error_class) {
  switch (error_class) {
    case ErrorClass::final: return "final";
    case ErrorClass::passing: return "passing";
    case ErrorClass::session: return "session";
  }
  return "final";
}

}  // namespace spindle
