#include <catch2/catch.hpp>

#include "spindle/wire/writer.hpp"
#include "tools/spindle/group_table.hpp"

using namespace spindle;
using namespace spindle::cli;

TEST_CASE("groups are shown in columns, and keys of a later proxy are skipped") {
  Bytes body;
  wire::Writer to(body);
  to.array(2);
  to.map(15).str("name").str("billing").str("patterns").array(2).str("orders.placed").str("orders.>");
  to.str("members").array(1).map(2).str("source").str("b/1/0").str("pending").uint(2);
  to.str("lag").uint(1200).str("pending").uint(2).str("dead").uint(0).str("stalled").nil();
  to.str("lost").uint(7).str("keeps_bytes").uint(3'460'300).str("keeps_oldest").str("2 dead letters");
  to.str("oldest_ms").uint(125'000).str("unhandled_topics").uint(1).str("unhandled_events").uint(4);
  to.str("unhandled").array(1).map(2).str("topic").str("orders.old").str("events").uint(4);
  to.str("later").map(1).uint(1).nil();
  to.map(2).str("name").str("audit").str("stalled").str("a key is held too often");
  const auto groups = read_groups(body);
  REQUIRE(groups);
  CHECK(group_table(*groups) ==
        "GROUP    PATTERNS                MEMBERS   LAG  PENDING  OLDEST  DEAD  LOST    KEEPS  STATE\n"
        "billing  orders.placed orders.>        1  1200        2     2 m     0     7  3.2 MiB  unhandled\n"
        "audit                                  0     0        0       -     0     0      0 B  stalled\n"
        "Group billing has 4 events that no present member handles: orders.old (4).\n"
        "Group billing keeps the oldest part of the spool: 2 dead letters.\n"
        "Group audit hands nothing out: a key is held too often.\n");
}

TEST_CASE("lines of the table stay within 100 columns, patterns being cut for that") {
  GroupFigures group;
  group.name = "a-group-of-some-name";
  for (int i = 0; i < 20; ++i) group.patterns.push_back("orders.of.kind." + std::to_string(i));
  group.lag = 123'456;
  group.pending = 65'536;
  group.keeps_bytes = std::uint64_t{999} << 30;
  group.oldest.ms = 59'000;
  group.paused = true;
  GroupFigures small;
  small.name = "b";
  const std::string table = group_table({group, small});
  std::size_t from = 0;
  for (std::size_t end = table.find('\n'); end != std::string::npos; end = table.find('\n', from)) {
    CHECK(end - from <= 100);
    from = end + 1;
  }
  CHECK(table.find("...") != std::string::npos);
  CHECK(table.find("paused") != std::string::npos);
}

TEST_CASE("the details of a group name its options, patterns, members and what nobody handles") {
  GroupFigures group;
  group.name = "billing";
  group.generation = 3;
  group.options = {{"max_attempts", 8},     {"backoff_max_ms", 120'000},        {"ack_deadline_ms", 250},
                   {"keep_at_most_ms", 0},  {"keep_at_most_bytes", 1ull << 30}, {"expires_ms", 3'600'000},
                   {"of_later_proxies", 17}};
  group.patterns = {"orders.*"};
  group.by_pattern = {{"orders.*", 2, 4, 9}};
  group.members.push_back({"b/1/0", 1, 2, true, {1'500, 3, 77}, 4'200});
  group.member_count = 2;
  group.unhandled = {{"orders.old", 4}};
  group.unhandled_topics = 1;
  group.unhandled_events = 4;
  group.stalled = "paused by an operator";
  const std::string text = group_details(group);
  for (const char* line :
       {"group         billing (generation 3)\n", "state         hands nothing out: paused by an operator\n",
        "options       as spindle group alter has them\n"
        "  max-attempts         8\n"
        "  backoff-max          2 min      (default 1 min)\n"
        "  ack-deadline         250 ms     (default 30 s)\n"
        "  keep-at-most         no bound\n"
        "  keep-at-most-bytes   1 GiB      (default no bound)\n"
        "  expires              1 h        (default never)\n"
        "  of_later_proxies     17\n",
        "  orders.*: 2 pending, lag at most 9, 4 that nobody handles\n",
        "  b/1/0 member 1: 2 pending; the oldest for 1 s, attempt 3, offset 77; last heard of 4 s ago; its "
        "connection is in doubt\n",
        "  and 1 other\n", "no present member handles: orders.old (4)\n"}) {
    CAPTURE(line, text);
    CHECK(text.find(line) != std::string::npos);
  }
}

TEST_CASE("the details of a group name failed events, when they are tried again, and how many are held back") {
  Bytes body;
  wire::Writer to(body);
  to.array(1).map(5).str("name").str("billing").str("retrying").uint(3).str("held_back").uint(1);
  to.str("failed").array(2);
  to.map(4).str("offset").uint(7).str("attempts").uint(2).str("reason").str("no such customer");
  to.str("retry_in_ms").uint(2'500);
  to.map(5).str("offset").uint(9).str("attempts").uint(1).str("reason").str("").str("retry_in_ms").nil();
  to.str("later").array(1).nil();
  to.str("members").array(2).map(2).str("source").str("a/1").str("silent_ms").uint(9'000);
  to.map(2).str("source").str("b/1").str("silent_ms").nil();
  const auto groups = read_groups(body);
  REQUIRE(groups);
  const std::string text = group_details(groups->at(0));
  CAPTURE(text);
  CHECK(text.find("retrying      3 events; 0 delivered again since the proxy started\n"
                  "  offset 7, attempt 2 failed: no such customer; the next in 2 s\n"
                  "  offset 9, attempt 1 failed: no reason given; the next is due or under way\n"
                  "  and 1 other\n"
                  "held back     1 event behind others of their keys\n") != std::string::npos);
  CHECK(text.find("a/1 member 0: 0 pending; last heard of 9 s ago\n") != std::string::npos);
  CHECK(text.find("b/1 member 0: 0 pending\n") != std::string::npos);
}

TEST_CASE("an answer that is no list of groups is an error") {
  CHECK_FALSE(read_groups("\x01"));
  CHECK_FALSE(read_groups(""));
  CHECK(read_groups("\x90")->empty());
}
