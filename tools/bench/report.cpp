#include "tools/bench/report.hpp"

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>

#include "tools/bench/child.hpp"

namespace spindle::bench {
namespace {

double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

double disk_mb_per_second() {
  const std::string path = scratch_directory() + "/spindle-bench-disk";
  const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
  const std::vector<char> block(1 << 20, 'x');
  constexpr int writes = 100;
  const auto begin = std::chrono::steady_clock::now();
  bool good = file >= 0;
  for (int i = 0; good && i < writes; ++i) {
    good =
        ::pwrite(file, block.data(), block.size(), static_cast<off_t>(i) << 20) == 1 << 20 && ::fdatasync(file) == 0;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  ::close(file);
  ::unlink(path.c_str());
  return good ? writes * 1.048576 / took.count() : 0;
}

}  // namespace

double Series::median() const { return median_of(rounds); }

double Series::spread() const {
  if (rounds.empty() || median() == 0) return 0;
  const auto [least, most] = std::minmax_element(rounds.begin(), rounds.end());
  return (*most - *least) / median();
}

void print(const Series& series) {
  std::printf("%-44s %12.0f %-10s spread %3.0f%%  rounds", series.name.c_str(), series.median(), series.unit.c_str(),
              series.spread() * 100);
  for (double round : series.rounds) std::printf(" %.0f", round);
  std::printf("\n");
  std::fflush(stdout);
}

void print_ratio(const Series& ours, const Series& baseline) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(ours.rounds.size(), baseline.rounds.size()); ++i) {
    if (baseline.rounds[i] > 0) ratios.push_back(ours.rounds[i] / baseline.rounds[i]);
  }
  std::printf("%-44s %12.2f x\n", ("  " + ours.name + " / " + baseline.name).c_str(), median_of(ratios));
  std::fflush(stdout);
}

void print_machine() {
  utsname kernel{};
  ::uname(&kernel);
  std::printf("machine: %u cores, %s, Linux %s; disk: %.0f MB/s in 1 MiB write+fdatasync\n",
              std::thread::hardware_concurrency(), processor().c_str(), kernel.release, disk_mb_per_second());
  std::fflush(stdout);
}

}  // namespace spindle::bench
