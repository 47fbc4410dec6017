#pragma once

#include <string>

/// The examples' own flags. Spindle's (--proxy and so on) are parse_options' business.
namespace orders {

/// The word after `name` ("--ledger"). Without one, prints `usage` and ends the program with 2.
std::string text_flag(int argc, char** argv, const std::string& name, const std::string& usage);
/// The number after `name`, at least 1, or `otherwise`.
int number_flag(int argc, char** argv, const std::string& name, int otherwise, const std::string& usage);

}  // namespace orders
