#pragma once

#include <map>
#include <string>

#include "test_client.hpp"

namespace spindle::proxy {

/// One msgpack value as text that looks like JSON; `at` moves behind it.
inline std::string text_of(const std::vector<wire::Value>& values, std::size_t& at) {
  const wire::Value& value = values.at(at++);
  switch (value.type) {
    case wire::ValueType::nil: return "nil";
    case wire::ValueType::boolean: return value.uint != 0 ? "true" : "false";
    case wire::ValueType::uint: return std::to_string(value.uint);
    case wire::ValueType::sint: return std::to_string(value.sint);
    case wire::ValueType::str: return std::string(value.view());
    case wire::ValueType::array:
    case wire::ValueType::map: break;
    default: return "?";
  }
  const bool is_map = value.type == wire::ValueType::map;
  std::string text = is_map ? "{" : "[";
  for (std::uint32_t i = 0; i < value.size; ++i) {
    if (i > 0) text += ", ";
    if (is_map) text += text_of(values, at) + ": ";
    text += text_of(values, at);
  }
  return text + (is_map ? "}" : "]");
}

/// The keys of a map and their values, as text.
using Figures = std::map<std::string, std::string>;

inline Figures read_figures(const std::vector<wire::Value>& values, std::size_t& at) {
  REQUIRE(values.at(at).type == wire::ValueType::map);
  const std::uint32_t pairs = values[at++].size;
  Figures figures;
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const std::string key = text_of(values, at);
    figures[key] = text_of(values, at);
  }
  return figures;
}

/// Somebody who looks after groups.
class AdminClient {
 public:
  explicit AdminClient(BrokerDriver& driver) : client(driver, "") { client.hello(); }

  /// The arguments of a verb, with one more.
  template <class Write>
  static Bytes arguments(const std::string& name, Write write, bool dry_run = false) {
    Bytes out;
    wire::Writer to(out);
    to.map(dry_run ? 2 : 1);
    if (dry_run) to.str("dry_run").boolean(true);
    to.str(name);
    write(to);
    return out;
  }
  static Bytes dry_run() {
    return arguments("dry_run", [](wire::Writer& to) { to.boolean(true); });
  }

  /// A verb that is done: its reply's keys.
  Figures ask(const std::string& verb, const std::string& group, Bytes arguments = {}) {
    client.send(wire::Admin{verb, group, std::move(arguments)});
    auto reply = client.take<wire::AdminReply>();
    if (!reply) FAIL(verb << ": " << client.error());
    wire::Values values;
    REQUIRE(values.read_whole(reply->body));
    std::size_t at = 0;
    return read_figures(values.all(), at);
  }
  /// A verb that is refused: why.
  wire::ErrorMessage refused(const std::string& verb, const std::string& group, Bytes arguments = {}) {
    client.send(wire::Admin{verb, group, std::move(arguments)});
    auto error = client.take<wire::ErrorMessage>();
    REQUIRE(error);
    return *error;
  }
  Figures seek(const std::string& group, std::uint64_t offset, bool dry_run = false) {
    return ask("group.seek", group,
               arguments(
                   "to", [&](wire::Writer& to) { to.uint(offset); }, dry_run));
  }
  Figures alter(const std::string& group, const wire::GroupOptions& options, bool dry_run = false) {
    return ask("group.alter", group,
               arguments(
                   "options", [&](wire::Writer& to) { options.write(to); }, dry_run));
  }
  static Bytes dropping(const std::string& pattern, bool dry_run = false) {
    return arguments(
        "drop_pattern", [&](wire::Writer& to) { to.str(pattern); }, dry_run);
  }

  std::vector<Figures> groups(const std::string& only = "", Bytes arguments = {}) {
    client.send(wire::Admin{"groups", only, std::move(arguments)});
    auto reply = client.take<wire::AdminReply>();
    REQUIRE(reply);
    wire::Values values;
    REQUIRE(values.read_whole(reply->body));
    std::vector<Figures> all(values.all().at(0).size);
    std::size_t at = 1;
    for (Figures& group : all) group = read_figures(values.all(), at);
    return all;
  }
  Figures group(const std::string& name) {
    auto all = groups(name);
    REQUIRE(all.size() == 1);
    return all[0];
  }

  TestClient client;
};

}  // namespace spindle::proxy
