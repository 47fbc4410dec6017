#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "broker_driver.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"

namespace spindle::proxy {

/// A packet of events whose data are these numbers.
inline Bytes packet_of(const std::string& source, std::uint64_t epoch, std::uint64_t sequence,
                       const std::vector<std::uint64_t>& events) {
  wire::PacketBuilder builder;
  for (std::uint64_t event : events) {
    Bytes data;
    wire::Writer(data).uint(event);
    builder.add(data);
  }
  wire::PacketHeader header;
  header.source = source;
  header.epoch = epoch;
  header.event_class = wire::EventClass::durable;
  header.sequence = sequence;
  return builder.finish(header);
}

inline std::vector<std::uint64_t> numbers_in(BytesView bytes) {
  wire::Values values;
  auto packet = wire::Packet::parse(bytes, values);
  REQUIRE(packet);
  std::vector<std::uint64_t> numbers;
  for (const wire::PacketEvent& event : packet->events()) {
    REQUIRE(values.read_whole(event.data));
    numbers.push_back(wire::Cursor(values).uint("event"));
  }
  return numbers;
}

/// An event that was delivered.
struct Delivered {
  std::uint64_t member;
  wire::DeliveryId id;
  std::uint64_t attempt;
  std::string topic;
  std::uint64_t event;

  wire::Settlement settlement(wire::Verdict verdict = wire::Verdict::ack) const {
    wire::Settlement settlement;
    settlement.member = member;
    settlement.first = id;
    settlement.verdict = verdict;
    return settlement;
  }
};

/// A client of the control port that does what it is told, one message at a time.
class TestClient {
 public:
  TestClient(BrokerDriver& driver, std::string source) : driver_(driver), source_(std::move(source)) { reconnect(); }

  /// A new connection; nothing is said on it yet.
  void reconnect() {
    static std::uint64_t connections = 0;
    peer = "peer" + std::to_string(++connections);
    number = 0;
    session = 0;
    inbox.clear();
  }

  /// Says hello as what it is (a new process while `epoch` is 0) without waiting for the welcome.
  void say_hello() {
    wire::Hello hello;
    hello.source = source_;
    hello.epoch = epoch;
    hello.spool = spool;
    hello.incarnation = incarnation;
    hello.acknowledged = acknowledged;
    hello.process = process;
    hello.hellos = process != 0 ? ++hellos : 0;
    number = 0;
    driver_.receive(peer, {wire::encode(0, ++number, hello), {}});
  }

  wire::Welcome hello() {
    say_hello();
    auto welcome = take<wire::Welcome>();
    REQUIRE(welcome);
    session = welcome->session;
    epoch = welcome->epoch;
    spool = welcome->spool;
    next_commit = welcome->last_number + 1;
    return *welcome;
  }

  template <class M>
  void send(const M& message, std::vector<wire::TopicPacket> packets = {}) {
    driver_.receive(peer, {wire::encode(session, ++number, message), std::move(packets)});
  }

  wire::TopicPacket packet(const std::string& topic, const std::vector<std::uint64_t>& events) const {
    return {SharedBytes::own(topic), SharedBytes::own(packet_of(source_, epoch, next_commit, events))};
  }

  /// A publish of one packet; returns its commit's number.
  std::uint64_t publish(const std::string& topic, const std::vector<std::uint64_t>& events) {
    return publish({packet(topic, events)});
  }
  std::uint64_t publish(std::vector<wire::TopicPacket> packets) {
    const std::uint64_t commit = next_commit++;
    send(wire::Publish{commit}, std::move(packets));
    return commit;
  }

  wire::Attach attach_message(const std::string& group, std::vector<std::string> patterns) const {
    wire::Attach attach;
    attach.member = 1;
    attach.group = group;
    attach.patterns = std::move(patterns);
    attach.credit_events = 1'000;
    attach.credit_bytes = 1 << 20;
    return attach;
  }
  wire::Attached attach(const std::string& group, std::vector<std::string> patterns) {
    return attach(attach_message(group, std::move(patterns)));
  }
  wire::Attached attach(const wire::Attach& message) {
    send(message);
    auto attached = take<wire::Attached>();
    REQUIRE(attached);
    return *attached;
  }

  /// Sends the turns as commits from next_commit on; returns their outcomes.
  std::vector<wire::Outcome> settle(std::vector<wire::Turn> turns, std::vector<wire::TopicPacket> packets = {}) {
    send_settle(next_commit, turns, std::move(packets));
    for (const wire::Turn& turn : turns) next_commit += turn.run;
    auto settled = take<wire::Settled>();
    REQUIRE(settled);
    return settled->outcomes;
  }
  void send_settle(std::uint64_t first, std::vector<wire::Turn> turns, std::vector<wire::TopicPacket> packets = {}) {
    wire::Settle settle;
    settle.first_number = first;
    settle.turns = std::move(turns);
    send(settle, std::move(packets));
  }
  static wire::Turn turn(std::vector<wire::Settlement> settlements,
                         std::vector<wire::Publication> publications = {}) {
    wire::Turn turn;
    turn.settlements = std::move(settlements);
    turn.publications = std::move(publications);
    return turn;
  }
  std::vector<wire::Outcome> ack(const Delivered& delivered) { return settle({turn({delivered.settlement()})}); }

  /// What came in since the last look.
  std::vector<Received>& look() {
    for (Received& received : driver_.take(peer)) inbox.push_back(std::move(received));
    return inbox;
  }
  /// Takes the first message of this kind out of the inbox.
  template <class M>
  std::optional<M> take() {
    look();
    auto found =
        std::find_if(inbox.begin(), inbox.end(), [](const Received& r) { return r.envelope.kind == M::kind; });
    if (found == inbox.end()) return std::nullopt;
    M message = found->template as<M>();
    inbox.erase(found);
    return message;
  }
  std::optional<wire::Outcome> published() {
    auto published = take<wire::Published>();
    if (!published || published->outcomes.size() != 1) return std::nullopt;
    return published->outcomes[0];
  }
  /// The code of the first error that came in, "" when none did.
  std::string error() {
    auto error = take<wire::ErrorMessage>();
    return error ? error->code : "";
  }
  /// Takes all deliveries that came in.
  std::vector<Delivered> deliveries() {
    std::vector<Delivered> all;
    look();
    for (const Received& received : inbox) {
      if (received.envelope.kind != wire::Kind::deliver) continue;
      const auto deliver = received.as<wire::Deliver>();
      REQUIRE(deliver.entries.size() == received.packets.size());
      for (std::size_t i = 0; i < deliver.entries.size(); ++i) {
        const wire::Deliver::Entry& entry = deliver.entries[i];
        const auto events = numbers_in(received.packets[i].packet.view);
        REQUIRE(events.size() == entry.count);
        for (std::size_t k = 0; k < events.size(); ++k) {
          all.push_back({deliver.member,
                         {deliver.run, deliver.generation, entry.handout, entry.offset + k},
                         entry.attempt,
                         std::string(received.packets[i].topic.view),
                         events[k]});
        }
      }
    }
    std::erase_if(inbox, [](const Received& r) { return r.envelope.kind == wire::Kind::deliver; });
    return all;
  }

  Peer peer;
  std::uint64_t session = 0;
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
  std::string spool;
  /// 0: it does not say.
  std::uint64_t incarnation = 0;
  std::uint64_t acknowledged = 0;
  /// As its hellos say: 0, it does not.
  std::uint64_t process = 0;
  std::uint64_t hellos = 0;
  std::uint64_t next_commit = 1;
  std::vector<Received> inbox;

  const std::string& source() const { return source_; }

 private:
  BrokerDriver& driver_;
  std::string source_;
};

inline std::vector<std::uint64_t> events_of(const std::vector<Delivered>& deliveries) {
  std::vector<std::uint64_t> events;
  for (const Delivered& delivered : deliveries) events.push_back(delivered.event);
  return events;
}

}  // namespace spindle::proxy
