#pragma once

#include <stdexcept>
#include <string>

namespace spindle::simulation {

/// A promise that did not hold.
class Broken : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

[[noreturn]] inline void broken(const std::string& what) { throw Broken(what); }

}  // namespace spindle::simulation
