#include "tools/spindle/event_line.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <vector>

namespace spindle::cli {
namespace {

/// The event's own attributes, then the packet's that it does not have itself; a JSON object.
Result<void> append_attributes(Bytes& out, BytesView own, BytesView shared, MsgpackToJson& to_json) {
  std::vector<std::string_view> names;
  out += '{';
  for (BytesView map : {own, shared}) {
    if (map.empty()) continue;
    std::size_t at = 0;
    const std::uint32_t pairs = wire::map_head(map, at).value_or(0);
    for (std::uint32_t i = 0; i < pairs; ++i) {
      const auto name = wire::str_at(map, at);
      const std::size_t value_at = at;
      if (!name || !wire::skip_value(map, at)) return fail(ErrorCode::malformed, "the attributes are not a map");
      if (std::find(names.begin(), names.end(), *name) != names.end()) continue;
      if (!names.empty()) out += ',';
      names.push_back(*name);
      append_json_string(out, *name);
      out += ':';
      if (auto done = to_json.append(out, map.substr(value_at, at - value_at)); !done) return done;
    }
  }
  out += '}';
  return {};
}

}  // namespace

void append_time(Bytes& out, WallNs time) {
  constexpr WallNs second = 1'000'000'000;
  WallNs whole = time / second;
  WallNs rest = time % second;
  if (rest < 0) {
    rest += second;
    --whole;
  }
  const std::time_t calendar_time = whole;
  std::tm utc{};
  ::gmtime_r(&calendar_time, &utc);
  char text[64];
  const int size =
      std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ", utc.tm_year + 1900, utc.tm_mon + 1,
                    utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, static_cast<int>(rest));
  out.append(text, static_cast<std::size_t>(size));
}

PacketLines::PacketLines(std::string_view topic, const wire::Packet& packet, std::optional<DeliveredAs> delivered)
    : header_(packet.header()), delivered_(delivered) {
  begin_ = "{\"topic\":";
  append_json_string(begin_, topic);
  begin_ += ",\"source\":";
  append_json_string(begin_, header_.source);
  begin_ += ",\"epoch\":";
  append_json_number(begin_, header_.epoch);
  begin_ += ",\"sequence\":";
  append_json_number(begin_, header_.sequence);
  begin_ += ",\"id\":";
  // Nothing in an id needs escaping; its number and the quote come per event.
  append_json_string(begin_, wire::event_id(header_.source, header_.epoch, topic, header_.event_class, 0));
  begin_.resize(begin_.size() - 2);

  middle_ = ",\"attempt\":";
  const bool attempted = delivered_ && delivered_->attempt;
  attempted ? append_json_number(middle_, *delivered_->attempt) : (void)(middle_ += "null");
  middle_ += ",\"time\":\"";
  append_time(middle_, header_.time_ns);
  middle_ += "\",\"attributes\":";
}

Result<void> PacketLines::append(Bytes& out, std::uint64_t index, const wire::PacketEvent& event) {
  const std::size_t before = out.size();
  out += begin_;
  append_json_number(out, header_.topic_count + index);
  out += "\",\"offset\":";
  delivered_ ? append_json_number(out, delivered_->first_offset + index) : (void)(out += "null");
  out += middle_;
  auto done = append_attributes(out, event.attributes, header_.attributes, to_json_);
  if (done) {
    out += ",\"data\":";
    done = to_json_.append(out, event.data);
  }
  if (!done) {
    out.resize(before);
    return done;
  }
  out += "}\n";
  return {};
}

Result<void> append_line(Bytes& out, const wire::CloudEvent& event) {
  const std::size_t before = out.size();
  MsgpackToJson to_json;
  out += "{\"topic\":";
  append_json_string(out, event.type);
  out += ",\"source\":";
  append_json_string(out, event.source);
  out += ",\"epoch\":null,\"sequence\":null,\"id\":";
  append_json_string(out, event.id);
  out += ",\"offset\":null,\"attempt\":null,\"time\":";
  const auto time = std::find_if(event.attributes.begin(), event.attributes.end(),
                                 [](const auto& attribute) { return attribute.name == "time"; });
  auto done = to_json.append(out, time == event.attributes.end() ? BytesView("\xc0", 1) : time->value);
  if (done) {
    out += ",\"attributes\":";
    done = append_attributes(out, wire::attribute_map(event.attributes), {}, to_json);
  }
  if (done) {
    out += ",\"data\":";
    done = to_json.append(out, event.data.empty() ? BytesView("\xc0", 1) : event.data);
  }
  if (!done) {
    out.resize(before);
    return done;
  }
  out += "}\n";
  return {};
}

}  // namespace spindle::cli
