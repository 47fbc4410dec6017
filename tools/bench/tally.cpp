#include "tools/bench/tally.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <stdexcept>
#include <thread>

namespace spindle::bench {
namespace {

constexpr auto poll_interval = std::chrono::microseconds(500);
constexpr auto patience = std::chrono::minutes(5);

}  // namespace

Tally::Tally() {
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap failed");
  shared_ = new (memory) Shared;
}

Tally::~Tally() { ::munmap(shared_, sizeof(Shared)); }

bool Tally::wait_for(std::uint64_t events) const {
  const auto deadline = Clock::now() + patience;
  while (Clock::now() < deadline) {
    std::uint64_t handled = 0;
    for (const Part& part : shared_->parts) handled += part.handled;
    if (handled >= events) return true;
    std::this_thread::sleep_for(poll_interval);
  }
  return false;
}

void Tally::wait_for_stop() const {
  while (!shared_->stopped) std::this_thread::sleep_for(poll_interval);
}

double Tally::per_second() const {
  std::uint64_t handled = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  for (const Part& part : shared_->parts) {
    if (part.handled == 0) continue;
    handled += part.handled;
    begin = begin == 0 ? part.begin.load() : std::min(begin, part.begin.load());
    end = std::max(end, part.end.load());
  }
  const std::chrono::duration<double> took = Clock::duration(end - begin);
  return end > begin ? static_cast<double>(handled) / took.count() : 0;
}

}  // namespace spindle::bench
