#include "proxy/control_endpoint.hpp"

#include <algorithm>
#include <set>
#include <span>
#include <utility>

#include "spindle/spool/reader.hpp"
#include "spindle/wire/session_messages.hpp"

namespace spindle::proxy {
namespace {

// What one turn does at most, so that input, disk and output each get their turn.
constexpr std::size_t turn_messages_max = 256;
constexpr std::size_t turn_bytes_max = 8 * 1024 * 1024;
constexpr std::size_t turn_read_rounds_max = 16;
constexpr std::size_t turn_read_bytes_max = 8 * 1024 * 1024;

// Timers wait until the input is read, since a renew or a settle may be in it. Should it never end, what still waits
// after this long came after the deadlines that are due.
constexpr Duration input_patience = std::chrono::seconds(1);

constexpr Duration space_interval = std::chrono::seconds(1);
constexpr Duration disk_patience = std::chrono::seconds(30);  // when starting and stopping
// Also because libzmq aborts the process now and then when a socket that does not linger is closed with half of a
// message written to a peer that leaves (libzmq #3442): 6 times in 65 closings against 0 in 1,079.
constexpr Duration linger = std::chrono::milliseconds(500);

// A connection that is closed with input unread is reset, and what the peer has not read yet goes with it: so whoever
// is told why the proxy ends is heard out until nothing more comes for a moment.
constexpr Duration farewell_quiet = std::chrono::milliseconds(200);
constexpr Duration farewell_max = std::chrono::seconds(2);

std::size_t bytes_of(std::span<const SharedBytes> frames) {
  std::size_t bytes = 0;
  for (const SharedBytes& frame : frames) bytes += frame.view.size();
  return bytes;
}

}  // namespace

ControlEndpoint::ControlEndpoint(transport::Socket router, std::unique_ptr<Broker> broker,
                                 std::unique_ptr<Storage> storage, LiveCopies& copies, CaptureQueue& captured)
    : router_(std::move(router)),
      broker_(std::move(broker)),
      storage_(std::move(storage)),
      copies_(copies),
      captured_(captured),
      clock_(Now::read()),
      now_(clock_.turn(Now::read())),
      input_drained_at_(now_.instant),
      space_due_(now_.instant) {
  router_.set_linger(linger);
}

Result<void> ControlEndpoint::begin() {
  note_space();
  return settle_disk(disk_patience);
}

Result<void> ControlEndpoint::run() {
  while (!stopping_) {
    if (auto done = turn(); !done) return done;
  }
  return finish();
}

void ControlEndpoint::stop() {
  stopping_ = true;
  stop_signal_.signal();
}

Result<void> ControlEndpoint::turn() {
  if (auto waited = wait(); !waited) return waited;
  now_ = clock_.turn(Now::read());
  if (const Duration pause = clock_.last_pause(); pause > Duration::zero()) {
    log::warn("the control loop stood still for " + std::to_string(pause / std::chrono::milliseconds(1)) +
              " ms; every lease and deadline is extended by that");
  }
  busy_ = false;
  auto drained = receive();
  if (!drained) return fail(std::move(drained.error()));
  take_captured();
  if (auto done = take_committed(); !done) return done;
  tick(*drained);
  commit();
  read_log();
  commit();  // what was decided because of what was read: else it would wait for the next message
  auto sent = send();
  offer_copies();
  return sent;
}

Result<void> ControlEndpoint::wait() {
  poll_.clear();
  poll_.add(router_);
  poll_.add(captured_.fd());
  poll_.add(stop_signal_.fd());
  if (storage_ != nullptr) poll_.add(storage_->committer.fd());
  Duration longest = busy_ ? Duration::zero() : LoopClock::wait_max;
  if (auto deadline = broker_->next_deadline()) longest = std::min(longest, clock_.wait_for(*deadline));
  return poll_.wait(longest);
}

/// Whether all that waited was read.
Result<bool> ControlEndpoint::receive() {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < turn_messages_max && bytes < turn_bytes_max; ++i) {
    auto received = router_.receive(frames_);
    if (!received && received.error().code == ErrorCode::too_large) {
      refuse_oversized(received.error());
      continue;
    }
    if (!received) return fail(std::move(received.error()));
    if (!*received) return true;
    bytes += bytes_of(frames_);
    // The first frame is the ROUTER's name for the connection.
    broker_->on_message(Peer(frames_.front().view), std::span(frames_).subspan(1), now_);
  }
  busy_ = true;
  return false;
}

// The message was not kept, so its session and number are not known; the error is about the session as a whole.
void ControlEndpoint::refuse_oversized(const Error& error) {
  oversized_.add();
  if (auto count = oversized_.due(now_.instant)) {
    log::warn("refused " + std::to_string(count) + " control messages: " + error.text);
  }
  if (frames_.empty()) return;
  const wire::Message answer{wire::encode(0, 0, wire::ErrorMessage::of(0, error)), {}};
  (void)router_.send_to(frames_.front().view, answer);  // as good as lost if it cannot be reached
}

void ControlEndpoint::take_captured() {
  std::size_t bytes = 0;
  for (const Captured& message : captured_.take()) {
    if (auto stored = broker_->on_captured(message.topic.view, message.packet.view, now_); !stored) {
      not_stored_.add();
      if (auto count = not_stored_.due(now_.instant)) {
        log::warn("did not store " + std::to_string(count) + " captured live messages, the last on " +
                  std::string(message.topic.view) + ": " + stored.error().message());
      }
    }
    bytes += message.bytes();
  }
  captured_.release(bytes);
}

Result<void> ControlEndpoint::take_committed() {
  if (storage_ == nullptr) return {};
  for (Committed& committed : storage_->committer.take()) {
    if (!committed.result) return disk_failed(std::move(committed.result.error()));
    storage_->reader.note_durable(committed.done.batch);
    broker_->on_durable(committed.done.number, now_);
    to_copy_.push_back(std::move(committed.done.batch));
  }
  return {};
}

// After the answers: whoever waits for a receipt should not wait for the forwarder to wake up as well.
void ControlEndpoint::offer_copies() {
  for (auto& batch : std::exchange(to_copy_, {})) {
    if (!copies_.offer(std::move(batch))) skipped_copies_.add();
  }
  if (auto count = skipped_copies_.due(now_.instant)) {
    log::warn("live subscribers missed " + std::to_string(count) +
              " batches of durable events: the forwarder is behind (groups get every event)");
  }
}

void ControlEndpoint::tick(bool input_drained) {
  if (now_.instant >= space_due_) note_space();
  if (input_drained) input_drained_at_ = now_.instant;
  if (input_drained || now_.instant - input_drained_at_ > input_patience) broker_->on_tick(now_);
}

void ControlEndpoint::note_space() {
  space_due_ = now_.instant + space_interval;
  if (storage_ == nullptr) return;
  if (auto bytes = storage_->files.free_bytes(storage_->directory)) {
    broker_->on_space(*bytes);
  } else {
    log::error("cannot tell how much space the spool has left: " + bytes.error().text);
  }
}

// One batch at a time: what is decided while the disk works makes the next one, so batches grow with the load.
void ControlEndpoint::commit() {
  if (storage_ == nullptr || !storage_->committer.idle()) return;
  if (auto decided = broker_->take_batch(now_)) {
    storage_->committer.write({decided->number, std::move(decided->batch)});
  }
}

void ControlEndpoint::read_log() {
  if (storage_ == nullptr) return;
  std::size_t bytes = 0;
  for (std::size_t round = 0; round < turn_read_rounds_max && bytes < turn_read_bytes_max; ++round) {
    const auto requests = broker_->take_reads(now_);
    if (requests.empty()) return;
    bool failed = false;
    for (const ReadRequest& request : requests) {
      busy_ = busy_ || request.time_seek != 0;  // what it decides is not to wait for something else to happen
      auto block = read_for(request, storage_->reader, broker_->durable_end());
      if (block) {
        std::size_t offered = 0;
        for (const spool::Record& record : block->records) offered += record.body.size();
        bytes += std::max(offered, block->bytes_read);
        broker_->on_block(request, *block, now_);
      } else {
        failed = !note_read_error(request, block.error()) || failed;
      }
    }
    if (failed) return;  // a disk that fails is not asked again in a hurry
  }
  busy_ = true;
}

/// True when the group goes on, behind what is lost.
bool ControlEndpoint::note_read_error(const ReadRequest& request, const Error& error) {
  const auto& range = storage_->reader.unreadable();
  if (range && (range->accepted || storage_->accept_loss)) {
    broker_->on_read_lost(request, error, range->from_offset, range->to_offset, now_);
    return true;
  }
  Error named = error;
  if (range) {
    named.text += "; restore the spool from a backup, or start with --accept-loss to go on without what is lost";
  }
  broker_->on_read_error(request, named, now_);
  failed_reads_.add();
  if (auto count = failed_reads_.due(now_.instant)) {
    log::error("groups cannot read the spool (" + std::to_string(count) + " times), the last: " + named.text);
  }
  return false;
}

Result<void> ControlEndpoint::send() {
  std::set<Peer> lost;  // nothing may reach a peer behind a message that did not
  for (const Outgoing& outgoing : broker_->take_outgoing()) {
    if (!lost.empty() && lost.contains(outgoing.peer)) continue;
    auto sent = router_.send_to(outgoing.peer, outgoing.message);
    if (!sent) return fail(std::move(sent.error()));
    if (*sent != transport::Sent::sent) lost.insert(outgoing.peer);
  }
  for (const Peer& peer : lost) broker_->on_unreachable(peer, now_);
  return {};
}

/// Has everything that is decided written.
Result<void> ControlEndpoint::settle_disk(Duration patience) {
  if (storage_ == nullptr) return {};
  const Instant deadline = monotonic_now() + patience;
  while (true) {
    commit();
    if (storage_->committer.idle()) return {};
    storage_->committer.wait(std::max(deadline - monotonic_now(), Duration::zero()));
    if (auto done = take_committed(); !done) return done;
    if (!storage_->committer.idle() && monotonic_now() >= deadline) {
      return disk_failed({ErrorCode::timeout, "the disk of " + storage_->directory +
                                                  " did not finish a write within " +
                                                  std::to_string(patience / std::chrono::seconds(1)) + " seconds"});
    }
  }
}

/// The spool is poisoned: everyone is told, and the error that this returns ends the process.
tl::unexpected<Error> ControlEndpoint::disk_failed(Error why) {
  log::error("the spool in " + storage_->directory + " failed, nothing from offset " +
             std::to_string(broker_->durable_end()) +
             " on was acknowledged; telling every session and ending: " + why.text);
  broker_->say_failed(why);
  (void)send();  // the reason for ending is the disk
  hear_out();
  return fail(std::move(why));
}

/// Reads what still comes and does nothing with it.
void ControlEndpoint::hear_out() {
  const Instant until = monotonic_now() + farewell_max;
  Instant quiet_at = monotonic_now() + farewell_quiet;
  for (Instant now = monotonic_now(); now < std::min(until, quiet_at); now = monotonic_now()) {
    poll_.clear();
    poll_.add(router_);
    if (!poll_.wait(std::min(until, quiet_at) - now)) return;
    while (true) {
      auto received = router_.receive(frames_);
      if (received ? !*received : received.error().code != ErrorCode::too_large) break;
      quiet_at = monotonic_now() + farewell_quiet;
      if (quiet_at > until + farewell_quiet) return;
    }
  }
}

Result<void> ControlEndpoint::finish() {
  if (auto done = settle_disk(disk_patience); !done) return done;
  if (auto done = send(); !done) return done;
  offer_copies();
  broker_->say_goodbye(now_);
  return send();
}

}  // namespace spindle::proxy
