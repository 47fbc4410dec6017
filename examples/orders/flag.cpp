#include "flag.hpp"

#include <cstdlib>
#include <iostream>
#include <optional>

namespace orders {
namespace {

std::optional<std::string> word_after(int argc, char** argv, const std::string& name) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (argv[i] == name) return argv[i + 1];
  }
  return std::nullopt;
}

[[noreturn]] void end_with(const std::string& usage) {
  std::cerr << "usage: " << usage << std::endl;
  std::exit(2);
}

}  // namespace

std::string text_flag(int argc, char** argv, const std::string& name, const std::string& usage) {
  auto word = word_after(argc, argv, name);
  if (!word || word->empty()) end_with(usage);
  return *word;
}

int number_flag(int argc, char** argv, const std::string& name, int otherwise, const std::string& usage) {
  auto word = word_after(argc, argv, name);
  if (!word) return otherwise;
  const int number = std::atoi(word->c_str());
  if (number < 1) end_with(usage);
  return number;
}

}  // namespace orders
