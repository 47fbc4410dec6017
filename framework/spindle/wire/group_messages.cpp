#include "spindle/wire/group_messages.hpp"

#include "spindle/wire/limits.hpp"

namespace spindle::wire {
namespace {

void write_id(Writer& to, const DeliveryId& id) {
  to.uint(id.run).uint(id.generation).uint(id.handout).uint(id.offset);
}

DeliveryId read_id(Cursor& at) {
  DeliveryId id;
  id.run = at.uint("run");
  id.generation = at.uint("generation");
  id.handout = at.uint("handout");
  id.offset = at.uint("offset");
  return id;
}

void check_range(Cursor& at, const DeliveryId& first, std::uint64_t count) {
  if (first.offset + count < first.offset) at.fail(ErrorCode::malformed, "a range of offsets ends beyond the last");
}

/// Reads an array of things that have read(), at most `most` of them.
template <class T>
void read_list(Cursor& at, std::string_view field, std::size_t most, std::vector<T>& into) {
  const std::uint32_t count = at.array(field);
  if (count > most) {
    at.fail(ErrorCode::too_large, "more than " + std::to_string(most) + " " + std::string(field) + " in a message");
  }
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) into.emplace_back().read(at);
}

template <class T>
void write_list(Writer& to, const std::vector<T>& list) {
  to.array(list.size());
  for (const T& element : list) element.write(to);
}

/// Opens an array that has at least `least` fields; returns how many extra ones to skip at its end.
std::uint32_t open_fields(Cursor& at, std::string_view field, std::uint32_t least) {
  const std::uint32_t fields = at.array(field);
  if (at.ok() && fields < least) at.fail(ErrorCode::malformed, std::string(field) + " has too few fields");
  return fields < least ? 0 : fields - least;
}

void close_fields(Cursor& at, std::uint32_t extra) {
  for (std::uint32_t i = 0; i < extra && at.ok(); ++i) at.skip();
}

/// Events of one hand-out or packet: never none, and never more than a packet can hold.
std::uint64_t read_count(Cursor& at) {
  const std::uint64_t count = at.uint("count");
  if (at.ok() && (count == 0 || count > limits::packet_events_max)) {
    at.fail(ErrorCode::malformed,
            "count is not between 1 and packet_events_max (" + std::to_string(limits::packet_events_max) + ")");
  }
  return count;
}

}  // namespace

void GroupOptions::write(Writer& to) const {
  const std::pair<std::string_view, std::optional<std::uint64_t>> fields[] = {
      {"max_attempts", max_attempts},
      {"backoff_min_ms", backoff_min_ms},
      {"backoff_max_ms", backoff_max_ms},
      {"backoff_factor", backoff_factor},
      {"ack_deadline_ms", ack_deadline_ms},
      {"keep_at_most_ms", keep_at_most_ms},
      {"keep_at_most_bytes", keep_at_most_bytes},
      {"expires_ms", expires_ms}};
  std::size_t count = 0;
  for (const auto& [name, value] : fields) count += value ? 1 : 0;
  to.map(count);
  for (const auto& [name, value] : fields) {
    if (value) to.str(name).uint(*value);
  }
}

void GroupOptions::read(Cursor& at) {
  const std::uint32_t count = at.map("options");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
    const std::string_view option = at.str("option name");
    std::optional<std::uint64_t>* field = option == "max_attempts"         ? &max_attempts
                                          : option == "backoff_min_ms"     ? &backoff_min_ms
                                          : option == "backoff_max_ms"     ? &backoff_max_ms
                                          : option == "backoff_factor"     ? &backoff_factor
                                          : option == "ack_deadline_ms"    ? &ack_deadline_ms
                                          : option == "keep_at_most_ms"    ? &keep_at_most_ms
                                          : option == "keep_at_most_bytes" ? &keep_at_most_bytes
                                          : option == "expires_ms"         ? &expires_ms
                                                                           : nullptr;
    if (field == nullptr) {
      return at.fail(ErrorCode::unsupported, "group option '" + std::string(option) + "' is not known");
    }
    if (*field) return at.fail(ErrorCode::malformed, "group option '" + std::string(option) + "' stands twice");
    *field = at.uint(option);
  }
}

void Start::write(Writer& to) const {
  switch (at) {
    case At::beginning: to.str("beginning"); break;
    case At::now: to.str("now"); break;
    case At::offset: to.uint(offset); break;
  }
}

void Start::read(Cursor& cursor) {
  if (cursor.peek() == ValueType::uint) {
    at = At::offset;
    offset = cursor.uint("start");
    return;
  }
  const std::string_view word = cursor.str("start");
  if (word == "now") {
    at = At::now;
  } else if (word != "beginning") {
    cursor.fail(ErrorCode::malformed, "start is not \"beginning\", \"now\" or an offset");
  }
}

void Claim::write(Writer& to) const {
  to.array(6);
  write_id(to, first);
  to.uint(count).uint(attempt);
}

void Claim::read(Cursor& at) {
  const std::uint32_t extra = open_fields(at, "claim", 6);
  first = read_id(at);
  count = read_count(at);
  attempt = at.uint("attempt");
  check_range(at, first, count);
  close_fields(at, extra);
}

void Attach::write(Writer& to) const {
  to.uint(member).str(group).array(patterns.size());
  for (const std::string& pattern : patterns) to.str(pattern);
  to.boolean(create);
  start.write(to);
  options.write(to);
  to.uint(credit_events).uint(credit_bytes);
  write_list(to, claims);
  to.boolean(alter);
  create_options.write(to);
}

void Attach::read(Cursor& at) {
  member = at.uint("member");
  group = at.str("group");
  const std::uint32_t count = at.array("patterns");
  if (count > limits::patterns_per_member_max) at.fail(ErrorCode::too_large, "more than 256 patterns for one member");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) patterns.emplace_back(at.str("pattern"));
  create = at.boolean("create");
  start.read(at);
  options.read(at);
  credit_events = at.uint("credit_events");
  credit_bytes = at.uint("credit_bytes");
  read_list(at, "claims", limits::claims_per_attach_max, claims);
  if (at.peek()) alter = at.boolean("alter");
  if (at.peek()) create_options.read(at);
}

void Attached::write(Writer& to) const {
  to.uint(answers).uint(member).uint(generation).uint(position);
  write_list(to, claimed);
}

void Attached::read(Cursor& at) {
  answers = at.uint("answers");
  member = at.uint("member");
  generation = at.uint("generation");
  position = at.uint("position");
  read_list(at, "claimed", limits::claims_per_attach_max, claimed);
}

void Deliver::write(Writer& to) const {
  to.uint(member).uint(run).uint(generation).array(entries.size());
  for (const Entry& entry : entries)
    to.array(4).uint(entry.handout).uint(entry.offset).uint(entry.count).uint(entry.attempt);
}

void Deliver::read(Cursor& at) {
  member = at.uint("member");
  run = at.uint("run");
  generation = at.uint("generation");
  const std::uint32_t count = at.array("entries");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
    const std::uint32_t extra = open_fields(at, "entry", 4);
    Entry& entry = entries.emplace_back();
    entry.handout = at.uint("handout");
    entry.offset = at.uint("offset");
    entry.count = read_count(at);
    entry.attempt = at.uint("attempt");
    close_fields(at, extra);
  }
}

void Credit::write(Writer& to) const { to.uint(member).uint(events).uint(bytes); }

void Credit::read(Cursor& at) {
  member = at.uint("member");
  events = at.uint("events");
  bytes = at.uint("bytes");
}

void Settlement::write(Writer& to) const {
  const bool plain = verdict == Verdict::ack;
  to.array(plain ? 7 : 9).uint(member);
  write_id(to, first);
  to.uint(count).uint(static_cast<std::uint64_t>(verdict));
  if (plain) return;
  if (retry_after_ms) {
    to.uint(*retry_after_ms);
  } else {
    to.nil();
  }
  to.str(reason);
}

void Settlement::read(Cursor& at) {
  const std::uint32_t extra = open_fields(at, "settlement", 7);
  member = at.uint("member");
  first = read_id(at);
  count = read_count(at);
  check_range(at, first, count);
  const std::uint64_t word = at.uint("verdict");
  if (word > 2) at.fail(ErrorCode::malformed, "verdict is not ack (0), retry (1) or reject (2)");
  verdict = static_cast<Verdict>(word);
  if (verdict == Verdict::ack) return close_fields(at, extra);
  if (extra < 2) return at.fail(ErrorCode::malformed, "a retry or reject has no delay and reason");
  if (!at.nil()) retry_after_ms = at.uint("retry_after_ms");
  reason = at.str("reason");
  close_fields(at, extra - 2);
}

void Turn::write(Writer& to) const {
  to.array(3).uint(run);
  write_list(to, settlements);
  to.array(publications.size());
  for (const Publication& p : publications) to.array(3).uint(p.packet).uint(p.first).uint(p.count);
}

void Turn::read(Cursor& at) {
  const std::uint32_t extra = open_fields(at, "turn", 3);
  run = at.uint("run");
  read_list(at, "settlements", limits::msgpack_values_max, settlements);
  const std::uint32_t count = at.array("publications");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) {
    const std::uint32_t more = open_fields(at, "publication", 3);
    Publication& publication = publications.emplace_back();
    publication.packet = at.uint("packet");
    publication.first = at.uint("first");
    publication.count = read_count(at);
    if (publication.first > limits::packet_events_max) at.fail(ErrorCode::malformed, "first is not in a packet");
    close_fields(at, more);
  }
  close_fields(at, extra);
}

void Settle::write(Writer& to) const {
  to.uint(first_number);
  write_list(to, turns);
}

void Settle::read(Cursor& at) {
  first_number = at.uint("first_number");
  read_list(at, "turns", limits::turns_per_settle_max, turns);
  // The short form makes many commits of a few bytes, so they are counted, not the turns.
  std::uint64_t commits = 0;
  for (const Turn& turn : turns) {
    if (turn.run == 0) at.fail(ErrorCode::malformed, "a turn's run is 0");
    if (turn.run > limits::turns_per_settle_max - commits) {
      return at.fail(ErrorCode::too_large, "a settle has more than turns_per_settle_max (" +
                                               std::to_string(limits::turns_per_settle_max) + ") commits");
    }
    commits += turn.run;
  }
}

void Extend::write(Writer& to) const {
  to.uint(member);
  write_id(to, delivery);
}

void Extend::read(Cursor& at) {
  member = at.uint("member");
  delivery = read_id(at);
}

void Detach::write(Writer& to) const { to.uint(member); }

void Detach::read(Cursor& at) { member = at.uint("member"); }

void Detached::write(Writer& to) const { to.uint(answers).uint(member); }

void Detached::read(Cursor& at) {
  answers = at.uint("answers");
  member = at.uint("member");
}

void Lost::Range::write(Writer& to) const { to.array(2).uint(offset).uint(count); }

void Lost::Range::read(Cursor& at) {
  const std::uint32_t extra = open_fields(at, "range", 2);
  offset = at.uint("offset");
  count = at.uint("count");
  check_range(at, {0, 0, 0, offset}, count);
  close_fields(at, extra);
}

void Lost::write(Writer& to) const {
  to.uint(member);
  write_list(to, ranges);
  to.str(reason);
}

void Lost::read(Cursor& at) {
  member = at.uint("member");
  read_list(at, "ranges", limits::lost_ranges_max, ranges);
  reason = at.str("reason");
}

}  // namespace spindle::wire
