#include "proxy/group_log.hpp"

#include <algorithm>

#include "proxy/text.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::proxy {
namespace {

constexpr std::size_t patterns_said_max = 5;
constexpr std::size_t text_bytes_max = 500;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string name_of(const MemberKey& member) { return "member " + number(member.number) + " of " + member.source; }

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  std::string all;
  for (const std::string& part : parts) all.append(all.empty() ? "" : between).append(part);
  return all;
}

/// What stands behind a line that is said of one of `count`.
std::string others(std::uint64_t count, std::string_view what) {
  return count < 2 ? "" : "; " + number(count - 1) + " other " + std::string(what) + " since the last such line";
}

void say(const std::string& line) { log::info(one_line(line, text_bytes_max)); }

}  // namespace

void GroupLog::made(const Group& group, std::uint64_t start, const MemberKey& by) const {
  std::vector<std::string> patterns;
  for (const wire::Pattern& pattern : group.patterns()) {
    if (patterns.size() == patterns_said_max) break;
    patterns.push_back(std::string(pattern.text()));
  }
  const std::size_t more = group.patterns().size() - patterns.size();
  say("group " + group.name() + " is made by " + name_of(by) + ": it begins at offset " + number(start) +
      ", patterns " + joined(patterns, " ") + (more > 0 ? " and " + number(more) + " others" : ""));
}

void GroupLog::changed(std::string_view verb, std::string_view who, BytesView answer) const {
  wire::Values values;
  if (!values.read_whole(answer)) return;
  wire::Cursor at(values);
  bool dry_run = false;
  std::string group;
  std::vector<std::string> changes;
  for (std::uint32_t i = 0, keys = at.map("answer"); i < keys && at.ok(); ++i) {
    const std::string_view key = at.str("key");
    if (key == "group") {
      group = at.str(key);
    } else if (key == "dry_run") {
      dry_run = at.boolean(key);
    } else if (key == "changes") {
      for (std::uint32_t k = 0, lines = at.array(key); k < lines && at.ok(); ++k) changes.emplace_back(at.str(key));
    } else {
      at.skip();
    }
  }
  if (!at.ok() || dry_run || changes.empty()) return;
  say("group " + group + ": " + std::string(verb) + " by " + std::string(who) + ": " + joined(changes, "; "));
}

void GroupLog::changed(const Group& group, const std::vector<std::string>& changes, const MemberKey& by) const {
  if (changes.empty()) return;
  say("group " + group.name() + ": options changed by " + name_of(by) + ": " + joined(changes, "; "));
}

void GroupLog::member_lost(const Group& group, const MemberKey& member, std::uint64_t held) const {
  say("group " + group.name() + " lost " + name_of(member) + ", which said no goodbye; " + number(held) +
      " deliveries that it held go to others");
}

void GroupLog::member_missing(const Group& group, const MemberKey& member) const {
  say("group " + group.name() + " waits no longer for " + name_of(member) +
      ", which did not come back since the proxy started; what it held goes to others");
}

void GroupLog::deadlines(const Group& group, const std::vector<GroupEffect>& effects, Now now) {
  for (const GroupEffect& effect : effects) deadlines_.add(effect.range.size());
  if (effects.empty()) return;
  if (const auto count = deadlines_.due(now.instant)) {
    const GroupEffect& last = effects.back();
    say("group " + group.name() + ": the ack deadline (" + number(group.settings().ack_deadline_ms) +
        " ms) of the event at offset " + number(last.range.end - 1) + " passed, attempt " + number(last.attempts) +
        (last.what == GroupEffect::What::bury ? ", the last one" : "") + others(count, "deadlines passed"));
  }
}

void GroupLog::dead(const Group& group, const Burial& burial, std::string_view topic, Now now) {
  dead_.add();
  if (const auto count = dead_.due(now.instant)) {
    say("group " + group.name() + " has a new dead letter: the event at offset " + number(burial.offset) +
        " of topic " + std::string(topic) + ", attempts " + number(burial.attempts) + ", reason: " + burial.reason +
        others(count, "dead letters"));
  }
}

void GroupLog::say_rest(Now now) {
  if (const auto count = deadlines_.due(now.instant)) {
    say("the ack deadlines of " + number(count) + " other deliveries passed since the last such line");
  }
  if (const auto count = dead_.due(now.instant)) {
    say(number(count) + " other dead letters were made since the last such line");
  }
}

}  // namespace spindle::proxy
