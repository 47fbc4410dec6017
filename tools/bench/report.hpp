#pragma once

#include <string>
#include <vector>

namespace spindle::bench {

/// Figures of one thing over several rounds.
struct Series {
  std::string name;
  std::string unit;
  std::vector<double> rounds;

  double median() const;
  /// (largest - smallest) / median.
  double spread() const;
};

/// One line: name, median, spread, all rounds.
void print(const Series& series);
/// "ratio": the median of the rounds' own ratios, since alternating rounds share the machine's mood.
void print_ratio(const Series& ours, const Series& baseline);

/// Cores, model, kernel, and the disk's sequential write+fdatasync rate with 1 MiB writes.
void print_machine();

}  // namespace spindle::bench
