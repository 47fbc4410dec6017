// Hidden: test_event "[bench]" prints nanoseconds an event.
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>

#include "spindle/event.hpp"

namespace {

struct AsMap {
  static constexpr std::string_view topic = "bench.map";
  static constexpr bool durable = false;
  std::string order_id = "order-0000001234", email = "somebody@example.com", currency = "EUR";
  std::int64_t total_cents = 123'456;
  std::int32_t items = 3;
  MSGPACK_DEFINE_MAP(order_id, email, currency, total_cents, items)
};

struct AsArray {
  static constexpr std::string_view topic = "bench.array";
  static constexpr bool durable = false;
  std::string order_id = "order-0000001234", email = "somebody@example.com", currency = "EUR";
  std::int64_t total_cents = 123'456;
  std::int32_t items = 3;
  MSGPACK_DEFINE(order_id, email, currency, total_cents, items)
};

/// What an older reader of AsMap knows.
struct Older {
  static constexpr std::string_view topic = "bench.map";
  static constexpr bool durable = false;
  std::string order_id, email, currency;
  std::int64_t total_cents = 0;
  MSGPACK_DEFINE_MAP(order_id, email, currency, total_cents)
};

template <class Step>
double best_ns(Step step) {
  constexpr int rounds = 15, steps = 100'000;
  double best = 1e9;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < steps; ++i) step();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    best = std::min(best, took.count() / steps);
  }
  return best;
}

template <class E, class Reader = E>
void measure(const char* name) {
  const E event;
  spindle::Bytes bytes;
  REQUIRE(spindle::encode(event, bytes));
  spindle::Bytes out;
  const double encode_ns = best_ns([&] {
    out.clear();
    if (!spindle::encode(event, out)) throw std::logic_error("encode");
  });
  spindle::wire::Values scratch;
  std::size_t sum = 0;
  const double decode_ns = best_ns([&] {
    auto read = spindle::decode<Reader>(bytes, scratch);
    if (!read) throw std::logic_error("decode");
    sum += read->email.size();
  });
  const double parse_ns = best_ns([&] {
    if (!scratch.read_whole(bytes)) throw std::logic_error("parse");
  });
  std::printf("%-12s %3zu bytes: encode %4.0f ns, decode %4.0f ns (of it reading msgpack %3.0f ns)\n", name,
              bytes.size(), encode_ns, decode_ns, parse_ns);
  REQUIRE(sum > 0);
}

}  // namespace

TEST_CASE("encoding and decoding an event of three strings and two integers", "[.][bench]") {
  measure<AsMap>("map");
  measure<AsArray>("array");
  measure<AsMap, Older>("map, older");
}
