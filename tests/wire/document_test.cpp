// PROTOCOL.md says what the code does: the byte examples, and the tables of errors, limits and kinds.
#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "document.hpp"
#include "spindle/wire/cloud_event.hpp"
#include "spindle/wire/group_messages.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/publish_messages.hpp"
#include "spindle/wire/session_messages.hpp"

using namespace spindle;
using namespace spindle::wire;

namespace {

const Bytes order_7 = "\x81\xa2id\x07";

Bytes as_map(std::string_view name, std::string_view value) {
  Bytes out;
  Writer(out).map(1).str(name).str(value);
  return out;
}

/// The example is what the message encodes to, and reads back as the same.
template <class M>
void check_example(const std::string& name, std::uint64_t session, std::uint64_t number, const M& message) {
  INFO("example " << name);
  const Bytes& bytes = document::example(name);
  CHECK(encode(session, number, message) == bytes);
  Values values;
  const Head head(bytes, values);
  REQUIRE(head.ok());
  CHECK(head.envelope().kind == M::kind);
  CHECK(head.envelope().session == session);
  CHECK(head.envelope().number == number);
  const auto decoded = decode<M>(head);
  REQUIRE(decoded);
  CHECK(encode(session, number, *decoded) == bytes);
}

}  // namespace

TEST_CASE("the packet example is what the code writes and reads") {
  PacketHeader header;
  header.source = "shop/7f3a/1";
  header.epoch = 3;
  header.sequence = 12;
  header.topic_count = 41;
  header.time_ns = 1'700'000'000'000'000'000;
  PacketBuilder builder;
  builder.add(order_7, as_map("subject", "berlin"), 0x9e3779b9u);
  const Bytes& bytes = document::example("packet");
  CHECK(builder.finish(header) == bytes);

  Values scratch;
  const auto packet = Packet::parse(bytes, scratch);
  REQUIRE(packet);
  CHECK(packet->header().source == "shop/7f3a/1");
  CHECK(packet->header().topic_count == 41);
  CHECK(packet->header().time_ns == 1'700'000'000'000'000'000);
  CHECK(packet->key(0) == 0x9e3779b9u);
  REQUIRE(packet->events().size() == 1);
  CHECK(packet->events()[0].data == order_7);
  CHECK(packet->events()[0].attributes == as_map("subject", "berlin"));
}

TEST_CASE("the CloudEvent example reads as one") {
  const auto event = CloudEvent::parse("orders.placed", document::example("cloud_event"));
  REQUIRE(event);
  CHECK(event->id == "a1");
  CHECK(event->source == "till/1");
  CHECK(event->type == "orders.placed");
  CHECK(event->data == order_7);
  CHECK(attribute_map(event->attributes) == as_map("subject", "berlin"));
}

TEST_CASE("the session examples are what the code writes and reads") {
  Hello hello;
  hello.source = "shop/7f3a/1";
  hello.process = 36'865;
  hello.hellos = 1;
  check_example("hello", 0, 1, hello);

  Welcome welcome;
  welcome.answers = 1;
  welcome.session = 77;
  welcome.epoch = 3;
  welcome.spool = "5f1c";
  welcome.incarnation = 1;
  welcome.publish_port = 5556;
  welcome.subscribe_port = 5557;
  welcome.heartbeat_ms = 1000;
  welcome.lease_ms = 10'000;
  welcome.publish_window_bytes = limits::publish_window_bytes_default;
  welcome.commits_in_flight_max = limits::commits_in_flight_max;
  welcome.event_bytes_max = limits::event_bytes_max;
  check_example("welcome", 77, 1, welcome);

  const Error error{ErrorCode::unsupported, "this version knows no message kind 'dance'"};
  check_example("error", 77, 6, ErrorMessage::of(5, error));
}

TEST_CASE("the publish examples are what the code writes and reads") {
  check_example("publish", 77, 2, Publish{1});

  Published published;
  published.answers = 3;
  published.outcomes.resize(2);
  published.outcomes[0].number = 1;
  published.outcomes[0].events = 1;
  published.outcomes[0].first_offset = 40;
  published.outcomes[1].number = 2;
  published.outcomes[1].status = OutcomeStatus::refused;
  published.outcomes[1].code = ErrorCode::denied;
  published.outcomes[1].text = "foreign source";
  check_example("published", 77, 2, published);
}

TEST_CASE("the group examples are what the code writes and reads") {
  Attach attach;
  attach.member = 1;
  attach.group = "billing";
  attach.patterns = {"orders.*"};
  attach.options.max_attempts = 5;
  attach.credit_events = 100;
  attach.credit_bytes = 1'048'576;
  attach.claims = {Claim{{9, 1, 5, 38}, 2, 1}};
  check_example("attach", 77, 3, attach);

  check_example("deliver", 77, 4, Deliver{1, 9, 1, {{6, 40, 2, 1}}});

  Settle settle;
  settle.first_number = 3;
  settle.turns.resize(2);
  settle.turns[0].settlements = {Settlement{1, {9, 1, 6, 40}, 1, Verdict::ack, {}, {}}};
  settle.turns[0].publications = {Publication{0, 0, 1}};
  settle.turns[1].settlements = {Settlement{1, {9, 1, 6, 41}, 1, Verdict::retry, {}, "busy"}};
  check_example("settle", 77, 4, settle);

  Settled settled;
  settled.answers = 4;
  settled.outcomes.resize(2);
  settled.outcomes[0].number = 3;
  settled.outcomes[0].events = 1;
  settled.outcomes[0].first_offset = 42;
  settled.outcomes[1].number = 4;
  check_example("settled", 77, 5, settled);
}

TEST_CASE("the table of errors lists every code with its class") {
  const auto rows = document::table("code");
  REQUIRE(rows.size() == static_cast<std::size_t>(ErrorCode::not_found) + 1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto code = static_cast<ErrorCode>(i);
    CHECK(rows[i].at(0) == name(code));
    CHECK(rows[i].at(1) == name(class_of(code)));
  }
}

TEST_CASE("the table of limits lists every limit with its value") {
  const std::vector<std::pair<std::string, std::uint64_t>> in_code{
      {"topic_bytes_max", limits::topic_bytes_max},
      {"group_name_bytes_max", limits::group_name_bytes_max},
      {"source_bytes_max", limits::source_bytes_max},
      {"event_bytes_max", limits::event_bytes_max},
      {"attributes_bytes_max", limits::attributes_bytes_max},
      {"attributes_max", limits::attributes_max},
      {"packet_bytes_target", limits::packet_bytes_target},
      {"packet_bytes_max", limits::packet_bytes_max},
      {"packet_events_max", limits::packet_events_max},
      {"message_bytes_max", limits::message_bytes_max},
      {"message_frames_max", limits::message_frames_max},
      {"msgpack_depth_max", limits::msgpack_depth_max},
      {"msgpack_values_max", limits::msgpack_values_max},
      {"patterns_per_member_max", limits::patterns_per_member_max},
      {"turns_per_settle_max", limits::turns_per_settle_max},
      {"lost_ranges_max", limits::lost_ranges_max},
      {"claims_per_attach_max", limits::claims_per_attach_max},
      {"commits_in_flight_max", limits::commits_in_flight_max},
      {"publish_window_bytes_default", limits::publish_window_bytes_default},
  };
  const auto rows = document::table("limit");
  REQUIRE(rows.size() == in_code.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(rows[i].at(0) == in_code[i].first);
    CHECK(rows[i].at(1) == std::to_string(in_code[i].second));
  }
  // a limit that was added to the header is missed here and in the document
  std::istringstream header(document::text_of("limits.hpp"));
  std::size_t defined = 0;
  for (std::string line; std::getline(header, line);) defined += line.starts_with("inline constexpr") ? 1u : 0u;
  CHECK(defined == in_code.size());
}

TEST_CASE("the table of kinds lists every kind, with as many fields as the code writes") {
  const std::map<std::string, std::size_t> field_counts{{"hello", Hello::field_count},
                                                        {"welcome", Welcome::field_count},
                                                        {"renew", Renew::field_count},
                                                        {"publish", Publish::field_count},
                                                        {"published", Published::field_count},
                                                        {"halted", Halted::field_count},
                                                        {"resume", Resume::field_count},
                                                        {"attach", Attach::field_count},
                                                        {"attached", Attached::field_count},
                                                        {"deliver", Deliver::field_count},
                                                        {"credit", Credit::field_count},
                                                        {"settle", Settle::field_count},
                                                        {"settled", Settled::field_count},
                                                        {"extend", Extend::field_count},
                                                        {"detach", Detach::field_count},
                                                        {"detached", Detached::field_count},
                                                        {"lost", Lost::field_count},
                                                        {"admin", Admin::field_count},
                                                        {"admin_reply", AdminReply::field_count},
                                                        {"goodbye", Goodbye::field_count},
                                                        {"error", ErrorMessage::field_count}};
  std::map<std::string, std::size_t> documented;
  for (const auto& row : document::table("kind")) {
    const auto fields = static_cast<std::size_t>(std::count(row.at(2).begin(), row.at(2).end(), ',')) + 1;
    std::istringstream kinds(row.at(0));
    for (std::string kind; std::getline(kinds, kind, ',');) {
      kind.erase(0, kind.find_first_not_of(' '));
      CHECK(kind_named(kind));
      documented[kind] = fields;
    }
  }
  for (const auto& [kind, fields] : field_counts) {
    INFO(kind);
    CHECK(documented[kind] == fields);
  }
  CHECK(documented.size() == static_cast<std::size_t>(Kind::error) + 1);
}
