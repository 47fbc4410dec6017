// The verbs that change a group: what would change is told first, and done unless it is only asked for.
#include <algorithm>

#include "proxy/broker_state.hpp"
#include "spindle/base/concat.hpp"
#include "spindle/base/duration.hpp"
#include "spindle/spool/reader.hpp"

namespace spindle::proxy {
namespace {

/// What the verbs take (PROTOCOL.md, "Administration").
struct Arguments {
  bool dry_run = false;
  /// seek: one of both.
  std::optional<wire::Start> to;
  std::optional<WallNs> time_ns;
  /// alter
  wire::GroupOptions options;
  std::optional<std::string> drop_pattern;
};

void read_argument(Arguments& arguments, std::string_view verb, std::string_view name, wire::Cursor& at) {
  if (name == "dry_run") {
    arguments.dry_run = at.boolean(name);
  } else if (verb == "group.seek" && name == "to") {
    arguments.to.emplace().read(at);
  } else if (verb == "group.seek" && name == "time_ns") {
    arguments.time_ns = at.sint(name);
  } else if (verb == "group.alter" && name == "options") {
    arguments.options.read(at);
  } else if (verb == "group.alter" && name == "drop_pattern") {
    arguments.drop_pattern = at.str(name);
  } else {
    at.fail(ErrorCode::unsupported,
            "verb " + std::string(verb) + " takes no argument '" + std::string(name.substr(0, 40)) + "'");
  }
}

Result<Arguments> read_arguments(const wire::Admin& admin) {
  Arguments arguments;
  if (admin.arguments.empty()) return arguments;
  wire::Values values;
  if (auto read = values.read_whole(admin.arguments); !read) return fail(read.error());
  wire::Cursor at(values);
  const std::uint32_t count = at.map("arguments");
  for (std::uint32_t i = 0; i < count && at.ok(); ++i) read_argument(arguments, admin.verb, at.str("argument"), at);
  if (!at.ok()) return fail(at.error());
  return arguments;
}

/// The reply of every verb: what changes, a line each for people; the verb's own keys follow.
class Reply {
 public:
  Reply(const Group& group, bool dry_run, std::size_t own_keys) : to_(body_), keys_(own_keys) {
    group_ = group.name();
    dry_run_ = dry_run;
  }
  void line(std::string text) { lines_.push_back(std::move(text)); }
  /// The verb's keys are written to what this returns.
  wire::Writer& write() {
    to_.map(3 + keys_).str("group").str(group_).str("dry_run").boolean(dry_run_);
    to_.str("changes").array(lines_.size());
    for (const std::string& line : lines_) to_.str(line);
    return to_;
  }
  Bytes take() { return std::move(body_); }

 private:
  Bytes body_;
  wire::Writer to_;
  std::size_t keys_;
  std::string group_;
  bool dry_run_;
  std::vector<std::string> lines_;
};

std::string number(std::uint64_t value) { return std::to_string(value); }
const char* are(std::uint64_t count) { return count == 1 ? "is" : "are"; }

std::string expiry_text(std::uint64_t ms) {
  return ms % 1'000 == 0 ? duration_text(std::chrono::milliseconds(ms)) : number(ms) + "ms";
}

/// Offsets from `first` to before `end`.
std::string kept_text(std::uint64_t first, std::uint64_t end) {
  return first == end ? "nothing is kept" : "kept are " + number(first) + " to " + number(end - 1);
}

}  // namespace

Result<Group*> BrokerState::group_to_change(const wire::Admin& admin) {
  if (!ledger_->has_log()) {
    return fail(ErrorCode::no_spool, "this proxy has no spool: start it with --spool DIR for groups");
  }
  Group* group = group_named(admin.subject);
  if (group == nullptr)
    return fail(ErrorCode::unknown_group,
                "there is no group " + admin.subject.substr(0, 64) + "; see: spindle groups");
  if (!ledger_->has_space(Tier::bare, 2 * small_record_bytes_max)) return fail(full_error(Tier::bare));
  return group;
}

Result<Bytes> BrokerState::admin_pause(const wire::Admin& admin, Now now) {
  auto arguments = read_arguments(admin);
  if (!arguments) return fail(arguments.error());
  auto found = group_to_change(admin);
  if (!found) return fail(found.error());
  Group& group = **found;
  const bool pause = admin.verb == "group.pause";
  Reply reply(group, arguments->dry_run, 1);
  if (group.paused() != pause) {
    const std::uint64_t out = group.pending();
    reply.line(pause ? "hands nothing out any more; " + plural(out, "event") + " that " + are(out) +
                           " out may be settled, and what is not settled is kept"
                     : "hands out again");
    if (!arguments->dry_run) {
      GroupRecord record;
      record.what = GroupRecord::What::pause;
      record.paused = pause;
      change_group(group, std::move(record), now);
    }
  }
  reply.write().str("paused").boolean(pause);
  return reply.take();
}

Result<Bytes> BrokerState::admin_delete(const wire::Admin& admin, Now now) {
  auto arguments = read_arguments(admin);
  if (!arguments) return fail(arguments.error());
  auto found = group_to_change(admin);
  if (!found) return fail(found.error());
  Group& group = **found;
  const std::uint64_t lag = group.lag(ledger_->next_offset());
  const std::uint64_t pending = group.pending();
  const std::uint64_t letters = group.letters();
  Reply reply(group, arguments->dry_run, 4);
  const bool idle = lag == 0 && pending == 0;
  reply.line(idle ? "deletes the group, for which nothing waits"
                  : "deletes the group, with up to " + plural(lag, "event") + " that it was not handed yet and " +
                        number(pending) + " that " + are(pending) + " out");
  if (group.member_count() > 0)
    reply.line("tells " + plural(group.member_count(), "member") + ", which then " +
               (group.member_count() == 1 ? "ends" : "end"));
  if (letters > 0) {
    reply.line("keeps " + plural(letters, "dead letter") + " on _spindle.dead." + group.name() +
               " only as long as other events");
  }
  auto& to = reply.write().str("members").uint(group.member_count()).str("lag").uint(lag);
  to.str("pending").uint(pending).str("letters").uint(letters);
  if (!arguments->dry_run) delete_group(group, "by an operator", now);
  return reply.take();
}

Result<Bytes> BrokerState::admin_seek(const wire::Admin& admin, Now now) {
  auto arguments = read_arguments(admin);
  if (!arguments) return fail(arguments.error());
  if (arguments->to.has_value() == arguments->time_ns.has_value()) {
    return fail(ErrorCode::invalid_argument, "a seek needs either 'to' (beginning, now or an offset) or 'time_ns'");
  }
  if (arguments->time_ns) {
    if (auto found = group_to_change(admin); !found) return fail(found.error());
    return fail(ErrorCode::too_many, "time_seeks_max (16) seeks of a time read the log already; ask again");
  }
  std::uint64_t asked = first_offset_;
  if (arguments->to->at == wire::Start::At::now) asked = ledger_->next_offset();
  if (arguments->to->at == wire::Start::At::offset) asked = arguments->to->offset;
  if (asked > ledger_->next_offset()) {  // a slip of the finger: it would skip everything
    return fail(ErrorCode::invalid_argument, "offset " + number(asked) + " is not stored yet, the next one is " +
                                                 number(ledger_->next_offset()) + "; 'now' goes there");
  }
  return seek(admin, asked, arguments->dry_run, now);
}

Result<Bytes> BrokerState::seek(const wire::Admin& admin, std::uint64_t asked, bool dry_run, Now now) {
  auto found = group_to_change(admin);
  if (!found) return fail(found.error());
  Group& group = **found;
  const std::uint64_t end = ledger_->next_offset();
  const std::uint64_t position = std::clamp(asked, first_offset_, end);
  const std::uint64_t floor = group.floor();
  Reply reply(group, dry_run, 4);
  reply.line("reads on at offset " + number(position) + " (" + kept_text(first_offset_, end) + "; everything below " +
             number(floor) + " was settled)");
  if (position != asked) {
    reply.line("offset " + number(asked) + " is not kept: the nearest is " + number(position));
  }
  const std::uint64_t unsettled = group.unsettled_below(position);
  if (unsettled > 0)
    reply.line("skips up to " + plural(unsettled, "event") + " that " + are(unsettled) + " not settled");
  const std::uint64_t again = group.settled_from(position, end);
  if (again > 0) reply.line("delivers again what it wants of " + plural(again, "event") + " that it was done with");
  if (group.pending() > 0)
    reply.line("takes " + plural(group.pending(), "event") + " back that " + are(group.pending()) + " out");
  if (group.retrying() > 0) reply.line("forgets the attempts of " + plural(group.retrying(), "failed event"));
  if (!dry_run) seek_group(group, position, now);
  auto& to = reply.write().str("position").uint(position).str("clamped").boolean(position != asked);
  to.str("floor").uint(floor).str("generation").uint(group.generation() + (dry_run ? 1 : 0));
  return reply.take();
}

Result<Bytes> BrokerState::admin_alter(const wire::Admin& admin, Now now) {
  auto arguments = read_arguments(admin);
  if (!arguments) return fail(arguments.error());
  auto found = group_to_change(admin);
  if (!found) return fail(found.error());
  Group& group = **found;
  auto settings = group.settings().altered(arguments->options);
  if (!settings) return fail(settings.error());
  const auto& dropped = arguments->drop_pattern;
  if (dropped) {
    if (auto may = may_drop(group, *dropped); !may) return fail(may.error());
  }
  const IntervalSet waiting = dropped ? group.waiting_only_for(*dropped) : IntervalSet();
  const std::uint64_t settles = waiting.total();
  const std::uint64_t bytes = 2 * small_record_bytes_max + waiting.intervals().size() * effect_bytes_max;
  if (!arguments->dry_run && !ledger_->has_space(Tier::bare, bytes)) return fail(full_error(Tier::bare));
  Reply reply(group, arguments->dry_run, 2);
  for (std::string& change : group.settings().changes(*settings)) reply.line(std::move(change));
  const bool expiry_changes = settings->expires_ms != group.settings().expires_ms && settings->expires_ms > 0;
  if (expiry_changes && group.logged_member_count() == 0) {
    reply.line("has no member: it is deleted when it had none for " + expiry_text(settings->expires_ms) +
               " of the proxy's running time, at once if it had none for so long already");
  }
  if (dropped) {
    reply.line("wants " + *dropped + " no more: settles " + plural(settles, "event") + " that " +
               (settles == 1 ? "waits" : "wait") + " for a member, and passes over what it has not read yet");
  }
  auto& to = reply.write().str("options");
  settings->options().write(to);
  to.str("settled").uint(settles);
  if (arguments->dry_run) return reply.take();
  if (*settings != group.settings()) alter_group(group, *settings, now);
  if (dropped) drop_group_pattern(group, *dropped, now);
  return reply.take();
}

Result<void> BrokerState::may_drop(const Group& group, const std::string& pattern) const {
  const auto& patterns = group.patterns();
  if (std::none_of(patterns.begin(), patterns.end(), [&](const auto& p) { return p.text() == pattern; })) {
    return fail(ErrorCode::not_found, "group " + group.name() + " has no pattern " + pattern.substr(0, 200));
  }
  if (const MemberKey* member = group.present_member_with(pattern)) {
    return fail(ErrorCode::invalid_argument, "member " + number(member->number) + " of " + member->source +
                                                 " handles " + pattern + ": stop it, or let it attach without");
  }
  if (patterns.size() == 1) {
    return fail(ErrorCode::invalid_argument, pattern + " is the group's only pattern: delete the group instead");
  }
  return {};
}

// Seeking a time: the offset stands in the log, which others read.

/// Whether the answer waits for the log to be read; errors are answered at once.
bool BrokerState::defer_seek(const Session& session, std::uint64_t answers, const wire::Admin& admin, Now now) {
  if (admin.verb != "group.seek") return false;
  auto arguments = read_arguments(admin);
  if (!arguments || !arguments->time_ns || arguments->to) return false;
  auto group = group_to_change(admin);
  if (!group || time_seeks_.size() >= time_seeks_max) return false;
  TimeSeek search{session.id,
                  answers,
                  admin,
                  (*group)->id(),
                  *arguments->time_ns,
                  arguments->dry_run,
                  ledger_->next_offset(),
                  ledger_->next_offset()};
  search.admin.arguments.clear();
  for (std::size_t i = 0; i < retention_.size(); ++i) {
    const bool newest = i + 1 == retention_.size();
    if (!newest && retention_[i].newest_ns < search.time_ns) continue;
    search.from = std::min(retention_[i].first_offset, search.end);
    break;
  }
  const bool at_end = search.from >= search.end;
  time_seeks_.emplace(++last_time_seek_, std::move(search));
  if (at_end) finish_search(last_time_seek_, ledger_->next_offset(), now);
  return true;
}

/// What is to be read, of what is durable.
void BrokerState::search_times(std::vector<ReadRequest>& reads) {
  for (auto& [id, search] : time_seeks_) {
    search.from = std::max(search.from, first_offset_);  // what was trimmed meanwhile
    if (search.from >= ledger_->durable_end()) continue;
    ReadRequest read;
    read.from_offset = search.from;
    read.bytes_max = read_bytes_max;
    read.time_seek = id;
    reads.push_back(std::move(read));
  }
}

/// A search may have nothing left to read when what it was to read is deleted.
void BrokerState::finish_searches(Now now) {
  std::vector<std::uint64_t> finished;
  for (const auto& [id, search] : time_seeks_) {
    if (std::max(search.from, first_offset_) >= search.end) finished.push_back(id);
  }
  for (std::uint64_t id : finished) finish_search(id, time_seeks_.at(id).end, now);
}

void BrokerState::on_searched(std::uint64_t id, const spool::Block& block, Now now) {
  auto search = time_seeks_.find(id);
  if (search == time_seeks_.end()) return;
  for (const spool::Record& record : block.records) {
    if (record.time_ns < search->second.time_ns) continue;
    return finish_search(id, std::max(record.offset, first_offset_), now);
  }
  search_on(id, block.next_offset, now);
}

/// Nothing of that time is before `from`.
void BrokerState::search_on(std::uint64_t id, std::uint64_t from, Now now) {
  auto search = time_seeks_.find(id);
  if (search == time_seeks_.end()) return;
  search->second.from = std::max(search->second.from, from);
  if (search->second.from >= search->second.end) finish_search(id, search->second.end, now);
}

void BrokerState::finish_search(std::uint64_t id, Result<std::uint64_t> position, Now now) {
  auto found = time_seeks_.find(id);
  if (found == time_seeks_.end()) return;
  const TimeSeek search = std::move(found->second);
  time_seeks_.erase(found);
  auto session = sessions_.find(search.session);
  if (session == sessions_.end()) return;  // who asked is gone, and asks again or not
  const bool is_there = groups_.find(search.group) != groups_.end();
  if (!is_there)
    position = fail(ErrorCode::unknown_group,
                    "group " + search.admin.subject + " was deleted meanwhile; see: spindle groups");
  auto body = position ? seek(search.admin, *position, search.dry_run, now) : Result<Bytes>(fail(position.error()));
  answer_admin(session->second, search.answers, search.admin, std::move(body));
}

}  // namespace spindle::proxy
