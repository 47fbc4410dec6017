#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker_driver.hpp"
#include "proxy/interval_set.hpp"
#include "test_client.hpp"

namespace spindle::proxy {

/// What clients were told, over all lives of the proxy. Everything here must stay true whatever happens; each new
/// message is compared with the old ones as it is heard, and check() asks the proxy for all of it again.
class Promises {
 public:
  /// An event as a group sees it.
  using Place = std::pair<std::string, std::uint64_t>;

  // --- told ---
  std::map<std::string, std::map<std::uint64_t, wire::Outcome>> outcomes;  ///< by source and number, run = 1
  std::map<std::string, std::uint64_t> epoch;                              ///< newest that was granted, by source
  std::set<std::uint64_t> epochs;                                          ///< all that were ever granted
  std::map<std::string, std::uint64_t> decided;  ///< by source: commits up to this number are decided
  std::set<std::pair<std::string, std::uint64_t>> fenced;
  std::set<std::pair<std::string, std::uint64_t>> forgotten;
  /// By group: its patterns, and the offset from which on each counts.
  std::map<std::string, std::map<std::string, std::uint64_t>> patterns;
  std::map<std::uint64_t, std::uint64_t> event_at;  ///< by offset
  std::map<Place, std::uint64_t> attempt;           ///< the newest that is known to be due or delivered
  std::map<Place, wire::Verdict> settled;           ///< by ack or reject
  /// By group: members that may come back, so that the group may wait for them. Whoever was told `detached` may not.
  std::map<std::string, std::set<std::pair<std::string, std::uint64_t>>> awaited;
  std::set<Place> lost;
  struct Figures {
    std::set<std::string> patterns;
    std::map<std::string, std::uint64_t> numbers;
    std::vector<Interval> losses;
  };
  std::map<std::string, Figures> figures;

  // --- asked, perhaps decided ---
  std::set<std::string> contested;  ///< another process said hello, or one said goodbye
  std::set<std::string> said_goodbye;
  std::set<Place> settling;
  std::set<std::uint64_t> published;  ///< every event number: stored once or not at all

  void hear_outcome(const std::string& source, const wire::Outcome& outcome);
  void hear_delivery(const std::string& group, const Delivered& delivered);
  void hear_figures(BytesView body);
  void must_be_decided(const std::string& source, std::uint64_t number);

  /// Asks for everything again; the proxy has just been restarted. Changes the log: the last thing to do. Events of
  /// segments that were deleted are not asked for.
  void check(BrokerDriver& proxy);

 private:
  void check_log(BrokerDriver& proxy) const;
  void check_refused(BrokerDriver& proxy) const;
  void check_sources(BrokerDriver& proxy);
  void check_figures(BrokerDriver& proxy);
  void check_deliveries(BrokerDriver& proxy);
  bool reported_as_lost(const Place& place) const;
};

/// One process of a source that follows PROTOCOL.md and takes note of all it is told. Nothing is taken for granted to
/// be answered at once: hear() looks what came.
class Party {
 public:
  Party(BrokerDriver& proxy, Promises& told, std::string source)
      : proxy_(proxy), told_(told), source_(std::move(source)) {}

  void say_hello();
  /// The process died; another one of the same source begins, without what this one held.
  void say_hello_anew();
  std::uint64_t publish(const std::string& topic, const std::vector<std::uint64_t>& events);
  /// Sends a publish that was sent before once more.
  void publish_again(std::uint64_t number);
  /// One turn; `events` are what it publishes on topic "out".
  void settle(const Delivered& delivered, wire::Verdict verdict = wire::Verdict::ack,
              const std::vector<std::uint64_t>& events = {});
  /// One run of acks: consecutive events of one hand-out.
  void ack_run(const std::vector<Delivered>& run);
  void attach(std::uint64_t member, const std::string& group, const std::vector<std::string>& patterns);
  void detach(std::uint64_t member);
  void goodbye();
  template <class M>
  void send(const M& message, std::vector<wire::TopicPacket> packets = {}) {
    proxy_.receive(peer_, {wire::encode(session_, ++number_, message), std::move(packets)});
  }

  /// Takes and remembers what came in; true when that was anything.
  bool hear();
  /// A new connection; then everything that has no answer is asked again, in order, and all that is answered heard.
  void come_back();

  /// How often this was heard: "welcome", "published", "refused", "deliver 2" (an attempt), "error fenced" …
  int heard(const std::string& what) const;
  /// What it holds of a member's group, by offset.
  std::vector<Delivered> held(std::uint64_t member = 1) const;
  std::uint64_t next_commit() const { return next_commit_; }
  bool ever_said_hello() const { return !peer_.empty(); }
  const std::string& source() const { return source_; }

 private:
  /// A message with commits.
  struct Asked {
    std::uint64_t count = 1;
    bool answered = false;
    std::vector<wire::Turn> turns;  ///< none: a publish
    std::vector<wire::TopicPacket> packets;
    std::vector<std::uint64_t> events;
    std::vector<Delivered> settles;
  };
  struct Membership {
    std::string group;
    std::vector<std::string> patterns;
    int asked = 0;
    bool told = false;
    bool leaving = false;
  };

  void ask(Asked asked);
  void send_asked(std::uint64_t first, const Asked& asked);
  void send_attach(std::uint64_t member, Membership& membership);
  void take(const Received& received);
  void take_welcome(const wire::Welcome& welcome);
  void take_outcomes(const std::vector<wire::Outcome>& outcomes);
  void take_outcome(std::uint64_t first, Asked& asked, const wire::Outcome& outcome);
  void take_deliver(const Received& received);
  void take_attached(const wire::Attached& attached);
  void take_lost(const wire::Lost& lost);
  void take_detached(std::uint64_t member);
  void take_error(const wire::ErrorMessage& error);

  BrokerDriver& proxy_;
  Promises& told_;
  std::string source_;
  Peer peer_;
  std::uint64_t session_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t epoch_ = 0;
  std::string spool_;
  std::uint64_t next_commit_ = 1;
  std::uint64_t acknowledged_ = 0;
  bool left_ = false;
  std::map<std::uint64_t, Asked> asked_;  // by first number
  std::map<std::uint64_t, Membership> members_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Delivered> held_;  // by member and offset
  std::map<std::string, int> heard_;
};

}  // namespace spindle::proxy
