#pragma once

#include <deque>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker_driver.hpp"
#include "test_client.hpp"

namespace spindle::proxy {

/// What the simulated clients were told, to be compared with the log at the end.
struct Told {
  struct Commit {
    std::vector<std::uint64_t> events;            ///< published, in order
    std::optional<wire::OutcomeStatus> status{};  ///< nothing: never answered
    std::uint64_t first_offset = 0;
  };
  /// By source and number.
  std::map<std::string, std::map<std::uint64_t, Commit>> commits;
  /// Which event stands at an offset, as delivered to anyone.
  std::map<std::uint64_t, std::uint64_t> event_at;
  /// Who may take itself for the only holder of a delivery, by group and offset.
  std::map<std::pair<std::string, std::uint64_t>, std::string> holder;
  std::set<std::uint64_t> epochs;
  std::uint64_t next_event = 1;
};

/// One process: a source that publishes, and a member of up to two groups. It follows PROTOCOL.md to the letter and
/// fails the test when the proxy does not.
///   group "turns": every event of in.> is acknowledged by a turn that publishes its number on `out`
///   group "acks": every event is acknowledged by runs
class SimulatedClient {
 public:
  SimulatedClient(BrokerDriver& driver, Told& told, std::mt19937_64& random, std::string source, bool publishes,
                  bool consumes)
      : driver_(driver),
        told_(told),
        random_(random),
        source_(std::move(source)),
        publishes_(publishes),
        consumes_(consumes) {}

  /// A new connection; whatever was under way on the old one is lost.
  void reconnect();
  /// Takes what came in and acts on it.
  void receive();
  /// Publishes, settles or resumes, as chance has it.
  void act();
  /// Goes on after `halted`; false when it was not halted.
  bool resume();
  /// Settles all that it holds with an ack.
  void settle_all();
  void renew();
  /// The connection dies, by the proxy's or the network's doing.
  void lose_connection();
  /// The process is gone.
  void crash();

  bool connected() const { return session_ != 0; }
  bool idle() const { return sent_.empty() && held_.empty(); }
  std::string describe() const;
  const std::string& source() const { return source_; }

  static constexpr std::uint64_t credit_events = 12;

 private:
  /// A message with commits, kept until all of them have an outcome.
  struct Sent {
    std::uint64_t first;
    std::uint64_t count;
    std::uint64_t answered_to;
    wire::Kind kind;
    Bytes fields;
    std::vector<wire::TopicPacket> packets;
  };

  template <class M>
  void send(const M& message, std::vector<wire::TopicPacket> packets = {});
  void send_again(const Sent& sent);
  void on_welcome(const wire::Welcome& welcome);
  void on_outcomes(const std::vector<wire::Outcome>& outcomes);
  void on_deliver(const Received& received);
  void on_attached(const wire::Attached& attached);
  void attach(std::uint64_t member);
  void publish();
  void settle(std::uint64_t member, bool only_ack);
  void hold(const Delivered& delivered);
  void let_go(const Delivered& delivered);
  void forget_holdings();
  const std::string& group_of(std::uint64_t member) const;
  Bytes packet(const std::vector<std::uint64_t>& events) const;
  std::uint64_t chance(std::uint64_t n) { return random_() % n; }

  BrokerDriver& driver_;
  Told& told_;
  std::mt19937_64& random_;
  std::string source_;
  bool publishes_;
  bool consumes_;

  Peer peer_;
  std::uint64_t session_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t epoch_ = 0;
  std::string spool_;
  std::uint64_t next_commit_ = 1;
  std::uint64_t acknowledged_ = 0;
  std::set<std::uint64_t> attached_once_;
  std::optional<std::uint64_t> halted_at_;
  std::deque<Sent> sent_;
  using Key = std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>;  // member, hand-out, offset
  std::map<Key, Delivered> held_;
  /// Sent to be settled, not answered: still claimed after a reconnect.
  std::map<std::uint64_t, Delivered> settling_;
  /// What it was granted in this session. A turn of these that is refused leaves them with it: the refusal was
  /// decided before they were granted.
  std::set<Key> granted_;
};

}  // namespace spindle::proxy
