#include "world.hpp"

#include "broken.hpp"

namespace spindle::simulation {

using namespace std::chrono_literals;

World::World(std::uint64_t seed)
    : scenario_(seed),
      chance_(seed),
      network_(chance_, scenario_.delay_ms_max),
      oracle_(scenario_),
      proxy_(scenario_, chance_, network_, oracle_) {
  proxy_.start(now_);
  for (std::size_t role = 0; role < scenario_.roles.size(); ++role) start_process(role);
}

/// Sometimes with a name that a process before had, which is then a newer process of that source.
std::size_t World::start_process(std::size_t role) {
  std::string source = scenario_.roles[role].source;
  ++process_count_;
  if (chance_.one_in(2)) source += "/" + std::to_string(process_count_);
  processes_.push_back(std::make_unique<Process>(scenario_, chance_, network_, oracle_, scenario_.roles[role], source,
                                                 process_count_));
  roles_.push_back(role);
  return processes_.size() - 1;
}

void World::step() {
  now_.instant += 200us;
  now_.wall_ns += 200'000;
  const std::uint64_t choice = chance_.below(100);
  if (choice < 38) return run_process();
  if (choice < 92) return run_proxy();
  if (choice < 96) return pass_time(std::chrono::milliseconds(chance_.below(chance_.one_in(6) ? 4'000 : 400)));
  misfortune();
}

void World::run_process() {
  const std::size_t at = chance_.below(processes_.size());
  processes_[at]->run(now_);
  if (!processes_[at]->gone()) return;
  const std::size_t role = roles_[at];
  processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(at));
  roles_.erase(roles_.begin() + static_cast<std::ptrdiff_t>(at));
  if (std::find(roles_.begin(), roles_.end(), role) == roles_.end()) start_process(role);
}

void World::run_proxy() {
  if (!proxy_.is_up()) {
    if (chance_.one_in(8)) proxy_.start(now_);
    return;
  }
  switch (chance_.below(10)) {
    case 0:
    case 1:
    case 2:
      for (std::uint64_t messages = chance_.between(1, 4); messages > 0; --messages) proxy_.receive(now_);
      return;
    case 3:
    case 4: return proxy_.commit(now_);
    case 5:
    case 6: return proxy_.write(now_);
    case 7: return void(proxy_.read(now_));
    case 8: return proxy_.send(now_);
    default: return proxy_.tick(now_);
  }
}

void World::pass_time(Duration by) {
  now_.instant += by;
  now_.wall_ns += by.count();
  for (auto& process : processes_) process->keep_alive(now_);
  if (!proxy_.is_up()) return;
  // Timers fire after all waiting input.
  while (proxy_.is_up() && proxy_.receive(now_)) {
  }
  if (proxy_.is_up()) proxy_.tick(now_);
}

void World::misfortune() {
  switch (chance_.below(12)) {
    case 0: return some_process()->connect(now_);
    case 1: return network_.drop(some_process()->peer(), false);
    case 2: return network_.drop(some_process()->peer(), true);
    case 3: return network_.go_deaf(some_process()->peer());
    case 4:
      if (chance_.one_in(2)) some_process()->die();
      return;
    case 5:  // a second process of a service that runs, perhaps of the same source
      if (processes_.size() < 8 && chance_.one_in(2)) start_process(chance_.below(scenario_.roles.size()));
      return;
    case 6:
      if (scenario_.stops_processes) {
        some_process()->stop_until(now_.instant + std::chrono::milliseconds(chance_.below(25'000)));
      }
      return;
    case 7:
      if (chance_.one_in(4)) pass_time(std::chrono::milliseconds(chance_.below(15'000)));
      return;
    case 8:
    case 9: return trouble_disk();
    default:
      if (chance_.below(170) < scenario_.restarts_per_thousand * 2) restart_proxy();
  }
}

void World::trouble_disk() {
  if (!proxy_.is_up()) return;
  if (scenario_.disk_fills) {
    proxy_.set_free_bytes(chance_.one_in(3) ? 1ull << 40 : chance_.below(200'000));
  }
  if (scenario_.restores && !proxy_.has_copy() && chance_.one_in(3)) proxy_.back_up();
  if (!scenario_.disk_fails || !chance_.one_in(4)) return;
  chance_.one_in(2) ? proxy_.fail_soon() : proxy_.cut_power_soon();
}

void World::restart_proxy() {
  if (!proxy_.is_up()) return;
  switch (chance_.below(5)) {
    case 0: proxy_.kill(); break;
    case 1: proxy_.stop(now_); break;
    default: proxy_.cut_power();
  }
  if (proxy_.is_up()) return;
  if (scenario_.restores && proxy_.has_copy() && chance_.one_in(2)) return proxy_.start_from_copy(now_);
  if (chance_.one_in(3)) proxy_.damage_state();
  if (chance_.one_in(2)) proxy_.start(now_);
}

void World::finish() {
  network_.heal();
  proxy_.end_misfortunes();
  for (int i = 0; i < 3 && !proxy_.is_up(); ++i) proxy_.start(now_);
  if (!proxy_.is_up()) broken("the proxy does not start although nothing is wrong");
  for (std::size_t role = 0; role < scenario_.roles.size(); ++role) {
    if (std::find(roles_.begin(), roles_.end(), role) == roles_.end()) start_process(role);
  }
  for (auto& process : processes_) process->stop_until({});
  for (int round = 0; round < 1500; ++round) {
    // Of a turn that was refused because of one delivery, the proxy takes the others to be held still: sessions end
    // now and then, so that nobody waits for their deadline.
    const Duration passes = round % 200 == 199 ? Duration(11s) : Duration(300ms);
    now_.instant += passes;
    now_.wall_ns += passes.count();
    if (passes > 1s) proxy_.tick(now_);
    bool idle = true;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
      processes_[i]->finish(now_);
      processes_[i]->keep_alive(now_);
      if (processes_[i]->gone()) {
        const std::size_t role = roles_[i];
        processes_.erase(processes_.begin() + static_cast<std::ptrdiff_t>(i));
        roles_.erase(roles_.begin() + static_cast<std::ptrdiff_t>(i));
        if (std::find(roles_.begin(), roles_.end(), role) == roles_.end()) start_process(role);
        idle = false;
        break;
      }
      idle = idle && processes_[i]->idle();
    }
    proxy_.run(now_);
    if (!proxy_.is_up()) proxy_.start(now_);
    if (idle && oracle_.unsettled().empty()) return;
  }
  std::string text = "it does not come to rest: " + oracle_.unsettled();
  for (auto& process : processes_) text += "\n  " + process->describe();
  broken(text);
}

}  // namespace spindle::simulation
