#include "proxy/log_records.hpp"

#include "proxy/value_stream.hpp"
#include "spindle/wire/writer.hpp"

namespace spindle::proxy {
namespace {

template <class T>
void write_all(wire::Writer& to, const std::vector<T>& list) {
  for (const T& one : list) one.write(to);
}

template <class T>
Result<void> read_all(ValueStream& from, std::uint64_t count, std::vector<T>& into) {
  Result<void> done;
  for (std::uint64_t i = 0; done && i < count; ++i) {
    done = from.next([&](wire::Cursor& at) { into.emplace_back().read(at); });
  }
  return done;
}

/// Reads a body that is one value.
template <class R, class Read>
Result<R> decode_body(BytesView body, wire::Values& values, Read read) {
  R record;
  auto done = ValueStream(body, values).next([&](wire::Cursor& at) {
    at.array("record");
    read(at, record);
  });
  if (!done) return fail(std::move(done.error()));
  return record;
}

}  // namespace

Bytes SourceRecord::encode() const {
  Bytes out;
  wire::Writer(out).array(3).str(source).uint(epoch).boolean(forget);
  return out;
}

Result<SourceRecord> SourceRecord::decode(BytesView body, wire::Values& values) {
  return decode_body<SourceRecord>(body, values, [](wire::Cursor& at, SourceRecord& record) {
    record.source = at.str("source");
    record.epoch = at.uint("epoch");
    record.forget = at.boolean("forget");
  });
}

Bytes OutcomeRecord::encode() const {
  Bytes out;
  wire::Writer to(out);
  to.array(2).str(source);
  outcome.write(to);
  return out;
}

Result<OutcomeRecord> OutcomeRecord::decode(BytesView body, wire::Values& values) {
  return decode_body<OutcomeRecord>(body, values, [](wire::Cursor& at, OutcomeRecord& record) {
    record.source = at.str("source");
    record.outcome.read(at);
  });
}

Bytes SettleRecord::encode() const {
  Bytes out;
  wire::Writer to(out);
  to.array(3).str(source).uint(outcomes.size()).uint(effects.size());
  write_all(to, outcomes);
  write_all(to, effects);
  return out;
}

Result<SettleRecord> SettleRecord::decode(BytesView body, wire::Values& values) {
  SettleRecord record;
  ValueStream from(body, values);
  std::uint64_t outcomes = 0;
  std::uint64_t effects = 0;
  auto done = from.next([&](wire::Cursor& at) {
    at.array("record");
    record.source = at.str("source");
    outcomes = at.uint("outcomes");
    effects = at.uint("effects");
  });
  if (done) done = read_all(from, outcomes, record.outcomes);
  if (done) done = read_all(from, effects, record.effects);
  if (!done) return fail(std::move(done.error()));
  return record;
}

Bytes GroupRecord::encode() const {
  Bytes out;
  wire::Writer to(out);
  to.array(3).uint(static_cast<std::uint64_t>(what)).uint(group);
  switch (what) {
    case What::create: to.nil().raw(value); break;
    case What::pattern:
    case What::drop_pattern: to.str(pattern); break;
    case What::joined: to.array(3).str(member.source).uint(member.number).uint(own_from); break;
    case What::left: to.array(2).str(member.source).uint(member.number); break;
    case What::effects:
      to.uint(effects.size());
      write_all(to, effects);
      break;
    case What::pause: to.boolean(paused); break;
    case What::seek: to.array(2).uint(position).uint(generation); break;
    case What::remove: to.str(reason); break;
    case What::alter: options.write(to); break;
  }
  return out;
}

Result<GroupRecord> GroupRecord::decode(BytesView body, wire::Values& values) {
  GroupRecord record;
  ValueStream from(body, values);
  std::uint64_t effects = 0;
  auto done = from.next([&](wire::Cursor& at) {
    at.array("record");
    const std::uint64_t word = at.uint("what");
    if (word > 9) return at.fail(ErrorCode::newer_format, "a group record is unknown: use the Spindle that wrote it");
    record.what = static_cast<What>(word);
    record.group = at.uint("group");
    switch (record.what) {
      case What::create: at.nil(); break;
      case What::pattern:
      case What::drop_pattern: record.pattern = at.str("pattern"); break;
      case What::joined:
      case What::left: {
        const std::uint32_t fields = at.array("member");
        record.member.source = at.str("source");
        record.member.number = at.uint("member number");
        if (fields > 2) record.own_from = at.uint("own from");
        break;
      }
      case What::effects: effects = at.uint("effects"); break;
      case What::pause: record.paused = at.boolean("paused"); break;
      case What::seek:
        at.array("seek");
        record.position = at.uint("position");
        record.generation = at.uint("generation");
        break;
      case What::remove: record.reason = at.str("reason"); break;
      case What::alter: record.options.read(at); break;
    }
  });
  if (done && record.what == What::create) record.value = from.rest();
  if (done) done = read_all(from, effects, record.effects);
  if (!done) return fail(std::move(done.error()));
  return record;
}

}  // namespace spindle::proxy
