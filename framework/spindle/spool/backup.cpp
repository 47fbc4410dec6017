#include "spindle/spool/backup.hpp"

#include <map>
#include <utility>

#include "spindle/spool/chain.hpp"
#include "spindle/spool/copy_file.hpp"
#include "spindle/spool/log_end.hpp"

namespace spindle::spool {
namespace {

constexpr std::string_view partial_suffix = ".partial";
/// How often the copy goes on because the log did meanwhile: it takes a writer that trims, and fills a segment,
/// between two calls here.
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

/// Segments in the copy: whether each is a link, by serial and name.
using Linked = std::map<std::pair<std::uint64_t, std::string>, bool>;

Result<void> unlink_before(Files& files, const std::string& to, std::uint64_t serial, Linked& linked) {
  while (!linked.empty() && linked.begin()->first.first < serial) {
    if (auto done = files.remove(to + "/" + linked.begin()->first.second); !done) return done;
    linked.erase(linked.begin());
  }
  return {};
}

/// Links all but the newest that are not linked yet, from the newest to the oldest: trimming takes the oldest, and
/// what is left of them is still a log. True when some were trimmed before they were linked.
Result<bool> link_older(Files& files, const std::string& from, const std::string& to, const Chain& chain,
                        Linked& linked) {
  const auto& segments = chain.segments;
  if (auto done = unlink_before(files, to, segments.front().header.serial, linked); !done) {
    return fail(std::move(done.error()));
  }
  for (auto segment = segments.rbegin() + 1; segment != segments.rend(); ++segment) {
    const std::uint64_t serial = segment->header.serial;
    const std::string name = segment->name();
    if (linked.contains({serial, name})) continue;
    auto one = link_or_copy(files, from + "/" + name, to + "/" + name);
    if (!one && one.error().code == ErrorCode::not_found) {
      if (auto done = unlink_before(files, to, serial, linked); !done) return fail(std::move(done.error()));
      return true;
    }
    if (!one) return fail(std::move(one.error()));
    linked[{serial, name}] = *one;
  }
  return false;
}

/// The newest segment, up to its last whole commit. It may have been followed by another meanwhile, unless others
/// were `trimmed`: what allowed that may stand in the one that followed, so without it the copy would lack what it
/// needs.
Result<Segment> copy_newest(Files& files, const std::string& from, const std::string& to, Segment newest,
                            bool trimmed) {
  auto file = files.open(from + "/" + newest.name(), OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  auto end = find_log_end_beside_writer(**file, newest.header);
  if (!end) return fail(std::move(end.error()));
  if (end->damage || end->sealed || trimmed) {
    auto newer = is_followed(files, from, newest);
    if (!newer) return fail(std::move(newer.error()));
    if (*newer && (end->damage || trimmed)) {
      return fail(ErrorCode::not_found, newest.name() + " is not the newest any more");
    }
    if (!*newer && (end->damage || end->sealed)) {
      const std::string what =
          end->damage ? end->damage->text()
                      : "segment " + newest.name() + " is sealed, and the one that followed it " + "is missing";
      return fail(ErrorCode::corrupt, what + "; a copy of it would hide that: repair the spool first");
    }
  }
  newest.end = end->position;
  newest.next_offset = end->next_offset;
  auto copied = copy_segment(files, from + "/" + newest.name(), to + "/" + newest.name(), newest);
  if (!copied) return fail(std::move(copied.error()));
  return newest;
}

Result<Chain> whole_chain(Files& files, const std::string& from) {
  auto chain = read_chain_beside_writer(files, from);
  if (!chain) return chain;
  if (!chain->damages.empty()) {
    return fail(ErrorCode::corrupt, chain->damages.front().text() + "; `spindle spool verify` says all of it");
  }
  if (chain->segments.empty()) return fail(ErrorCode::invalid_argument, from + " holds no spool");
  return chain;
}

/// Fills the directory. First the older ones, then the newest: its state and its records may need any segment that
/// was there when it was copied, and a link keeps what is trimmed meanwhile. not_found when the log went on so that
/// it must be looked at again: then the directory is filled further.
Result<Backup> fill(Files& files, const std::string& from, const std::string& to, Linked& linked) {
  auto chain = whole_chain(files, from);
  if (!chain) return fail(std::move(chain.error()));
  auto trimmed = link_older(files, from, to, *chain, linked);
  if (!trimmed) return fail(std::move(trimmed.error()));
  auto newest = copy_newest(files, from, to, chain->segments.back(), *trimmed);
  if (!newest) return fail(std::move(newest.error()));
  Backup made{.spool_id = newest->header.spool_id,
              .incarnation = newest->header.incarnation,
              .first_offset = newest->header.first_offset,
              .next_offset = newest->next_offset,
              .segments = 1 + linked.size(),
              .linked = 0};
  for (const auto& [segment, is_link] : linked) made.linked += is_link ? 1 : 0;
  if (!linked.empty()) made.first_offset = parse_segment_name(linked.begin()->first.second)->first_offset;
  return made;
}

}  // namespace

Result<Backup> backup(Files& files, const std::string& from, const std::string& to_given) {
  const std::string to = without_slashes(to_given);
  if (auto absent = check_absent(files, to); !absent) return fail(std::move(absent.error()));
  if (auto there = files.list(from); !there) return fail(std::move(there.error()));
  const std::string partial = to + std::string(partial_suffix);
  auto lock = claim(files, partial);
  if (!lock) return fail(std::move(lock.error()));
  Linked linked;
  Result<Backup> made = Backup{};
  for (int attempt = 1; attempt <= attempts_max; ++attempt) {
    made = fill(files, from, partial, linked);
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
