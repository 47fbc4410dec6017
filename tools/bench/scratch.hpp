#pragma once

#include <string>
#include <vector>

#include "tools/bench/child.hpp"

namespace spindle::bench {

/// A directory that goes with it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string spool() const { return path_ + "/spool"; }

 private:
  std::string path_;
};

/// A proxy on free ports with this spool.
std::vector<std::string> proxy_on(const std::string& spool);
/// The control endpoint of a proxy that says it is ready; waits for that.
std::string endpoint_of(Child& proxy);

}  // namespace spindle::bench
