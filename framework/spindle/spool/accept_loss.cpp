#include "spindle/spool/accept_loss.hpp"

#include <algorithm>

#include "spindle/spool/copy_file.hpp"

namespace spindle::spool {
namespace {

constexpr std::string_view damaged_suffix = ".damaged";
/// Files of one name that are kept aside.
constexpr int damaged_names_max = 1000;

/// A name that is free: X.damaged, X.damaged.2, …
Result<std::string> name_aside(Files& files, const std::string& directory, const std::string& name) {
  auto names = files.list(directory);
  if (!names) return fail(std::move(names.error()));
  const std::string plain = name + std::string(damaged_suffix);
  for (int i = 1; i <= damaged_names_max; ++i) {
    const std::string wanted = i == 1 ? plain : plain + "." + std::to_string(i);
    if (!std::binary_search(names->begin(), names->end(), wanted)) return directory + "/" + wanted;
  }
  return fail(ErrorCode::too_many, "there are too many files " + plain + "* in " + directory + ": move them away");
}

Result<void> mark_lost(Files& files, const std::string& directory, const SegmentHeader& header) {
  const std::string path = directory + "/" + segment_name(header.first_offset, header.serial);
  const std::string unfinished = path + std::string(unfinished_suffix);
  auto removed = files.remove(unfinished);
  if (!removed && removed.error().code != ErrorCode::not_found) return removed;
  auto file = files.open(unfinished, OpenMode::create_new);
  if (!file) return fail(std::move(file.error()));
  if (auto done = (*file)->write(0, encode_header(header)); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = files.rename(unfinished, path); !done) return done;
  return files.sync_directory(directory);
}

Result<void> extend(Files& files, const std::string& path, std::uint64_t end) {
  auto file = files.open(path, OpenMode::write);
  if (!file) return fail(std::move(file.error()));
  if (auto done = (*file)->truncate(end); !done) return done;
  return (*file)->sync();
}

}  // namespace

Result<void> put_aside(Files& files, const std::string& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    auto aside = name_aside(files, directory, name);
    if (!aside) return fail(std::move(aside.error()));
    auto renamed = files.rename(directory + "/" + name, *aside);
    if (!renamed && renamed.error().code != ErrorCode::not_found) return renamed;  // done by accept_gaps already
  }
  return names.empty() ? Result<void>() : files.sync_directory(directory);
}

Result<void> accept_gaps(Files& files, const std::string& directory, const Chain& chain) {
  // Those behind the end stay for now: were they gone before the log's end is marked as that of a copy, a crash in
  // between would make it look whole.
  if (!chain.end_is_missing) {
    if (auto done = put_aside(files, directory, chain.to_put_aside); !done) return done;
  }
  for (const SegmentHeader& header : chain.to_mark_lost) {
    if (auto done = mark_lost(files, directory, header); !done) return done;
  }
  for (const Chain::CutOff& file : chain.to_extend) {
    if (auto done = extend(files, directory + "/" + file.name, file.end); !done) return done;
  }
  return {};
}

Result<void> accept_lost_end(Files& files, const std::string& directory, const Segment& newest, bool keep) {
  const std::string path = directory + "/" + newest.name();
  const std::string unfinished = path + std::string(unfinished_suffix);
  if (keep) {
    auto aside = name_aside(files, directory, newest.name());
    if (!aside) return fail(std::move(aside.error()));
    if (auto done = link_or_copy(files, path, *aside); !done) return fail(std::move(done.error()));
    if (auto done = files.sync_directory(directory); !done) return done;
  }
  auto removed = files.remove(unfinished);
  if (!removed && removed.error().code != ErrorCode::not_found) return removed;
  if (auto done = copy_segment(files, path, unfinished, newest); !done) return done;
  if (auto done = files.rename(unfinished, path); !done) return done;
  return files.sync_directory(directory);
}

}  // namespace spindle::spool
