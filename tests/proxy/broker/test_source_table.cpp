#include <malloc.h>

#include <catch2/catch.hpp>
#include <random>

#include "proxy/source_table.hpp"
#include "proxy/value_stream.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/values.hpp"

using namespace spindle;
using namespace spindle::proxy;
using wire::OutcomeStatus;

namespace {

wire::Outcome stored(std::uint64_t number, std::uint64_t events = 1) {
  wire::Outcome outcome;
  outcome.number = number;
  outcome.events = events;
  outcome.first_offset = 1000 + number;
  return outcome;
}

wire::Outcome refused(std::uint64_t number, std::string text) {
  wire::Outcome outcome;
  outcome.number = number;
  outcome.status = OutcomeStatus::refused;
  outcome.code = ErrorCode::denied;
  outcome.text = std::move(text);
  return outcome;
}

std::string name_of(std::size_t i) { return "shop-checkout/" + std::to_string(100'000'000 + i) + "/1"; }

Bytes state_of(const SourceTable& table) {
  Bytes out;
  wire::Writer to(out);
  table.write(to);
  return out;
}

std::size_t heap_bytes() { return ::mallinfo2().uordblks; }

}  // namespace

TEST_CASE("a hundred thousand sources take a small part of the proxy's memory and of a segment") {
  const std::size_t before = heap_bytes();
  SourceTable table(outcome_bytes_max);
  for (std::size_t i = 0; i < sources_max; ++i) table.remember(table.get(name_of(i)), stored(1));
  const std::size_t memory = heap_bytes() - before;
  const std::size_t state = state_of(table).size();
  WARN("per source: " << memory / sources_max << " bytes of memory, " << state / sources_max << " bytes of state");
  CHECK(memory < 40 * 1024 * 1024);
  CHECK(state < 8 * 1024 * 1024);
  for (std::size_t i = 0; i < sources_max; ++i) table.forget(name_of(i));
  CHECK(table.outcome_bytes() == 0);
  CHECK(heap_bytes() - before < 4 * 1024 * 1024);
}

TEST_CASE("outcomes of busy sources are kept, and the idlest only keep that they stored, and every refusal") {
  SourceTable table(256 * 1024);
  const std::size_t commits = limits::commits_in_flight_max;
  for (std::size_t i = 0; i < 100; ++i) {
    Source& source = table.get(name_of(i));
    for (std::uint64_t n = 1; n <= commits; ++n) {
      table.remember(source, n % 100 == 0 ? refused(n, "no " + std::to_string(n)) : stored(n));
    }
    CHECK(table.outcome_bytes() <= 256 * 1024);
  }
  CHECK_FALSE(table.full());
  for (std::size_t i = 0; i < 100; ++i) {
    const Source& source = *table.find(name_of(i));
    const auto all = source.repeat(1, commits);
    std::uint64_t next = 1;
    for (const wire::Outcome& outcome : all) {
      REQUIRE(outcome.number == next);
      next += outcome.run;
      const bool is_refusal = outcome.number % 100 == 0;
      REQUIRE((outcome.status == OutcomeStatus::refused) == is_refusal);
      if (is_refusal) REQUIRE(outcome.text == "no " + std::to_string(outcome.number));
      if (outcome.status == OutcomeStatus::stored) REQUIRE(outcome.first_offset == 1000 + outcome.number);
    }
    REQUIRE(next == commits + 1);
    const OutcomeStatus newest = all.back().status;
    if (i < 50) CHECK(newest == OutcomeStatus::stored_before);
    if (i == 99) CHECK(newest == OutcomeStatus::stored);
  }
}

TEST_CASE("refusals are never given up: the table says that it is full") {
  SourceTable table(64 * 1024);
  Source& source = table.get("s");
  for (std::uint64_t n = 1; !table.full(); ++n)
    table.remember(source, refused(n, std::string(300, 'x') + char('a' + n % 2)));
  CHECK(source.last_number < 250);
  CHECK(source.repeat(1, source.last_number).size() == source.last_number);
  table.forget("s");
  CHECK_FALSE(table.full());
}

TEST_CASE("what a table remembers survives its state, in the order of use") {
  const auto seed = GENERATE(1u, 2u, 3u);
  CAPTURE(seed);
  std::mt19937 random(seed);
  SourceTable table(8 * 1024);
  for (int step = 0; step < 5'000; ++step) {
    table.set_clock(table.clock_ms() + random() % 3);
    const std::string name = name_of(random() % 20);
    if (random() % 100 == 0) {
      table.forget(name);
    } else if (random() % 10 == 0) {
      table.touch(table.get(name));
    } else {
      Source& source = table.get(name);
      const std::uint64_t number = source.last_number + 1;
      table.remember(source, random() % 50 == 0 ? refused(number, "r") : stored(number, random() % 3));
    }
    REQUIRE(std::is_sorted(table.by_use().begin(), table.by_use().end(),
                           [](const Source* a, const Source* b) { return a->used_ms < b->used_ms; }));
  }
  const Bytes state = state_of(table);
  SourceTable again(8 * 1024);
  wire::Values values;
  ValueStream from(state, values);
  while (!from.rest().empty()) REQUIRE(from.next([&](wire::Cursor& at) { again.read_one(at); }));
  CHECK(state_of(again) == state);
}
