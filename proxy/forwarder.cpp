#include "proxy/forwarder.hpp"

#include <algorithm>

namespace spindle::proxy {
namespace {

constexpr std::string_view own_topics = "_spindle.";
constexpr std::string_view echo_topics = "_spindle.echo.";
constexpr Duration report_interval = std::chrono::seconds(1);
// Also because libzmq aborts the process now and then when a socket that does not linger is closed with half of a
// message written to a peer that leaves (libzmq #3442): 6 times in 65 closings against 0 in 1,079.
constexpr Duration linger = std::chrono::milliseconds(500);
constexpr std::size_t copies_index = 0;  // in the poll set

// What one turn does at most.
constexpr std::size_t turn_messages_max = 1'000;
constexpr std::size_t turn_bytes_max = 4 * 1024 * 1024;
constexpr std::size_t turn_subscriptions_max = 10'000;

bool may_be_published(BytesView topic) {
  if (topic.starts_with(own_topics) && !topic.starts_with(echo_topics)) return false;
  return wire::is_topic(topic);
}

}  // namespace

Forwarder::Forwarder(transport::Socket publish, transport::Socket subscribe, std::vector<wire::Pattern> capture,
                     LiveCopies& copies, CaptureQueue& captured)
    : publish_(std::move(publish)),
      subscribe_(std::move(subscribe)),
      capture_(std::move(capture)),
      copies_(copies),
      captured_(captured) {
  subscribe_.set_linger(linger);
}

Result<void> Forwarder::run() {
  // Publishers send everything, so that no subscription of theirs can be lost and --capture sees all of it.
  const BytesView everything("\x01", 1);
  if (auto sent = publish_.send_copy({&everything, 1}); !sent) return fail(std::move(sent.error()));
  while (!stopping_) {
    if (auto done = turn(); !done) return done;
  }
  busy_ = true;  // do not wait
  auto done = turn();
  report(Instant::max());
  return done;
}

void Forwarder::stop() {
  stopping_ = true;
  stop_signal_.signal();
}

// Bounded, so that each side gets its turn: what is left over makes the next turn begin without waiting.
Result<void> Forwarder::turn() {
  if (!busy_) {
    if (auto waited = wait(); !waited) return waited;
  }
  const bool copies_wait = busy_ || poll_.readable(copies_index);
  busy_ = false;
  if (auto done = read_subscriptions(); !done) return done;
  if (auto done = forward_live(); !done) return done;
  if (copies_wait) copies_.take();
  if (auto done = send_copies(); !done) return done;
  if (refused_.waiting() + not_captured_.waiting() != 0) report(monotonic_now());
  return {};
}

Result<void> Forwarder::wait() {
  poll_.clear();
  poll_.add(copies_.fd());
  poll_.add(publish_);
  poll_.add(subscribe_);
  poll_.add(stop_signal_.fd());
  return poll_.wait(report_interval);
}

// In every turn: what subscribers send up is bounded by nothing else (FACTS.md).
Result<void> Forwarder::read_subscriptions() {
  for (std::size_t i = 0; i < turn_subscriptions_max; ++i) {
    auto received = subscribe_.receive(message_);
    if (!received) return fail(std::move(received.error()));
    if (!*received) return {};
    const BytesView body = message_.frame_count() == 1 ? message_.frame(0) : BytesView{};
    if (body.starts_with('\x01')) {
      subscribed_.insert(body.substr(1));
    } else if (body.starts_with('\0')) {
      subscribed_.erase(body.substr(1));
    }  // anything else is a subscriber's own idea and goes nowhere
  }
  busy_ = true;
  return {};
}

Result<void> Forwarder::forward_live() {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < turn_messages_max && bytes < turn_bytes_max; ++i) {
    auto received = publish_.receive(message_);
    if (!received) return fail(std::move(received.error()));
    if (!*received) return {};
    const Verdict verdict = message_.frame_count() == 2 ? verdict_on(message_.frame(0)) : Verdict::refuse;
    if (verdict == Verdict::refuse) {
      refused_.add();
      continue;
    }
    bytes += message_.frame(1).size();
    if (verdict == Verdict::forward_and_capture) capture();
    if (auto sent = subscribe_.send(message_); !sent) return fail(std::move(sent.error()));
  }
  busy_ = true;
  return {};
}

Forwarder::Verdict Forwarder::verdict_on(BytesView topic) {
  if (topic == verdict_topic_) return verdict_;
  if (!may_be_published(topic)) return Verdict::refuse;
  auto matches = [&](const wire::Pattern& pattern) { return pattern.matches(topic); };
  verdict_ = std::any_of(capture_.begin(), capture_.end(), matches) ? Verdict::forward_and_capture : Verdict::forward;
  verdict_topic_ = topic;
  return verdict_;
}

void Forwarder::capture() {
  Captured message{message_.share(0), message_.share(1)};
  const std::size_t bytes = message.bytes();
  if (!captured_.post(std::move(message), bytes)) not_captured_.add();
}

Result<void> Forwarder::send_copies() {
  if (subscribed_.empty()) {
    copies_.drop_taken();
    return {};
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < turn_messages_max && bytes < turn_bytes_max; ++i) {
    auto copy = copies_.next();
    if (!copy) return {};
    if (!subscribed_.matches(copy->topic)) continue;
    bytes += copy->packet.size();
    const SharedBytes frames[] = {{copy->owner, copy->topic}, {copy->owner, copy->packet}};
    if (auto sent = subscribe_.send(frames); !sent) return fail(std::move(sent.error()));
  }
  busy_ = true;
  return {};
}

void Forwarder::report(Instant now) {
  if (auto count = refused_.due(now)) {
    log::warn("dropped " + std::to_string(count) +
              " live messages that are not two frames, a topic and a packet (_spindle. is reserved)");
  }
  if (auto count = not_captured_.due(now)) {
    log::warn(
        "did not store " + std::to_string(count) +
        " captured live messages: too many wait for the disk already; publish as durable what must not be lost");
  }
}

}  // namespace spindle::proxy
