// Runs seeds, several at once, and says which one fails, at which step, and how to run it again.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "broken.hpp"
#include "proxy/log.hpp"
#include "world.hpp"

namespace spindle::simulation {
namespace {

struct Options {
  std::uint64_t first = 1;
  std::uint64_t seeds = 2'000;
  std::uint64_t steps = 500;
  std::uint64_t seconds = 0;
  std::uint64_t jobs = 1;
  bool verbose = false;
  bool keys = false;
  bool trace = false;
};

/// Shared by all worker processes.
struct Shared {
  std::atomic<std::uint64_t> next;
  std::atomic<std::uint64_t> done;
  std::atomic<std::uint64_t> failed;
  struct Worker {
    std::atomic<std::uint64_t> seed;
    std::atomic<std::uint64_t> step;
  };
  Worker workers[64];
};

std::string replay_line(const Options& options, std::uint64_t seed) {
  return "spindle-simulate --seed " + std::to_string(seed) + " --steps " + std::to_string(options.steps) +
         (options.keys ? " --keys" : "");
}

bool run(const Options& options, std::uint64_t seed, std::atomic<std::uint64_t>& step) {
  try {
    World world(seed);
    world.oracle().check_keys = options.keys;
    world.oracle().trace = options.trace;
    for (step = 0; step < options.steps; ++step) {
      if (options.trace) std::cout << "step " << step << "\n";
      world.step();
    }
    world.finish();
    return true;
  } catch (const std::exception& error) {
    std::cout << "seed " << seed << ", step " << step << ": " << error.what()
              << "\n  run it again: " << replay_line(options, seed) << std::endl;
    return false;
  }
}

int work(const Options& options, Shared& shared, std::uint64_t worker, std::chrono::steady_clock::time_point until) {
  auto& [seed, step] = shared.workers[worker];
  while (shared.failed == 0) {
    const std::uint64_t next = shared.next++;
    const bool over =
        options.seconds > 0 ? std::chrono::steady_clock::now() >= until : next >= options.first + options.seeds;
    if (over) break;
    seed = next;
    if (!run(options, next, step)) ++shared.failed;
    ++shared.done;
  }
  return shared.failed == 0 ? 0 : 1;
}

int run_all(const Options& options) {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("no shared memory");
  auto& shared = *new (memory) Shared{};
  shared.next = options.first;
  const auto begin = std::chrono::steady_clock::now();
  const auto until = begin + std::chrono::seconds(options.seconds);
  std::vector<pid_t> workers;
  for (std::uint64_t i = 0; i < options.jobs; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(work(options, shared, i, until));
    workers.push_back(child);
  }
  int result = 0;
  for (std::size_t i = 0; i < workers.size(); ++i) {
    int status = 0;
    waitpid(workers[i], &status, 0);
    if (WIFSIGNALED(status)) {
      ++shared.failed;
      std::cout << "seed " << shared.workers[i].seed << ", step " << shared.workers[i].step << ": killed by signal "
                << WTERMSIG(status) << "\n  run it again: " << replay_line(options, shared.workers[i].seed)
                << std::endl;
    }
    if (status != 0) result = 1;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::cout << shared.done << " seeds from " << options.first << " on, " << options.steps << " steps each, "
            << shared.failed << " failed, " << took.count() << " s" << std::endl;
  return result;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose" || name == "--keys" || name == "--trace") {
      (name == "--keys" ? options.keys : name == "--trace" ? options.trace : options.verbose) = true;
      continue;
    }
    if (i + 1 == argc) throw std::runtime_error(name + ": a number is missing");
    const std::uint64_t value = std::stoull(argv[++i]);
    if (name == "--seed") {
      options.first = value;
      options.seeds = 1;
    } else if (name == "--from") {
      options.first = value;
    } else if (name == "--seeds") {
      options.seeds = value;
    } else if (name == "--steps") {
      options.steps = value;
    } else if (name == "--seconds") {
      options.seconds = value;
    } else if (name == "--jobs") {
      options.jobs = std::clamp<std::uint64_t>(value, 1, 64);
    } else {
      throw std::runtime_error("usage: " + std::string(argv[0]) +
                               " [--seed N | --from N --seeds N] [--steps N] [--seconds N] [--jobs N] [--keys] "
                               "[--verbose] [--trace]");
    }
  }
  return options;
}

}  // namespace
}  // namespace spindle::simulation

int main(int argc, char** argv) {
  try {
    const auto options = spindle::simulation::parse(argc, argv);
    if (!options.verbose) spindle::proxy::log::set_level("off");
    return spindle::simulation::run_all(options);
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
