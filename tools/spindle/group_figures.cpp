#include "tools/spindle/group_figures.hpp"

#include <string_view>

#include "spindle/wire/values.hpp"

namespace spindle::cli {
namespace {

/// Reads a map; `field` is given each key and steps over the value, or says that it does not know it.
template <class Field>
void read_map(wire::Cursor& at, std::string_view what, Field field) {
  const std::uint32_t pairs = at.map(what);
  for (std::uint32_t i = 0; i < pairs && at.ok(); ++i) {
    if (!field(at.str("key"))) at.skip();
  }
}

template <class One>
void read_array(wire::Cursor& at, std::string_view what, One one) {
  const std::uint32_t count = at.array(what);
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) one();
}

bool read_oldest(GroupFigures::Oldest& oldest, std::string_view key, wire::Cursor& at) {
  if (key != "oldest_ms" && key != "oldest_attempt" && key != "oldest_offset") return false;
  if (at.nil()) return true;
  const std::uint64_t value = at.uint(key);
  if (key == "oldest_ms") oldest.ms = value;
  if (key == "oldest_attempt") oldest.attempt = value;
  if (key == "oldest_offset") oldest.offset = value;
  return true;
}

bool read_optional(std::optional<std::uint64_t>& number, std::string_view key, wire::Cursor& at) {
  if (!at.nil()) number = at.uint(key);
  return true;
}

/// The keys that are numbers and nothing else.
bool read_number(GroupFigures& group, std::string_view key, wire::Cursor& at) {
  static constexpr std::pair<std::string_view, std::uint64_t GroupFigures::*> numbers[] = {
      {"id", &GroupFigures::id},
      {"member_count", &GroupFigures::member_count},
      {"unhandled_topics", &GroupFigures::unhandled_topics},
      {"unhandled_events", &GroupFigures::unhandled_events},
      {"generation", &GroupFigures::generation},
      {"lag", &GroupFigures::lag},
      {"pending", &GroupFigures::pending},
      {"redelivered", &GroupFigures::redelivered},
      {"retrying", &GroupFigures::retrying},
      {"held_back", &GroupFigures::held_back},
      {"dead", &GroupFigures::dead},
      {"letters", &GroupFigures::letters},
      {"position", &GroupFigures::position},
      {"floor", &GroupFigures::floor},
      {"end", &GroupFigures::end},
      {"lost", &GroupFigures::lost},
      {"keeps_from", &GroupFigures::keeps_from},
      {"keeps_bytes", &GroupFigures::keeps_bytes}};
  for (const auto& [name, field] : numbers) {
    if (key != name) continue;
    group.*field = at.uint(key);
    return true;
  }
  return false;
}

void read_member(GroupFigures::Member& member, wire::Cursor& at) {
  read_map(at, "member", [&](std::string_view key) {
    if (key == "source") return member.source = at.str(key), true;
    if (key == "member") return member.number = at.uint(key), true;
    if (key == "pending") return member.pending = at.uint(key), true;
    if (key == "suspended") return member.suspended = at.boolean(key), true;
    if (key == "silent_ms") return read_optional(member.silent_ms, key, at);
    return read_oldest(member.oldest, key, at);
  });
}

void read_by_pattern(GroupFigures::ByPattern& of, wire::Cursor& at) {
  read_map(at, "pattern", [&](std::string_view key) {
    if (key == "pattern") return of.pattern = at.str(key), true;
    if (key == "pending") return of.pending = at.uint(key), true;
    if (key == "unhandled") return of.unhandled = at.uint(key), true;
    if (key == "lag") return of.lag = at.uint(key), true;
    return false;
  });
}

void read_topic(std::pair<std::string, std::uint64_t>& topic, wire::Cursor& at) {
  read_map(at, "topic", [&](std::string_view key) {
    if (key == "topic") return topic.first = at.str(key), true;
    if (key == "events") return topic.second = at.uint(key), true;
    return false;
  });
}

void read_failed(GroupFigures::Failed& failed, wire::Cursor& at) {
  read_map(at, "failed event", [&](std::string_view key) {
    if (key == "offset") return failed.offset = at.uint(key), true;
    if (key == "attempts") return failed.attempts = at.uint(key), true;
    if (key == "reason") return failed.reason = at.str(key), true;
    if (key == "retry_in_ms") return read_optional(failed.retry_in_ms, key, at);
    return false;
  });
}

void read_loss(GroupFigures::Loss& loss, wire::Cursor& at) {
  read_map(at, "loss", [&](std::string_view key) {
    if (key == "from") return loss.from = at.uint(key), true;
    if (key == "to") return loss.to = at.uint(key), true;
    if (key == "reason") return loss.reason = at.str(key), true;
    return false;
  });
}

bool read_list(GroupFigures& group, std::string_view key, wire::Cursor& at) {
  if (key == "patterns") {
    read_array(at, key, [&] { group.patterns.emplace_back(at.str("pattern")); });
  } else if (key == "by_pattern") {
    read_array(at, key, [&] { read_by_pattern(group.by_pattern.emplace_back(), at); });
  } else if (key == "members") {
    read_array(at, key, [&] { read_member(group.members.emplace_back(), at); });
  } else if (key == "unhandled") {
    read_array(at, key, [&] { read_topic(group.unhandled.emplace_back(), at); });
  } else if (key == "failed") {
    read_array(at, key, [&] { read_failed(group.failed.emplace_back(), at); });
  } else if (key == "losses") {
    read_array(at, key, [&] { read_loss(group.losses.emplace_back(), at); });
  } else if (key == "options") {
    read_map(at, key, [&](std::string_view option) {
      group.options.emplace_back(option, at.uint(option));
      return true;
    });
  } else {
    return false;
  }
  return true;
}

bool read_field(GroupFigures& group, std::string_view key, wire::Cursor& at) {
  if (key == "name") return group.name = at.str(key), true;
  if (key == "paused") return group.paused = at.boolean(key), true;
  if (key == "keeps_oldest" || key == "stalled") {
    std::string& text = key == "stalled" ? group.stalled : group.keeps_oldest;
    if (!at.nil()) text = at.str(key);
    return true;
  }
  return read_number(group, key, at) || read_oldest(group.oldest, key, at) || read_list(group, key, at);
}

}  // namespace

Result<std::vector<GroupFigures>> read_groups(BytesView body) {
  wire::Values values;
  if (auto read = values.read_whole(body); !read) return fail(read.error());
  wire::Cursor at(values);
  std::vector<GroupFigures> groups;
  read_array(at, "groups", [&] {
    GroupFigures& group = groups.emplace_back();
    read_map(at, "group", [&](std::string_view key) { return read_field(group, key, at); });
    if (group.member_count == 0) group.member_count = group.members.size();  // as older proxies have it
  });
  if (!at.ok()) return fail(at.error());
  return groups;
}

}  // namespace spindle::cli
