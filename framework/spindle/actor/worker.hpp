#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "spindle/actor/awaiting.hpp"
#include "spindle/actor/live_inbox.hpp"
#include "spindle/actor/publish_queue.hpp"
#include "spindle/actor/runtime.hpp"
#include "spindle/base/wakeup.hpp"
#include "spindle/transport/link.hpp"
#include "spindle/transport/live_path.hpp"
#include "spindle/transport/poll_set.hpp"

namespace spindle::transport {
class Context;
}

namespace spindle::actor {

/// What a worker tells the service's thread.
struct WorkerStatus {
  bool ready = false;
  bool finished = false;
  /// Why it ended before it was told to.
  std::optional<Error> failure;
};

/// A thread with a loop, sockets of its own and the actors that live on it. Its runtime handles, its link commits.
class Worker final : private Port {
 public:
  struct Settings {
    std::string proxy;
    std::string source;
    Duration drain{};
    /// Signalled when the status changes; outlives the worker.
    const Wakeup* news = nullptr;
  };

  Worker();
  ~Worker() override;

  Runtime& runtime() { return runtime_; }
  PublishQueue& queue() { return queue_; }

  Result<void> start(transport::Context& context, Settings settings);
  /// Finishes the turn at hand, waits until what it sent is durable (Settings::drain at most), and says goodbye.
  void ask_to_stop();
  void join();
  /// Between start() and join().
  bool running() const { return thread_.joinable(); }

  WorkerStatus status() const;
  /// Blocks until the status is ready or finished, or `deadline` has passed.
  WorkerStatus wait_until_ready(Instant deadline) const;
  /// For the keeper, as the two below; any thread.
  const TurnWatch& watch() const { return runtime_.watch(); }
  /// 0 while there is none.
  std::uint64_t session() const { return session_.load(std::memory_order_relaxed); }
  std::uint64_t lease_ms() const { return lease_ms_.load(std::memory_order_relaxed); }

 private:
  // Port
  bool has_room() override;
  Result<Ticket> settle(std::span<const wire::Settlement> settlements,
                        std::span<const transport::OutgoingEvent> events) override;
  Result<Ticket> acknowledge_each(std::uint64_t member, const wire::DeliveryId& first, std::uint64_t count) override;
  Result<Ticket> publish(std::span<const transport::OutgoingEvent> events) override;
  Result<void> publish_live(const transport::OutgoingEvent& event) override;
  void extend(std::uint64_t member, const wire::DeliveryId& delivery) override;
  void forget(std::uint64_t member, const wire::DeliveryId& delivery) override;

  void run();
  void turn_of_loop();
  void wait_for_input();
  void handle_session_events();
  void handle(transport::SessionEvent& event);
  void on_welcome(const wire::Welcome& welcome);
  void open_live_path(const wire::Welcome& welcome);
  void on_attach_refused(std::uint64_t member, const Error& why);
  void on_committed(const transport::session_event::Committed& committed);
  void receive_live();
  void report_missed();
  void take_queue();
  bool send_queued();
  bool send_queued_live(std::size_t index);
  std::size_t queued_commit_end(std::size_t first) const;
  void run_turns();
  void become_ready();
  bool drained();
  void drain_and_close();
  void fail_with(Error why);
  void change_status(const std::function<void(WorkerStatus&)>& change);

  Runtime runtime_;
  PublishQueue queue_;
  Settings settings_;
  transport::Context* context_ = nullptr;
  std::optional<transport::Link> link_;
  std::optional<transport::LivePath> live_;
  wire::Welcome live_welcome_;  // what live_ was opened for
  LiveInbox live_inbox_;
  Instant tell_missed_at_{};
  transport::PollSet poll_;
  Wakeup stop_wakeup_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> session_{0};
  std::atomic<std::uint64_t> lease_ms_{0};
  Now now_{};
  bool working_ = false;   // the last run of turns ended because its time was up
  bool draining_ = false;  // no more turns begin

  /// The batch that is being sent, and receipts whose commits have no outcome yet, by ticket.
  std::optional<PublishQueue::Batch> sending_;
  std::size_t sent_events_ = 0;
  struct Promise {
    std::shared_ptr<ReceiptBook> receipts;
    std::size_t first;
    std::size_t count;
  };
  Awaiting<Promise> promises_;

  mutable std::mutex status_mutex_;
  mutable std::condition_variable status_changed_;
  WorkerStatus status_;
  std::thread thread_;
};

}  // namespace spindle::actor
