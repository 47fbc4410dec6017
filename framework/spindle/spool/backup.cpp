#include "spindle/spool/backup.hpp"

#include <utility>
#include <vector>

#include "spindle/spool/chain.hpp"
#include "spindle/spool/copy_file.hpp"
#include "spindle/spool/log_end.hpp"

namespace spindle::spool {
namespace {

constexpr std::string_view partial_suffix = ".partial";
/// How often the copy is begun anew because the newest segment was trimmed before it could be copied: it takes a
/// writer that fills and trims two segments between two calls here.
constexpr int attempts_max = 10;

std::string without_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> check_absent(Files& files, const std::string& to) {
  auto names = files.list(to);
  if (!names && names.error().code == ErrorCode::not_found) return {};
  return fail(ErrorCode::invalid_argument, to + " exists already: give a backup a directory of its own");
}

/// Makes the directory, or clears what a backup that did not finish left in it.
Result<std::unique_ptr<DirectoryLock>> claim(Files& files, const std::string& partial) {
  if (auto made = files.make_directory(partial); !made) return fail(std::move(made.error()));
  auto lock = files.lock_directory(partial);
  if (!lock) return lock;
  auto names = files.list(partial);
  if (!names) return fail(std::move(names.error()));
  for (const std::string& name : *names) {
    if (!parse_segment_name(name)) {
      return fail(ErrorCode::invalid_argument,
                  partial + " holds " + name + ", which no backup left there: move it away");
    }
  }
  for (const std::string& name : *names) {
    if (auto done = files.remove(partial + "/" + name); !done) return fail(std::move(done.error()));
  }
  return lock;
}

/// The newest segment, up to its last whole commit.
Result<Segment> copy_newest(Files& files, const std::string& from, const std::string& to, Segment newest) {
  auto file = files.open(from + "/" + newest.name(), OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  auto end = find_log_end_beside_writer(**file, newest.header);
  if (!end) return fail(std::move(end.error()));
  if (end->damage) {
    auto newer = is_followed(files, from, newest);
    if (!newer) return fail(std::move(newer.error()));
    if (*newer) return fail(ErrorCode::not_found, newest.name() + " is not the newest any more");
    return fail(ErrorCode::corrupt, end->damage->text() + "; a copy of it would hide that: repair the spool first");
  }
  newest.end = end->position;
  newest.next_offset = end->next_offset;
  auto copied = copy_segment(files, from + "/" + newest.name(), to + "/" + newest.name(), newest);
  if (!copied) return fail(std::move(copied.error()));
  return newest;
}

/// Fills the directory; not_found when the newest segment was trimmed or cut off behind its end meanwhile.
Result<Backup> fill(Files& files, const std::string& from, const std::string& to) {
  auto chain = read_chain_beside_writer(files, from);
  if (!chain) return fail(std::move(chain.error()));
  if (!chain->damages.empty()) {
    return fail(ErrorCode::corrupt, chain->damages.front().text() + "; `spindle spool verify` says all of it");
  }
  if (chain->segments.empty()) return fail(ErrorCode::invalid_argument, from + " holds no spool");
  auto newest = copy_newest(files, from, to, chain->segments.back());
  if (!newest) return fail(std::move(newest.error()));
  Backup made{.spool_id = newest->header.spool_id,
              .incarnation = newest->header.incarnation,
              .first_offset = newest->header.first_offset,
              .next_offset = newest->next_offset,
              .segments = 1,
              .linked = 0};
  // From the newest to the oldest: trimming takes the oldest, and what is left of them is still a log.
  for (auto segment = chain->segments.rbegin() + 1; segment != chain->segments.rend(); ++segment) {
    auto linked = link_or_copy(files, from + "/" + segment->name(), to + "/" + segment->name());
    if (!linked && linked.error().code == ErrorCode::not_found) break;
    if (!linked) return fail(std::move(linked.error()));
    made.first_offset = segment->header.first_offset;
    ++made.segments;
    made.linked += *linked ? 1 : 0;
  }
  return made;
}

}  // namespace

Result<Backup> backup(Files& files, const std::string& from, const std::string& to_given) {
  const std::string to = without_slashes(to_given);
  if (auto absent = check_absent(files, to); !absent) return fail(std::move(absent.error()));
  if (auto there = files.list(from); !there) return fail(std::move(there.error()));
  const std::string partial = to + std::string(partial_suffix);
  Result<Backup> made = Backup{};
  for (int attempt = 1; attempt <= attempts_max; ++attempt) {
    auto lock = claim(files, partial);
    if (!lock) return fail(std::move(lock.error()));
    made = fill(files, from, partial);
    if (!made && made.error().code == ErrorCode::not_found) continue;
    if (!made) return made;
    if (auto done = files.sync_directory(partial); !done) return fail(std::move(done.error()));
    if (auto done = files.rename(partial, to); !done) return fail(std::move(done.error()));
    if (auto done = files.sync_directory(parent_of(to)); !done) return fail(std::move(done.error()));
    return made;
  }
  return made;
}

}  // namespace spindle::spool
