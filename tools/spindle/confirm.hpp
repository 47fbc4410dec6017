#pragma once

#include <string>

namespace spindle::cli {

// Commands that change something say first what would be done, all in one way.

/// What would be done, a line each: below a title that says so.
std::string would_be_done(const std::string& lines);

/// Whether a user can be asked; else says on standard error that `command` ("group delete") needs --yes here.
bool can_ask(const std::string& command);

/// Shows the lines as what would be done and asks; says so when the answer is no.
bool is_confirmed(const std::string& lines);

}  // namespace spindle::cli
