#include "proxy/log_records.hpp"

#include "spindle/wire/writer.hpp"

namespace spindle::proxy {
namespace {

void write_effects(wire::Writer& to, const std::vector<GroupEffect>& effects) {
  to.array(effects.size());
  for (const GroupEffect& effect : effects) effect.write(to);
}

void read_effects(wire::Cursor& at, std::vector<GroupEffect>& effects) {
  const std::uint32_t count = at.array("effects");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) effects.emplace_back().read(at);
}

/// Reads a whole body with `read`; what goes wrong is damage that no checksum saw, or a newer writer.
template <class R, class Read>
Result<R> decode_body(BytesView body, wire::Values& values, Read read) {
  if (auto parsed = values.read_whole(body); !parsed) return fail(ErrorCode::corrupt, parsed.error().text);
  wire::Cursor at(values);
  R record;
  at.array("record");
  read(at, record);
  if (!at.ok()) return fail(ErrorCode::corrupt, at.error().text);
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
  to.array(3).str(source).array(outcomes.size());
  for (const wire::Outcome& outcome : outcomes) outcome.write(to);
  write_effects(to, effects);
  return out;
}

Result<SettleRecord> SettleRecord::decode(BytesView body, wire::Values& values) {
  return decode_body<SettleRecord>(body, values, [](wire::Cursor& at, SettleRecord& record) {
    record.source = at.str("source");
    const std::uint32_t outcomes = at.array("outcomes");
    for (std::uint32_t i = 0; i < outcomes && at.ok(); ++i) record.outcomes.emplace_back().read(at);
    read_effects(at, record.effects);
  });
}

Bytes GroupRecord::encode() const {
  Bytes out;
  wire::Writer to(out);
  to.array(3).uint(static_cast<std::uint64_t>(what)).uint(group);
  switch (what) {
    case What::create: to.raw(value); break;
    case What::pattern: to.str(pattern); break;
    case What::joined:
    case What::left: to.array(2).str(member.source).uint(member.number); break;
    case What::effects: write_effects(to, effects); break;
  }
  return out;
}

Result<GroupRecord> GroupRecord::decode(BytesView body, wire::Values& values) {
  return decode_body<GroupRecord>(body, values, [&](wire::Cursor& at, GroupRecord& record) {
    const std::uint64_t word = at.uint("what");
    if (word > 4) return at.fail(ErrorCode::corrupt, "a group record is unknown");
    record.what = static_cast<What>(word);
    record.group = at.uint("group");
    switch (record.what) {
      case What::create: {
        std::size_t begin = 0;  // the value is the array's last element: what is left after the two before it
        wire::array_head(body, begin);
        (void)wire::skip_value(body, begin);
        (void)wire::skip_value(body, begin);
        record.value = body.substr(begin);
        break;
      }
      case What::pattern: record.pattern = at.str("pattern"); break;
      case What::joined:
      case What::left:
        at.array("member");
        record.member.source = at.str("source");
        record.member.number = at.uint("member number");
        break;
      case What::effects: read_effects(at, record.effects); break;
    }
  });
}

}  // namespace spindle::proxy
