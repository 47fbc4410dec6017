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

Result<void> remove_if_there(Files& files, const std::string& path) {
  auto removed = files.remove(path);
  return !removed && removed.error().code != ErrorCode::not_found ? removed : Result<void>();
}

Result<void> mark_lost(Files& files, const std::string& directory, const SegmentHeader& header) {
  const std::string path = directory + "/" + segment_name(header.first_offset, header.serial);
  const std::string unfinished = path + std::string(unfinished_suffix);
  if (files.open(path, OpenMode::read)) {  // a rename would destroy it; the lock keeps others from making it now
    return fail(ErrorCode::corrupt, path + " is there and should be marked as lost: nothing was overwritten");
  }
  if (auto done = remove_if_there(files, unfinished); !done) return done;
  auto file = files.open(unfinished, OpenMode::create_new);
  if (!file) return fail(std::move(file.error()));
  if (auto done = (*file)->write(0, encode_header(header)); !done) return done;
  if (auto done = (*file)->sync(); !done) return done;
  if (auto done = files.rename(unfinished, path); !done) return done;
  return files.sync_directory(directory);
}

/// The file itself may be shared with a backup that is as damaged and does not know of this.
Result<void> extend(Files& files, const std::string& directory, const Chain::CutOff& cut_off) {
  const std::string path = directory + "/" + cut_off.name;
  const std::string unfinished = path + std::string(unfinished_suffix);
  if (auto done = remove_if_there(files, unfinished); !done) return done;
  if (auto done = copy_extended(files, path, unfinished, cut_off.end); !done) return done;
  if (auto done = files.rename(unfinished, path); !done) return done;
  return files.sync_directory(directory);
}

}  // namespace

Result<void> put_aside(Files& files, const std::string& directory, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    auto aside = name_aside(files, directory, name);
    if (!aside) return fail(std::move(aside.error()));
    // No rename: of that a power cut may leave neither name.
    if (auto done = link_or_copy(files, directory + "/" + name, *aside); !done) return fail(std::move(done.error()));
    if (auto done = files.sync_directory(directory); !done) return done;
    if (auto done = files.remove(directory + "/" + name); !done) return done;
  }
  return names.empty() ? Result<void>() : files.sync_directory(directory);
}

Result<void> accept_gaps(Files& files, const std::string& directory, const Chain& chain) {
  if (auto done = put_aside(files, directory, chain.to_put_aside); !done) return done;
  for (const SegmentHeader& header : chain.to_mark_lost) {
    if (auto done = mark_lost(files, directory, header); !done) return done;
  }
  for (const Chain::CutOff& file : chain.to_extend) {
    if (auto done = extend(files, directory, file); !done) return done;
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
  if (auto done = remove_if_there(files, unfinished); !done) return done;
  if (auto done = copy_segment(files, path, unfinished, newest); !done) return done;
  if (auto done = files.rename(unfinished, path); !done) return done;
  return files.sync_directory(directory);
}

}  // namespace spindle::spool
