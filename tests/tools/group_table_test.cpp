#include <catch2/catch.hpp>

#include "spindle/wire/writer.hpp"
#include "tools/spindle/group_table.hpp"

using namespace spindle;
using namespace spindle::cli;

TEST_CASE("groups are shown in columns, and keys of a later proxy are skipped") {
  Bytes body;
  wire::Writer to(body);
  to.array(2);
  to.map(11).str("name").str("billing").str("patterns").array(2).str("orders.placed").str("orders.>");
  to.str("members").array(1).map(2).str("source").str("b/1/0").str("pending").uint(2);
  to.str("lag").uint(1200).str("pending").uint(2).str("dead").uint(0).str("stalled").nil();
  to.str("lost").uint(7).str("keeps_bytes").uint(3'460'300).str("keeps_oldest").str("2 dead letters");
  to.str("later").map(1).uint(1).nil();
  to.map(2).str("name").str("audit").str("stalled").str("a key is held too often");
  const auto groups = read_groups(body);
  REQUIRE(groups);
  CHECK(group_table(*groups) ==
        "GROUP    PATTERNS                MEMBERS   LAG  PENDING  DEAD  LOST    KEEPS  STALLED\n"
        "billing  orders.placed orders.>        1  1200        2     0     7  3.2 MiB  -\n"
        "audit                                  0     0        0     0     0      0 B  a key is held too often\n"
        "Group billing keeps the oldest part of the spool: 2 dead letters.\n");
}

TEST_CASE("an answer that is no list of groups is an error") {
  CHECK_FALSE(read_groups("\x01"));
  CHECK_FALSE(read_groups(""));
  CHECK(read_groups("\x90")->empty());
}
