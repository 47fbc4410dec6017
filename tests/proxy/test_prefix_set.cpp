#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>

#include "proxy/prefix_set.hpp"

using spindle::proxy::PrefixSet;

TEST_CASE("a topic matches by any of its prefixes") {
  PrefixSet set;
  CHECK_FALSE(set.matches("orders.placed"));
  set.insert("orders.");
  CHECK(set.matches("orders.placed"));
  CHECK(set.matches("orders."));
  CHECK_FALSE(set.matches("orders"));
  set.erase("orders.");
  CHECK_FALSE(set.matches("orders.placed"));
  set.insert("");
  CHECK(set.matches("anything"));
}

TEST_CASE("erasing a prefix that is not there changes nothing") {
  PrefixSet set;
  set.insert("a");
  set.erase("b");
  CHECK(set.size() == 1);
}

TEST_CASE("many prefixes match as one by one") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  auto word = [&](std::size_t longest) {
    std::string text(random() % (longest + 1), 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 3);
    return text;
  };
  for (int round = 0; round < 300; ++round) {
    PrefixSet set;
    std::set<std::string> plain;
    for (std::size_t i = random() % 30; i > 0; --i) {
      const std::string prefix = word(6);
      if (prefix.empty() && random() % 4 != 0) continue;  // it would match everything
      set.insert(prefix);
      plain.insert(prefix);
    }
    for (int i = 0; i < 50; ++i) {
      const std::string topic = word(8);
      bool expected = false;
      for (const std::string& prefix : plain) expected = expected || topic.starts_with(prefix);
      CAPTURE(topic);
      REQUIRE(set.matches(topic) == expected);
    }
  }
}
