#include <catch2/catch.hpp>

#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"

using namespace spindle;
using namespace spindle::wire;

namespace {

/// What reading the message's bytes gives; writing that again gives the same bytes.
template <class M>
M round_trip(const M& message) {
  const Bytes bytes = encode(5, 6, message);
  Values values;
  const Head head(bytes, values);
  INFO(name(M::kind));
  REQUIRE(head.ok());
  CHECK(head.envelope().kind == M::kind);
  auto read = decode<M>(head);
  REQUIRE(read);
  CHECK(encode(5, 6, *read) == bytes);
  return *read;
}

/// The error of reading an M out of these fields behind the envelope.
template <class M, class Write>
Error error_of(std::size_t fields, Write write) {
  Bytes bytes;
  Writer to(bytes);
  to.array(3 + fields).str(name(M::kind)).uint(1).uint(1);
  write(to);
  Values values;
  const Head head(bytes, values);
  REQUIRE(head.ok());
  const auto read = decode<M>(head);
  REQUIRE_FALSE(read);
  return read.error();
}

}  // namespace

TEST_CASE("session messages read back") {
  Hello hello;
  hello.features = {"a", "b"};
  hello.source = "shop/1/2";
  hello.epoch = UINT64_MAX;
  hello.spool = "5f1c";
  hello.incarnation = 2;
  hello.acknowledged = 3;
  hello.process = UINT64_MAX;
  hello.hellos = 4;
  CHECK(round_trip(hello).process == UINT64_MAX);
  CHECK(round_trip(hello).hellos == 4);
  CHECK(round_trip(hello).epoch == UINT64_MAX);
  CHECK(round_trip(hello).features == hello.features);
  Welcome welcome;
  welcome.features = {"f"};
  welcome.host = "example.org";
  welcome.last_number = 300;
  CHECK(round_trip(welcome).host == "example.org");
  CHECK(round_trip(Renew{{1, 2, 300}}).sessions == std::vector<std::uint64_t>{1, 2, 300});
  CHECK(round_trip(Goodbye{"stopping"}).reason == "stopping");
  CHECK(round_trip(Admin{"groups", "billing"}).subject == "billing");
  CHECK(round_trip(Admin{"groups", "billing", "\x80"}).arguments == "\x80");
  CHECK(round_trip(AdminReply{7, "\x90"}).body == "\x90");
}

TEST_CASE("errors keep their code and an unknown one keeps its name") {
  const ErrorMessage error = round_trip(ErrorMessage::of(4, Error{ErrorCode::fenced, "exit"}));
  CHECK(error.error_class == "session");
  CHECK(error.to_error().code == ErrorCode::fenced);
  CHECK(error.to_error().text == "exit");
  ErrorMessage of_member = ErrorMessage::of(0, Error{ErrorCode::group_deleted, "exit"});
  of_member.member = 9;
  CHECK(round_trip(of_member).member == 9);
  const Error strange = ErrorMessage{4, "moonphase", "passing", "wait", 0}.to_error();
  CHECK(strange.code == ErrorCode::unsupported);
  CHECK(strange.text == "moonphase: wait");
}

TEST_CASE("publish messages read back") {
  CHECK(round_trip(Publish{9}).commit == 9);
  CHECK(round_trip(Halted{1, 2, "spool_full", "wait", 500}).retry_after_ms == 500);
  CHECK(round_trip(Resume{9}).number == 9);
  Published published;
  published.answers = 12;
  published.outcomes.resize(4);
  published.outcomes[0] = {1, 1, OutcomeStatus::stored, 3, 40, ErrorCode::malformed, ""};
  published.outcomes[1] = {2, 5, OutcomeStatus::stored, 0, 0, ErrorCode::malformed, ""};
  published.outcomes[2] = {7, 1, OutcomeStatus::stored_before, 3, 0, ErrorCode::malformed, ""};
  published.outcomes[3] = {8, 1, OutcomeStatus::refused, 0, 0, ErrorCode::stale, "gone"};
  const Published read = round_trip(published);
  CHECK(read.outcomes[0].first_offset == 40);
  CHECK(read.outcomes[2].status == OutcomeStatus::stored_before);
  CHECK(read.outcomes[3].code == ErrorCode::stale);
  Settled settled;
  settled.outcomes = published.outcomes;
  CHECK(round_trip(settled).outcomes.size() == 4);
}

TEST_CASE("group messages read back") {
  Attach attach;
  attach.group = "billing";
  attach.patterns = {"a", "b.>"};
  attach.create = false;
  attach.start = {Start::At::offset, 77};
  attach.options.backoff_min_ms = 5;
  attach.options.ack_deadline_ms = 6;
  attach.options.keep_at_most_ms = 7;
  attach.options.keep_at_most_bytes = 8;
  attach.options.expires_ms = 9;
  attach.alter = true;
  attach.create_options.expires_ms = 10;
  attach.claims = {Claim{{1, 2, 3, 4}, 5, 6}, Claim{}};
  const Attach read = round_trip(attach);
  CHECK(read.options == attach.options);
  CHECK(read.start.offset == 77);
  CHECK(read.claims[0].first.offset == 4);
  CHECK_FALSE(read.create);
  CHECK(read.alter);
  CHECK(read.create_options == attach.create_options);
  attach.start = {Start::At::now, 0};
  CHECK(round_trip(attach).start.at == Start::At::now);
  CHECK(round_trip(Attached{1, 2, 3, 4, attach.claims}).claimed[0].attempt == 6);
  CHECK(round_trip(Deliver{1, 2, 3, {{4, 5, 6, 7}, {8, 9, 10, 11}}}).entries[1].attempt == 11);
  CHECK(round_trip(Credit{1, 2, 3}).bytes == 3);
  CHECK(round_trip(Extend{1, {2, 3, 4, 5}}).delivery.offset == 5);
  CHECK(round_trip(Detach{1}).member == 1);
  CHECK(round_trip(Detached{1, 2}).member == 2);
  const Lost lost = round_trip(Lost{1, {{2, 3}, {4, 5}}, "damaged"});
  CHECK(lost.ranges.at(1).count == 5);
  CHECK(lost.reason == "damaged");
}

TEST_CASE("settlements read back with each verdict") {
  Settle settle;
  settle.first_number = 10;
  settle.turns.resize(2);
  settle.turns[0].run = 7;
  settle.turns[0].settlements = {Settlement{1, {2, 3, 4, 5}, 7, Verdict::ack, {}, {}}};
  settle.turns[1].settlements = {Settlement{1, {2, 3, 4, 6}, 1, Verdict::retry, 250, "later"},
                                 Settlement{1, {2, 3, 4, 7}, 1, Verdict::reject, {}, "broken"}};
  settle.turns[1].publications = {Publication{0, 1, 2}, Publication{1, 0, 9}};
  const Settle read = round_trip(settle);
  CHECK(read.turns[0].run == 7);
  CHECK(read.turns[1].settlements[0].retry_after_ms == 250u);
  CHECK_FALSE(read.turns[1].settlements[1].retry_after_ms);
  CHECK(read.turns[1].settlements[1].reason == "broken");
  CHECK(read.turns[1].publications[1].count == 9);
}

TEST_CASE("kinds that this version does not know are refused by name, with the number to answer") {
  for (const char* kind : {"dance", "request", "reply", "serve", "", "HELLO"}) {
    Bytes bytes;
    Writer(bytes).array(4).str(kind).uint(5).uint(6).nil();
    Values values;
    const Head head(bytes, values);
    REQUIRE_FALSE(head.ok());
    CHECK(head.error().code == ErrorCode::unsupported);
    CHECK(head.error().text.find(kind) != std::string::npos);
    CHECK(head.envelope().session == 5);
    CHECK(head.envelope().number == 6);
  }
}

TEST_CASE("fields behind the known ones are ignored, in inner arrays too") {
  Bytes bytes;
  Writer to(bytes);
  to.array(6).str("deliver").uint(1).uint(1).uint(2).uint(3).uint(4);
  bytes.clear();
  to.array(9).str("deliver").uint(1).uint(1).uint(2).uint(3).uint(4);
  to.array(2);
  to.array(6).uint(5).uint(6).uint(7).uint(1).map(1).str("new").array(1).nil().nil();
  to.array(4).uint(8).uint(9).uint(1).uint(1);
  to.str("new").array(1).uint(1);
  Values values;
  const Head head(bytes, values);
  REQUIRE(head.ok());
  const auto deliver = decode<Deliver>(head);
  REQUIRE(deliver);
  REQUIRE(deliver->entries.size() == 2);
  CHECK(deliver->entries[1].handout == 8);
}

TEST_CASE("fields that are missing or of another type are named") {
  CHECK(error_of<Publish>(0, [](Writer&) {}).text == "commit is missing");
  CHECK(error_of<Publish>(1, [](Writer& to) { to.str("1"); }).text == "commit is a string, not an integer");
  CHECK(error_of<Goodbye>(1, [](Writer& to) { to.str("\xff"); }).text == "reason is not UTF-8");
  const auto short_entry = [](Writer& to) { to.uint(1).uint(1).uint(1).array(1).array(3).uint(1).uint(1).uint(1); };
  CHECK(error_of<Deliver>(4, short_entry).text == "entry has too few fields");
}

TEST_CASE("attach refuses unknown and repeated options and a start that is none") {
  const auto with = [](auto start, auto options) {
    return error_of<Attach>(9, [&](Writer& to) {
      to.uint(1).str("g").array(0).boolean(true);
      start(to);
      options(to);
      to.uint(1).uint(1).array(0);
    });
  };
  const auto beginning = [](Writer& to) { to.str("beginning"); };
  const auto none = [](Writer& to) { to.map(0); };
  CHECK(with([](Writer& to) { to.str("yesterday"); }, none).code == ErrorCode::malformed);
  const Error unknown = with(beginning, [](Writer& to) { to.map(1).str("speed").uint(1); });
  CHECK(unknown.code == ErrorCode::unsupported);
  CHECK(unknown.text.find("speed") != std::string::npos);
  const Error twice =
      with(beginning, [](Writer& to) { to.map(2).str("max_attempts").uint(1).str("max_attempts").uint(2); });
  CHECK(twice.text.find("stands twice") != std::string::npos);
}

TEST_CASE("lists beyond their limits are refused before they are read") {
  const auto patterns = [](Writer& to) {
    to.uint(1).str("g").array(257);
    for (int i = 0; i < 257; ++i) to.str("a");
  };
  CHECK(error_of<Attach>(3, patterns).code == ErrorCode::too_large);
  const auto turns = [](Writer& to) {
    to.uint(1).array(4097);
    for (int i = 0; i < 4097; ++i) to.nil();
  };
  CHECK(error_of<Settle>(2, turns).code == ErrorCode::too_large);
}

TEST_CASE("counts that no packet can have are refused") {
  const auto settle = [](std::uint64_t run, std::uint64_t count, std::uint64_t published) {
    return [=](Writer& to) {
      to.uint(1).array(1).array(3).uint(run).array(1).array(7);
      for (int i = 0; i < 5; ++i) to.uint(1);
      to.uint(count).uint(0).array(1).array(3).uint(0).uint(0).uint(published);
    };
  };
  for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{limits::packet_events_max} + 1, UINT64_MAX}) {
    CHECK(error_of<Settle>(2, settle(1, wrong, 1)).text.find("count is not between") == 0);
    CHECK(error_of<Settle>(2, settle(1, 1, wrong)).text.find("count is not between") == 0);
    (void)error_of<Settle>(2, settle(wrong, 1, 1));
  }
  // a few bytes must not become billions of commits
  CHECK(error_of<Settle>(2, settle(limits::turns_per_settle_max + 1, 1, 1)).code == ErrorCode::too_large);
}

TEST_CASE("a verdict that is none and a retry without its fields are refused") {
  const auto settlement = [](std::size_t fields, std::uint64_t verdict) {
    return [=](Writer& to) {
      to.uint(1).array(1).array(3).uint(1).array(1).array(fields);
      for (int i = 0; i < 6; ++i) to.uint(1);
      to.uint(verdict);
      to.array(0);
    };
  };
  CHECK(error_of<Settle>(2, settlement(7, 3)).text.find("verdict") != std::string::npos);
  CHECK(error_of<Settle>(2, settlement(7, 1)).text == "a retry or reject has no delay and reason");
}
