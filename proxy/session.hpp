#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "proxy/broker.hpp"
#include "proxy/source_table.hpp"
#include "spindle/base/clock.hpp"

namespace spindle::proxy {

/// A client's connection in time: from its welcome until it says goodbye, is fenced, or its lease ends. The proxy's
/// memory only; after a restart clients say hello again.
struct Session {
  std::uint64_t id = 0;
  /// "" while the connection is lost but the lease still runs.
  Peer peer;
  /// "" for one that only administers.
  std::string source;
  std::uint64_t epoch = 0;
  /// As its hello said: which process this is, 0 if it did not, and how often that said hello.
  std::uint64_t process = 0;
  std::uint64_t hellos = 0;
  Instant lease_until{};
  /// Messages sent to the client so far, and the batch that the newest of them waits for: none overtakes another.
  std::uint64_t sent = 0;
  std::uint64_t sent_after_batch = 0;
  bool halted = false;
  /// Its hello named another spool or incarnation than this: what it claims was handed out by that one.
  bool knows_other_log = false;
  /// Group by the number that the client gave its member.
  std::map<std::uint64_t, std::uint64_t> groups;
  /// Members from before the client reconnected, which wait for it to attach them again, and until when.
  std::set<std::uint64_t> to_rejoin;
  Instant rejoin_until{};

  /// Answers of this loop turn, sent as one message each.
  std::vector<wire::Outcome> published;
  std::uint64_t published_answers = 0;
  std::vector<wire::Outcome> settled;
  std::uint64_t settled_answers = 0;

  /// Bytes of commits whose answer is not durable yet.
  std::uint64_t unanswered_bytes = 0;
};

}  // namespace spindle::proxy
