#pragma once

#include <deque>
#include <string>
#include <vector>

#include "chance.hpp"
#include "member.hpp"
#include "network.hpp"
#include "oracle.hpp"
#include "scenario.hpp"

namespace spindle::simulation {

/// One process of a service: a source that publishes, and a member of groups, which keeps to PROTOCOL.md. It may be
/// slow, stopped for a while, or die.
class Process {
 public:
  Process(const Scenario& scenario, Chance& chance, Network& network, Oracle& oracle, const Scenario::Role& role,
          std::string source, std::uint64_t number);

  /// Takes what has arrived, and does one thing.
  void run(Now now);
  /// Says that it is alive, if that is due: a process that is busy has a keeper that does, a stopped one has not.
  void keep_alive(Now now);
  void receive(Now now);
  void act(Now now);
  /// Only what brings things to their end: connects, sends again, settles all it holds.
  void finish(Now now);

  void connect(Now now);
  /// SIGKILL.
  void die();
  /// SIGSTOP, for so long.
  void stop_until(Instant until) { stopped_until_ = until; }
  void work_until(Instant until) { busy_until_ = until; }
  const proxy::Peer& peer() const { return peer_; }

  /// It has exited: it was fenced, forgotten, or is done.
  bool gone() const { return gone_; }
  bool idle() const;
  std::string describe() const;

 private:
  /// A message with commits, kept until all of them have an outcome.
  struct Sent {
    std::vector<Commit> commits;
    std::uint64_t answered_to = 0;
    std::vector<wire::Turn> turns;
    std::vector<wire::TopicPacket> packets;

    std::uint64_t first() const { return commits.front().number; }
    std::uint64_t end() const { return commits.front().number + commits.size(); }
  };

  template <class M>
  void send(const M& message, Now now, std::vector<wire::TopicPacket> packets = {});
  void send_commits(const Sent& sent, Now now);
  void ask(Sent sent, Now now);
  bool catch_up(Now now);
  void publish(Now now);
  void settle(Now now, bool only_ack);
  void add_turn(Sent& sent, std::vector<Delivery> deliveries, bool only_ack, std::vector<std::uint64_t>& outputs);
  void join_run(Sent& sent, const Delivery& delivery);
  void settle_past(Now now);
  void minor_things(Now now);
  void leave(Now now);
  wire::TopicPacket packet(const std::string& topic, const std::vector<std::uint64_t>& events) const;
  std::uint64_t make_event(const std::string& topic, std::optional<std::uint32_t> key);

  void take(wire::Message& message, Now now);
  void take_welcome(const wire::Welcome& welcome);
  void take_outcomes(const std::vector<wire::Outcome>& outcomes);
  void take_error(const wire::ErrorMessage& error, std::uint64_t session);
  void take_halted(const wire::Halted& halted, Now now);
  void go_on_rolled_back();
  void lose_session();
  Member* member(std::uint64_t number);

  const Scenario& scenario_;
  Chance& chance_;
  Network& network_;
  Oracle& oracle_;
  const Scenario::Role& role_;
  std::string source_;
  std::uint64_t process_;
  std::uint64_t life_;
  /// What its hellos call this process.
  std::uint64_t instance_;
  std::uint64_t hellos_ = 0;

  proxy::Peer peer_;
  std::uint64_t session_ = 0;
  std::uint64_t number_ = 0;
  Instant hello_at_{};
  Instant heard_at_{};
  Instant renewed_at_{};
  Instant stopped_until_{};
  Instant busy_until_{};
  bool gone_ = false;

  std::uint64_t epoch_ = 0;
  std::string spool_;
  std::uint64_t incarnation_ = 0;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t next_commit_ = 1;
  bool renumber_ = false;
  std::optional<std::uint64_t> halted_at_;
  Instant resume_at_{};
  std::deque<Sent> sent_;
  /// What is still to be sent in this session, in this order: members, then commits from a number on.
  std::vector<std::uint64_t> to_attach_;
  std::uint64_t resend_from_ = nowhere;
  std::vector<Member> members_;
  std::uint64_t credit_events_;
};

template <class M>
void Process::send(const M& message, Now now, std::vector<wire::TopicPacket> packets) {
  renewed_at_ = now.instant;
  network_.to_proxy(peer_, {wire::encode(session_, ++number_, message), std::move(packets)}, now.instant);
}

}  // namespace spindle::simulation
