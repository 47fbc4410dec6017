#include <catch2/catch.hpp>

#include "spindle/wire/limits.hpp"
#include "spindle/wire/topic.hpp"

using namespace spindle;
using namespace spindle::wire;

TEST_CASE("topics are tokens joined by dots") {
  for (const char* good : {"a", "orders.placed", "A-z_0.9", "_spindle.dead.billing", "-", "_"}) {
    INFO(good);
    CHECK(check_topic(good));
    CHECK(is_topic(good));
  }
  for (const char* bad : {"", ".", ".a", "a.", "a..b", "a b", "a*", "*", ">", "a/b", "\xc3\xa4", "a\n"}) {
    INFO(bad);
    CHECK_FALSE(check_topic(bad));
  }
  CHECK_FALSE(check_topic(std::string_view("a\0b", 3)));
}

TEST_CASE("topics end at topic_bytes_max") {
  CHECK(check_topic(std::string(limits::topic_bytes_max, 'a')));
  const auto longer = check_topic(std::string(limits::topic_bytes_max + 1, 'a'));
  REQUIRE_FALSE(longer);
  CHECK(longer.error().code == ErrorCode::malformed);
  CHECK(longer.error().text.find("201") != std::string::npos);
  CHECK_FALSE(check_topic(std::string(65'536, 'a')));
}

TEST_CASE("group names are one token") {
  CHECK(check_group_name("billing-2_b"));
  CHECK(check_group_name(std::string(limits::group_name_bytes_max, 'g')));
  CHECK_FALSE(check_group_name(std::string(limits::group_name_bytes_max + 1, 'g')));
  for (const char* bad : {"", "a.b", "a*", "a b"}) CHECK_FALSE(check_group_name(bad));
}

TEST_CASE("sources are printable names with slashes") {
  CHECK(check_source("shop/host-1.example/3"));
  CHECK(check_source(std::string(limits::source_bytes_max, 's')));
  CHECK_FALSE(check_source(std::string(limits::source_bytes_max + 1, 's')));
  for (const char* bad : {"", "a b", "a@1", "\xff", "a\n"}) CHECK_FALSE(check_source(bad));
}

TEST_CASE("patterns that are none are refused") {
  for (const char* bad : {"", ".", "a.", ".a", "a..b", ">.a", "a.>.b", "a*", "a.b>", "**", "a b", "a.>>"}) {
    INFO(bad);
    CHECK_FALSE(Pattern::parse(bad));
  }
  CHECK_FALSE(Pattern::parse(std::string(limits::topic_bytes_max + 1, 'a')));
  const auto bad = Pattern::parse("a.>.b");
  CHECK(bad.error().text.find("'a.>.b'") != std::string::npos);
}

TEST_CASE("patterns match by token") {
  struct Row {
    const char* pattern;
    const char* topic;
    bool matches;
  };
  const Row rows[] = {
      {"orders.placed", "orders.placed", true},
      {"orders.placed", "orders.placed.eu", false},
      {"orders.placed", "orders", false},
      {"orders.*", "orders.placed", true},
      {"orders.*", "orders.placed.eu", false},
      {"orders.*", "orders", false},
      {"orders.*", "ordersx.placed", false},
      {"orders.>", "orders.placed", true},
      {"orders.>", "orders.placed.eu", true},
      {"orders.>", "orders", false},
      {"*", "orders", true},
      {"*", "orders.placed", false},
      {">", "orders", true},
      {">", "orders.placed.eu", true},
      {"*.placed", "orders.placed", true},
      {"*.placed", "orders.paid", false},
      {"*.placed", "placed", false},
      {"*.>", "orders", false},
      {"*.>", "orders.placed", true},
      {"a.*.c", "a.b.c", true},
      {"a.*.c", "a.b.d", false},
      {"a.*.c", "a.b", false},
      {"a.*.c", "a.b.c.d", false},
      {"a.*.*.>", "a.b.c.d.e", true},
      {"a.*.*.>", "a.b.c", false},
  };
  for (const Row& row : rows) {
    INFO(row.pattern << " and " << row.topic);
    CHECK(Pattern::parse(row.pattern)->matches(row.topic) == row.matches);
  }
}

TEST_CASE("wildcards do not see Spindle's own topics") {
  CHECK_FALSE(Pattern::parse(">")->matches("_spindle.dead.billing"));
  CHECK_FALSE(Pattern::parse("*.dead.billing")->matches("_spindle.dead.billing"));
  CHECK_FALSE(Pattern::parse("*")->matches("_x"));
  CHECK(Pattern::parse("_spindle.dead.*")->matches("_spindle.dead.billing"));
  CHECK(Pattern::parse("_spindle.>")->matches("_spindle.dead.billing"));
  CHECK(Pattern::parse("a.*")->matches("a._b"));
}

TEST_CASE("a subscription is the part before the first wildcard") {
  CHECK(Pattern::parse("orders.placed")->literal_prefix() == "orders.placed");
  CHECK(Pattern::parse("orders.*.eu")->literal_prefix() == "orders.");
  CHECK(Pattern::parse("orders.>")->literal_prefix() == "orders.");
  CHECK(Pattern::parse(">")->literal_prefix().empty());
  CHECK(Pattern::parse("orders.placed")->is_literal());
  CHECK_FALSE(Pattern::parse("orders.*")->is_literal());
}
