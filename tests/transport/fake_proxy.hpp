#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "spindle/transport/client_session.hpp"

namespace spindle::transport::testing {

/// What a session sent, read back.
struct Said {
  wire::Envelope envelope;
  Bytes head;
  std::vector<wire::TopicPacket> packets;

  template <class M>
  M as() const {
    wire::Values values;
    return wire::decode<M>(wire::Head(head, values)).value();
  }
};

inline Said read(wire::Message message) {
  wire::Values values;
  wire::Head head(message.head, values);
  const wire::Envelope envelope = head.envelope();
  return {envelope, std::move(message.head), std::move(message.packets)};
}

/// The proxy's side of a session, by hand.
class FakeProxy {
 public:
  explicit FakeProxy(ClientSession& client) : session_(client) {}

  /// What the client says, besides that it is still there.
  std::vector<Said> hear() {
    std::vector<Said> said = hear_all();
    std::erase_if(said, [](const Said& one) { return one.envelope.kind == wire::Kind::renew; });
    return said;
  }
  std::vector<Said> hear_all() {
    std::vector<Said> said;
    while (auto message = session_.next_message()) said.push_back(read(std::move(*message)));
    return said;
  }

  template <class M>
  void say(const M& message, std::vector<wire::TopicPacket> packets = {}) {
    say_in(session, message, std::move(packets));
  }

  template <class M>
  void say_in(std::uint64_t in_session, const M& message, std::vector<wire::TopicPacket> packets = {}) {
    std::vector<SharedBytes> frames{SharedBytes::own(wire::encode(in_session, ++number_, message))};
    for (wire::TopicPacket& pair : packets) {
      frames.push_back(pair.topic);
      frames.push_back(pair.packet);
    }
    session_.on_message(frames, now);
  }

  /// Answers the hello that must be the only thing said.
  wire::Hello welcome(std::uint64_t last_number = 0) {
    auto said = hear();
    const auto hello = said.at(0).as<wire::Hello>();
    answer_hello(said.at(0).envelope.number, last_number);
    return hello;
  }

  void answer_hello(std::uint64_t number, std::uint64_t last_number) {
    wire::Welcome welcome;
    welcome.answers = number;
    welcome.session = session = ++sessions_;
    welcome.epoch = epoch;
    welcome.spool = spool;
    welcome.incarnation = incarnation;
    welcome.last_number = last_number;
    welcome.lease_ms = 10'000;
    welcome.publish_window_bytes = window_bytes;
    welcome.commits_in_flight_max = commits_max;
    say_in(0, welcome);
  }

  void stored(std::uint64_t number, std::uint64_t run, std::uint64_t events, std::uint64_t first_offset) {
    wire::Outcome outcome;
    outcome.number = number;
    outcome.run = run;
    outcome.events = events;
    outcome.first_offset = first_offset;
    wire::Published published;
    published.outcomes.push_back(outcome);
    say(published);
  }

  void error(ErrorCode code, std::uint64_t answers = 0) { say(wire::ErrorMessage::of(answers, {code, "because"})); }

  Instant now{std::chrono::hours(1)};
  std::uint64_t session = 0;
  std::uint64_t epoch = 7;
  std::string spool = "spool-a";
  std::uint64_t incarnation = 1;
  std::uint64_t window_bytes = 8 * 1024 * 1024;
  std::uint64_t commits_max = 1024;

 private:
  ClientSession& session_;
  std::uint64_t sessions_ = 100;
  std::uint64_t number_ = 0;
};

/// The events of one kind, in order.
template <class Event>
std::vector<Event> only(const std::vector<SessionEvent>& events) {
  std::vector<Event> found;
  for (const SessionEvent& event : events) {
    if (const auto* one = std::get_if<Event>(&event)) found.push_back(*one);
  }
  return found;
}

inline OutgoingEvent event_on(std::string_view topic, BytesView data = "\xc0") {
  OutgoingEvent event;
  event.topic = topic;
  event.data = data;
  return event;
}

}  // namespace spindle::transport::testing
