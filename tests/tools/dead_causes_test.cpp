#include "tools/spindle/dead_causes.hpp"

#include <catch2/catch.hpp>

using namespace spindle;
using namespace spindle::cli;

namespace {

Letter letter(std::uint64_t offset, const std::string& topic, const std::string& reason) {
  Letter made;
  made.offset = offset;
  made.time_ns = static_cast<WallNs>(offset) * 1'000'000'000;
  made.topic = topic;
  made.reason = reason;
  return made;
}

}  // namespace

TEST_CASE("numbers, ids and quoted text make no other cause") {
  CHECK(cause_of("no such customer") == "no such customer");
  CHECK(cause_of("order 17 not found") == "order # not found");
  CHECK(cause_of("order 17.50 not found") == cause_of("order 1,000,000 not found"));
  CHECK(cause_of("10.0.0.1:5432 refused") == "#:# refused");
  CHECK(cause_of("session 7f3a9c21 gone") == "session # gone");
  CHECK(cause_of("at 0xdeadbeef01") == "at #");
  CHECK(cause_of("user 550e8400-e29b-41d4-a716-446655440000 unknown") == "user # unknown");
  CHECK(cause_of("user abcdabcd-abcd-abcd-abcd-abcdabcdabcd unknown") == "user # unknown");
  CHECK(cause_of("field 'total' of \"A-1\" is missing") == "field '…' of '…' is missing");
  CHECK(cause_of("customer4711 is blocked") == "customer# is blocked");
  CHECK(cause_of("A-17 is no number") == "A-# is no number");
}

TEST_CASE("words, apostrophes and open quotes stay") {
  CHECK(cause_of("decade facade bad") == "decade facade bad");
  CHECK(cause_of("can't reach the customer's bank") == "can't reach the customer's bank");
  CHECK(cause_of("unexpected \" in text") == "unexpected \" in text");
  CHECK(cause_of("").empty());
}

TEST_CASE("10,000 letters of one bug are one cause, with the first and the last of them") {
  Causes causes(false);
  for (std::uint64_t i = 0; i < 10'000; ++i)
    causes.add("g", letter(i, "a", "order " + std::to_string(i) + " is odd"));
  causes.add("g", letter(20'000, "b", "order 1 is odd"));
  causes.add("h", letter(20'001, "b", "order 1 is odd"));
  const auto all = causes.all();
  REQUIRE(all.size() == 3);
  CHECK(all[0].count == 10'000);
  CHECK(all[0].reason == "order # is odd");
  CHECK(all[0].oldest == 0);
  CHECK(all[0].newest == 9'999);
  CHECK(all[0].last_ns == 9'999'000'000'000);
  CHECK(all[1].reason == "order 1 is odd");  // as it is, when there is but one
}

TEST_CASE("exact causes are the reasons as they are") {
  Causes causes(true);
  causes.add("g", letter(1, "a", "order 1"));
  causes.add("g", letter(2, "a", "order 2"));
  CHECK(causes.all().size() == 2);
}

TEST_CASE("the table has a line for each cause") {
  Causes causes(false);
  causes.add("billing", letter(7, "orders.placed", "no such customer"));
  CHECK(cause_table(causes.all()) ==
        "GROUP    TOPIC          LETTERS  FIRST                 LAST                  OLDEST  NEWEST  REASON\n"
        "billing  orders.placed        1  1970-01-01T00:00:07Z  1970-01-01T00:00:07Z       7       7  no such "
        "customer\n");
  CHECK(causes_as_json(causes.all()) ==
        "[{\"group\":\"billing\",\"topic\":\"orders.placed\",\"reason\":\"no such customer\",\"letters\":1,"
        "\"first\":\"1970-01-01T00:00:07.000000000Z\",\"last\":\"1970-01-01T00:00:07.000000000Z\",\"oldest\":7,"
        "\"newest\":7}]\n");
}
