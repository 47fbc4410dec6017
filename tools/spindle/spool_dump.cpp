#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "spindle/spool/log_end.hpp"
#include "spindle/spool/scan.hpp"
#include "spindle/wire/packet.hpp"
#include "spindle/wire/topic.hpp"
#include "spindle/wire/values.hpp"
#include "tools/spindle/event_line.hpp"
#include "tools/spindle/msgpack_to_json.hpp"
#include "tools/spindle/report.hpp"
#include "tools/spindle/spool.hpp"

namespace spindle::cli {
namespace {

constexpr const char* footer =
    "Prints every event that is stored, as `spindle sub` does: a JSON object a line. The records in between "
    "(groups,\n"
    "settled deliveries, sources) are lines that begin with #, or objects with \"record\" when --json is given; "
    "with\n"
    "--topic they are left out. Damage is said on standard error and passed over.\n"
    "\n"
    "Examples:\n"
    "  spindle spool dump /var/lib/spindle --topic 'orders.>' | jq .data\n"
    "  spindle spool dump /var/lib/spindle --from 48123 --json\n"
    "\n"
    "Exit codes: 0 all was printed, 1 something is damaged or cannot be read, or nobody reads any more.";

/// What is collected before it is written.
constexpr std::size_t output_bytes = 64 * 1024;
/// A record's values are shown up to here.
constexpr std::size_t shown_bytes_max = 4 * 1024;

struct Options {
  std::string directory;
  std::uint64_t from = 0;
  std::string topic;
  bool json = false;
};

std::string name_of(spool::Kind kind) {
  switch (kind) {
    case spool::Kind::events: return "events";
    case spool::Kind::outcome: return "outcome";
    case spool::Kind::settle: return "settle";
    case spool::Kind::group: return "group";
    case spool::Kind::source: return "source";
    case spool::Kind::link: return "link";
    case spool::Kind::state: return "state";
    case spool::Kind::seal: return "seal";
    case spool::Kind::index: return "index";
  }
  return "kind " + std::to_string(static_cast<int>(kind));
}

class Dump {
 public:
  explicit Dump(const Options& options) : options_(options) {
    if (!options.topic.empty()) pattern_ = *wire::Pattern::parse(options.topic);
  }

  /// Errors: what ends it. Damage does not.
  Result<void> run();
  bool damaged() const { return damaged_; }

 private:
  Result<void> dump_segment(spool::Segment segment, bool newest);
  Result<void> skip(spool::SegmentScan& scan, const spool::Segment& segment, std::uint64_t expected);
  void dump_record(const spool::Record& record, const spool::Segment& segment, std::uint64_t position);
  void dump_events(const spool::Record& record, const spool::Segment& segment, std::uint64_t position);
  void dump_other(const spool::Record& record, const spool::Segment& segment, std::uint64_t position);
  Bytes values_of(BytesView body);
  void tell(const spool::Damage& damage);
  Result<void> flush(std::size_t from_bytes);

  const Options& options_;
  std::optional<wire::Pattern> pattern_;
  wire::Values values_;
  Bytes out_;
  bool damaged_ = false;
};

Result<void> Dump::run() {
  auto chain = open_chain(options_.directory);
  if (!chain) return fail(chain.error());
  for (const spool::Damage& damage : chain->damages) tell(damage);
  for (const spool::Segment& segment : chain->segments) {
    const bool newest = &segment == &chain->segments.back();
    if (is_gap(*chain, segment)) continue;  // told already
    if (segment.header.lost) {
      tell({segment.name(), 0, segment.header.first_offset, segment.next_offset,
            "it was lost, and the loss was accepted"});
      continue;
    }
    if (!newest && segment.next_offset < options_.from) continue;
    auto done = dump_segment(segment, newest);
    if (!done && !was_trimmed(done.error())) return done;
  }
  return flush(0);
}

Result<void> Dump::dump_segment(spool::Segment segment, bool newest) {
  auto file = posix_files().open(options_.directory + "/" + segment.name(), OpenMode::read);
  if (!file) return fail(file.error());
  if (newest) {
    auto end = spool::find_log_end_beside_writer(**file, segment.header);
    if (!end) return fail(end.error());
    segment.end = end->position;
    segment.next_offset = end->next_offset;
    if (end->damage) {  // what is behind it can be read all the same
      auto extent = spool::find_extent(**file, segment.header, segment.header.head_end);
      if (!extent) return fail(extent.error());
      segment.end = extent->end;
      segment.next_offset = extent->next_offset;
    }
  }
  auto size = (*file)->size();
  if (!size) return fail(size.error());
  spool::SegmentScan scan(**file, segment.header, segment.header.head_end, std::min(segment.end, *size));
  std::uint64_t expected = segment.header.first_offset;
  while (scan.position() < segment.end) {
    const std::uint64_t at = scan.position();
    auto record = scan.next();
    if (!record) return fail(record.error());
    if (!*record) {
      if (at >= *size) break;  // cut off: the chain told
      if (auto done = skip(scan, segment, expected); !done) return done;
      if (scan.position() == at) break;
      continue;
    }
    expected = (*record)->next_offset();
    dump_record(**record, segment, at);
    if (auto done = flush(output_bytes); !done) return done;
  }
  return {};
}

/// Goes on behind damage, when something follows.
Result<void> Dump::skip(spool::SegmentScan& scan, const spool::Segment& segment, std::uint64_t expected) {
  const std::uint64_t at = scan.position();
  auto behind = scan.find_behind(false);
  if (!behind) return fail(behind.error());
  tell({segment.name(), at, expected, *behind ? (*behind)->offset : segment.next_offset, "it is damaged"});
  auto more = scan.skip_damage();
  return more ? Result<void>() : fail(more.error());
}

void Dump::dump_record(const spool::Record& record, const spool::Segment& segment, std::uint64_t position) {
  if (record.next_offset() < options_.from || (record.count > 0 && record.next_offset() == options_.from)) return;
  if (record.kind == spool::Kind::events) {
    if (!pattern_ || pattern_->matches(record.topic)) dump_events(record, segment, position);
  } else if (!pattern_) {
    dump_other(record, segment, position);
  }
}

void Dump::dump_events(const spool::Record& record, const spool::Segment& segment, std::uint64_t position) {
  auto packet = wire::Packet::parse(record.body, values_);
  if (!packet) {
    tell({segment.name(), position, record.offset, record.next_offset(),
          "its packet is none: " + packet.error().text});
    return;
  }
  PacketLines lines(record.topic, *packet, DeliveredAs{.first_offset = record.offset, .attempt = std::nullopt});
  const auto events = packet->events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (record.offset + i < options_.from) continue;
    auto added = lines.append(out_, i, events[i]);
    if (!added) {
      tell({segment.name(), position, record.offset + i, record.offset + i + 1,
            "the event is not msgpack: " + added.error().text});
    }
  }
}

void Dump::dump_other(const spool::Record& record, const spool::Segment& segment, std::uint64_t position) {
  const std::string name = name_of(record.kind);
  if (options_.json) {
    out_ += "{\"record\":";
    append_json_string(out_, name);
    out_ += ",\"offset\":" + std::to_string(record.offset) + ",\"time\":\"";
    append_time(out_, record.time_ns);
    out_ += "\",\"segment\":";
    append_json_string(out_, segment.name());
    out_ += ",\"position\":" + std::to_string(position) + ",\"bytes\":" + std::to_string(record.body.size()) +
            ",\"values\":[" + values_of(record.body) + "]}\n";
    return;
  }
  out_ += "# " + name + " at offset " + std::to_string(record.offset) + ", ";
  append_time(out_, record.time_ns);
  out_ += ": " + values_of(record.body) + "\n";
}

/// The msgpack values of a body with commas between; those that do not fit are left out.
Bytes Dump::values_of(BytesView body) {
  Bytes shown;
  MsgpackToJson to_json;
  for (std::size_t at = 0; at < body.size() && shown.size() < shown_bytes_max;) {
    const std::size_t begin = at;
    if (!wire::skip_value(body, at)) break;
    if (!shown.empty()) shown += ',';
    if (!to_json.append(shown, body.substr(begin, at - begin))) shown += "null";
  }
  return shown;
}

void Dump::tell(const spool::Damage& damage) {
  damaged_ = true;
  (void)flush(0);  // in order with what stands around it, where both go to a terminal
  report(damage.text());
}

Result<void> Dump::flush(std::size_t from_bytes) {
  if (out_.size() <= from_bytes) return {};
  auto printed = print(out_);
  out_.clear();
  return printed;
}

int run(const Options& options) {
  Dump dump(options);
  if (auto done = dump.run(); !done) {
    const bool reader_left = done.error().code == ErrorCode::closed;  // as head does: it has seen enough
    return reader_left ? exit_failure : failed(done.error());
  }
  return dump.damaged() ? exit_failure : exit_ok;
}

}  // namespace

void add_spool_dump(CLI::App& spool, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App& dump = *spool.add_subcommand("dump", "Print the events that are stored");
  dump.footer(footer);
  add_spool_directory(dump, options->directory);
  dump.add_option("--from", options->from, "Begin at this offset")->type_name("N");
  dump.add_option("--topic", options->topic, "Only events on these topics, as orders.* or orders.>")
      ->type_name("PATTERN")
      ->check([](const std::string& text) {
        auto pattern = wire::Pattern::parse(text);
        return pattern ? std::string() : pattern.error().text;
      });
  dump.add_flag("--json", options->json, "The other records as JSON objects too");
  dump.callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace spindle::cli
