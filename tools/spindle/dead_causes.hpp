#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "spindle/base/bytes.hpp"
#include "tools/spindle/dead_letters.hpp"

namespace spindle::cli {

/// The reason without what differs from event to event: numbers and ids in hexadecimal become "#", quoted text "'…'".
/// So failures of one bug have one cause.
std::string cause_of(std::string_view reason);

/// Dead letters that failed alike.
struct Cause {
  std::string group;
  std::string topic;
  /// As the letters say it when all say the same, else as cause_of() has it.
  std::string reason;
  std::uint64_t count = 0;
  WallNs first_ns = 0;
  WallNs last_ns = 0;
  std::uint64_t oldest = 0;
  std::uint64_t newest = 0;
};

/// Counts letters by group, topic and cause.
class Causes {
 public:
  /// `exact`: by the reasons as they are.
  explicit Causes(bool exact) : exact_(exact) {}

  void add(const std::string& group, const Letter& letter);
  /// Those with the most letters first.
  std::vector<Cause> all() const;

 private:
  bool exact_;
  std::map<std::tuple<std::string, std::string, std::string>, Cause> by_key_;
};

/// A line of titles and a line for each cause, in columns.
std::string cause_table(const std::vector<Cause>& causes);
/// An array of objects.
Bytes causes_as_json(const std::vector<Cause>& causes);

/// "2026-03-01T12:00:00Z".
std::string second_of(WallNs time);

}  // namespace spindle::cli
