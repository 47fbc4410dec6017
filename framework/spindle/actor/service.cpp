#include "spindle/actor/service.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <random>
#include <stdexcept>
#include <vector>

#include "spindle/actor/keeper.hpp"
#include "spindle/actor/log.hpp"
#include "spindle/actor/worker.hpp"
#include "spindle/base/concat.hpp"
#include "spindle/transport/context.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle {
namespace {

std::string random_word() {
  std::random_device entropy;
  const std::uint64_t value = (static_cast<std::uint64_t>(entropy()) << 32) | entropy();
  constexpr std::string_view digits = "0123456789abcdef";
  std::string word;
  for (int shift = 60; shift >= 0; shift -= 4) word.push_back(digits[(value >> shift) & 0xf]);
  return word;
}

std::atomic<const Wakeup*> signal_wakeup{nullptr};
std::atomic<bool> signal_came{false};

void on_stop_signal(int) {
  signal_came.store(true);
  if (const Wakeup* wakeup = signal_wakeup.load()) wakeup->signal();
}

/// SIGTERM and SIGINT signal `wakeup` while it lives; then the handlers from before are back.
class StopSignals {
 public:
  explicit StopSignals(const Wakeup& wakeup) {
    signal_came.store(false);
    signal_wakeup.store(&wakeup);
    struct sigaction action {};
    action.sa_handler = on_stop_signal;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGTERM, &action, &before_term_);
    ::sigaction(SIGINT, &action, &before_int_);
  }
  ~StopSignals() {
    ::sigaction(SIGTERM, &before_term_, nullptr);
    ::sigaction(SIGINT, &before_int_, nullptr);
    signal_wakeup.store(nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool came() const { return signal_came.load(); }

 private:
  struct sigaction before_term_ {};
  struct sigaction before_int_ {};
};

/// A service waits for its proxy for ever, but not in silence.
constexpr Duration complain_after = std::chrono::seconds(5);
constexpr Duration complain_again = std::chrono::minutes(1);

/// Far enough away for "for ever", near enough not to overflow when added to now.
constexpr Duration patience_max = std::chrono::hours(24 * 365);

}  // namespace

struct Service::State {
  std::string name;
  Options options;
  std::string instance;
  std::string source;
  transport::Context context;
  Wakeup news;  // a worker's status changed, or a signal came
  std::vector<std::unique_ptr<actor::Worker>> workers;
  std::unique_ptr<actor::Keeper> keeper;
  bool started = false;
  bool ended = false;
};

void WorkerRef::own(std::unique_ptr<Actor> actor) { runtime_.own(std::move(actor)); }

Service::Service(std::string name, Options options) : state_(std::make_unique<State>()) {
  if (!wire::check_group_name(name)) {
    throw std::logic_error("service name '" + name + "' is not letters, digits, '_' and '-'");
  }
  state_->name = std::move(name);
  state_->instance = options.instance.empty() ? random_word() : options.instance;
  state_->options = std::move(options);
  state_->source = concat(state_->name, "/", state_->instance, "/0");
  if (auto checked = wire::check_source(state_->source); !checked) throw std::logic_error(checked.error().message());
  log::set_level(state_->options.log_level);
  add_worker();
}

Service::~Service() {
  if (!state_->started) return;
  stop();
  wait();
}

WorkerRef Service::add_worker() {
  if (state_->started || state_->ended) throw std::logic_error("workers are added before the service starts");
  state_->workers.push_back(std::make_unique<actor::Worker>());
  return WorkerRef(state_->workers.back()->runtime());
}

WorkerRef Service::worker() { return WorkerRef(state_->workers.front()->runtime()); }

actor::PublishQueue& Service::queue() { return state_->workers.front()->queue(); }

const std::string& Service::source() const { return state_->source; }

Result<void> Service::start() {
  if (state_->started || state_->ended) {
    return fail(ErrorCode::invalid_argument, "a service is started once: make another one");
  }
  std::vector<const actor::Worker*> watched;
  state_->started = true;
  for (std::size_t i = 0; i < state_->workers.size(); ++i) {
    actor::Worker::Settings settings{state_->options.proxy, concat(state_->name, "/", state_->instance, "/", i),
                                     state_->options.drain, &state_->news};
    if (auto started = state_->workers[i]->start(state_->context, std::move(settings)); !started) {
      // The service starts as a whole or not at all.
      stop();
      wait();
      return started;
    }
    watched.push_back(state_->workers[i].get());
  }
  state_->keeper = std::make_unique<actor::Keeper>(state_->context, state_->options.proxy, std::move(watched),
                                                   state_->options.slow_turn);
  return {};
}

Result<void> Service::wait_until_ready(std::chrono::nanoseconds timeout) {
  const Instant deadline = monotonic_now() + std::min<Duration>(timeout, patience_max);
  for (const auto& worker : state_->workers) {
    const actor::WorkerStatus status = worker->wait_until_ready(deadline);
    if (status.failure) return fail(*status.failure);
    if (status.finished) return fail(ErrorCode::closed, "the service was stopped");
    if (!status.ready) {
      return fail(ErrorCode::timeout,
                  concat("no answer from the proxy at ", state_->options.proxy, "; is spindle-proxy running there?"));
    }
  }
  return {};
}

void Service::stop() {
  for (const auto& worker : state_->workers) worker->ask_to_stop();
}

int Service::wait() {
  if (!state_->started) return 0;
  int code = 0;
  // Whichever worker ends first, the service ends as a whole.
  while (std::any_of(state_->workers.begin(), state_->workers.end(), [](const auto& w) { return w->running(); })) {
    if (std::any_of(state_->workers.begin(), state_->workers.end(),
                    [](const auto& w) { return w->status().finished || w->status().failure; })) {
      break;
    }
    state_->news.wait(std::chrono::hours(1));
    state_->news.clear();
  }
  stop();
  for (const auto& worker : state_->workers) {
    worker->join();
    if (worker->status().failure) code = 1;
  }
  state_->keeper.reset();
  state_->started = false;
  state_->ended = true;
  return code;
}

int Service::run() {
  const StopSignals signals(state_->news);
  if (auto started = start(); !started) {
    log::error(started.error().message());
    return 1;
  }
  log::info(concat(state_->source, " connects to ", state_->options.proxy));
  bool told_ready = false;
  bool ended = false;
  Instant complain_at = monotonic_now() + complain_after;
  while (!ended && !signals.came()) {
    const Instant now = monotonic_now();
    if (!told_ready && now >= complain_at) {
      log::warn(concat("no answer from the proxy at ", state_->options.proxy,
                       " yet; is spindle-proxy running there? Still trying"));
      complain_at = now + complain_again;
    }
    state_->news.wait(told_ready ? Duration(std::chrono::hours(1)) : complain_at - now);
    state_->news.clear();
    bool ready = true;
    for (const auto& worker : state_->workers) {
      const actor::WorkerStatus status = worker->status();
      ended = ended || status.finished || status.failure;
      ready = ready && status.ready;
    }
    if (ready && !std::exchange(told_ready, true)) log::info(concat(state_->source, " is ready"));
  }
  stop();
  return wait();
}

}  // namespace spindle
