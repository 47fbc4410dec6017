#pragma once

#include <map>
#include <string>
#include <vector>

#include "spindle/base/bytes.hpp"

/// PROTOCOL.md as the tests read it.
namespace document {

/// The bytes of each ```hex NAME block.
const std::map<std::string, spindle::Bytes>& examples();
const spindle::Bytes& example(const std::string& name);

/// The rows of the table whose first column's head is `head`, cell by cell, without the backticks.
std::vector<std::vector<std::string>> table(const std::string& head);

/// A file beside PROTOCOL.md.
std::string text_of(const std::string& file);

}  // namespace document
