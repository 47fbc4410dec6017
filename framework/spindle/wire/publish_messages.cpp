#include "spindle/wire/publish_messages.hpp"

namespace spindle::wire {

void Publish::write(Writer& to) const { to.uint(commit); }

void Publish::read(Cursor& at) { commit = at.uint("commit"); }

void Outcome::write(Writer& to) const {
  to.array(5).uint(number).uint(run).uint(static_cast<std::uint64_t>(status));
  if (status == OutcomeStatus::refused) {
    to.str(spindle::name(code)).str(text);
  } else {
    to.uint(events);
    if (status == OutcomeStatus::stored && events > 0) {
      to.uint(first_offset);
    } else {
      to.nil();
    }
  }
}

void Outcome::read(Cursor& at) {
  const std::uint32_t fields = at.array("outcome");
  number = at.uint("number");
  run = at.uint("run");
  const std::uint64_t word = at.uint("status");
  if (word > 2 || fields < 5) at.fail(ErrorCode::malformed, "an outcome's status is unknown");
  status = static_cast<OutcomeStatus>(word);
  if (status == OutcomeStatus::refused) {
    code = error_code_named(at.str("code")).value_or(ErrorCode::unsupported);
    text = at.str("text");
  } else {
    events = at.uint("events");
    if (!at.nil()) first_offset = at.uint("first_offset");
  }
  for (std::uint32_t i = 5; i < fields && at.ok(); ++i) at.skip();
}

void Halted::write(Writer& to) const { to.uint(answers).uint(number).str(code).str(text).uint(retry_after_ms); }

void Halted::read(Cursor& at) {
  answers = at.uint("answers");
  number = at.uint("number");
  code = at.str("code");
  text = at.str("text");
  retry_after_ms = at.uint("retry_after_ms");
}

void Resume::write(Writer& to) const { to.uint(number); }

void Resume::read(Cursor& at) { number = at.uint("number"); }

}  // namespace spindle::wire
