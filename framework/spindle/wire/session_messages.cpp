#include "spindle/wire/session_messages.hpp"

namespace spindle::wire {
namespace {

constexpr std::uint32_t features_max = 64;

void write_features(Writer& to, const std::vector<std::string>& features) {
  to.array(features.size());
  for (const std::string& feature : features) to.str(feature);
}

void read_features(Cursor& at, std::vector<std::string>& features) {
  const std::uint32_t count = at.array("features");
  if (count > features_max) at.fail(ErrorCode::too_large, "more than 64 features");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) features.emplace_back(at.str("feature"));
}

}  // namespace

void Hello::write(Writer& to) const {
  to.uint(protocol_min).uint(protocol_max);
  write_features(to, features);
  to.str(source).uint(epoch).str(spool).uint(incarnation).uint(acknowledged).uint(process).uint(hellos);
}

void Hello::read(Cursor& at) {
  protocol_min = at.uint("protocol_min");
  protocol_max = at.uint("protocol_max");
  read_features(at, features);
  source = at.str("source");
  epoch = at.uint("epoch");
  spool = at.str("spool");
  incarnation = at.uint("incarnation");
  acknowledged = at.uint("acknowledged");
  if (at.peek()) process = at.uint("process");
  if (at.peek()) hellos = at.uint("hellos");
}

void Welcome::write(Writer& to) const {
  to.uint(answers).uint(version);
  write_features(to, features);
  to.uint(session).uint(epoch).str(spool).uint(incarnation).uint(last_number);
  to.str(host).uint(publish_port).uint(subscribe_port).uint(heartbeat_ms).uint(lease_ms);
  to.uint(publish_window_bytes).uint(commits_in_flight_max).uint(event_bytes_max);
}

void Welcome::read(Cursor& at) {
  answers = at.uint("answers");
  version = at.uint("version");
  read_features(at, features);
  session = at.uint("session");
  epoch = at.uint("epoch");
  spool = at.str("spool");
  incarnation = at.uint("incarnation");
  last_number = at.uint("last_number");
  host = at.str("host");
  publish_port = at.uint("publish_port");
  subscribe_port = at.uint("subscribe_port");
  heartbeat_ms = at.uint("heartbeat_ms");
  lease_ms = at.uint("lease_ms");
  publish_window_bytes = at.uint("publish_window_bytes");
  commits_in_flight_max = at.uint("commits_in_flight_max");
  event_bytes_max = at.uint("event_bytes_max");
}

void Renew::write(Writer& to) const {
  to.array(sessions.size());
  for (std::uint64_t session : sessions) to.uint(session);
}

void Renew::read(Cursor& at) {
  const std::uint32_t count = at.array("sessions");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) sessions.push_back(at.uint("session"));
}

void Goodbye::write(Writer& to) const { to.str(reason); }

void Goodbye::read(Cursor& at) { reason = at.str("reason"); }

ErrorMessage ErrorMessage::of(std::uint64_t answers, const Error& error) {
  return {answers, std::string(spindle::name(error.code)), std::string(spindle::name(class_of(error.code))),
          error.text, 0};
}

Error ErrorMessage::to_error() const {
  if (auto known = error_code_named(code)) return {*known, text};
  return {ErrorCode::unsupported, code + ": " + text};
}

void ErrorMessage::write(Writer& to) const { to.uint(answers).str(code).str(error_class).str(text).uint(member); }

void ErrorMessage::read(Cursor& at) {
  answers = at.uint("answers");
  code = at.str("code");
  error_class = at.str("class");
  text = at.str("text");
  if (at.peek()) member = at.uint("member");
}

void Admin::write(Writer& to) const { to.str(verb).str(subject).bin(arguments); }

void Admin::read(Cursor& at) {
  verb = at.str("verb");
  subject = at.str("subject");
  if (at.peek()) arguments = at.bin("arguments");
}

void AdminReply::write(Writer& to) const { to.uint(answers).bin(body); }

void AdminReply::read(Cursor& at) {
  answers = at.uint("answers");
  body = at.bin("body");
}

}  // namespace spindle::wire
