#include "document.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

namespace document {
namespace {

std::vector<std::string> lines() {
  std::istringstream text(text_of("PROTOCOL.md"));
  std::vector<std::string> all;
  for (std::string line; std::getline(text, line);) all.push_back(line);
  return all;
}

std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> all;
  std::istringstream text(row.substr(1));
  for (std::string cell; std::getline(text, cell, '|');) {
    std::erase(cell, '`');
    const std::size_t first = cell.find_first_not_of(' ');
    const std::size_t last = cell.find_last_not_of(' ');
    all.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return all;
}

spindle::Bytes bytes_of(const std::string& hex_line) {
  std::istringstream text(hex_line.substr(0, hex_line.find(';')));
  spindle::Bytes bytes;
  for (std::string byte; text >> byte;) bytes.push_back(static_cast<char>(std::stoi(byte, nullptr, 16)));
  return bytes;
}

}  // namespace

std::string text_of(const std::string& file) {
  std::ifstream in(std::string(SPINDLE_WIRE_FOLDER "/") + file);
  REQUIRE(in);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

const std::map<std::string, spindle::Bytes>& examples() {
  static const std::map<std::string, spindle::Bytes> all = [] {
    const std::string begin = "```hex ";
    std::map<std::string, spindle::Bytes> found;
    spindle::Bytes* open = nullptr;
    for (const std::string& line : lines()) {
      if (line.starts_with(begin)) {
        open = &found[line.substr(begin.size())];
      } else if (line == "```") {
        open = nullptr;
      } else if (open != nullptr) {
        *open += bytes_of(line);
      }
    }
    return found;
  }();
  return all;
}

const spindle::Bytes& example(const std::string& name) {
  const auto found = examples().find(name);
  INFO("no example called " << name << " in PROTOCOL.md");
  REQUIRE(found != examples().end());
  return found->second;
}

std::vector<std::vector<std::string>> table(const std::string& head) {
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (const std::string& line : lines()) {
    if (line.starts_with("| " + head + " |")) {
      inside = true;
    } else if (inside && !line.starts_with("|")) {
      break;
    } else if (inside && !line.starts_with("|---")) {
      rows.push_back(cells(line));
    }
  }
  return rows;
}

}  // namespace document
