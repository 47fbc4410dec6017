#include "spindle/spool/chain.hpp"

#include <algorithm>
#include <utility>

#include "spindle/spool/log_end.hpp"

namespace spindle::spool {
namespace {

/// How often a directory is read until it looks right, or wrong in the same way.
constexpr int reads_max = 20;

/// A file with a segment's name.
struct SegmentFile {
  std::string name;
  SegmentName named{};
  std::uint64_t bytes = 0;
  SegmentHeader header;
  /// Why it cannot be part of the log; "" when it can.
  std::string unusable;
  /// The name that it should have by its header, when it has another one.
  std::string belongs_at;
};

Result<SegmentFile> read_file(Files& files, const std::string& directory, const std::string& name) {
  SegmentFile found;
  found.name = name;
  found.named = *parse_segment_name(name);
  const std::string path = directory + "/" + name;
  auto file = files.open(path, OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  auto size = (*file)->size();
  if (!size) return fail(std::move(size.error()));
  found.bytes = *size;
  Bytes bytes(segment_header_bytes, '\0');
  auto got = (*file)->read(0, bytes.data(), bytes.size());
  if (!got) return fail(std::move(got.error()));
  auto header = parse_header(BytesView(bytes).substr(0, *got), path);
  if (!header && header.error().code == ErrorCode::newer_format) return fail(std::move(header.error()));
  if (!header) {
    found.unusable = "its header is damaged";
    return found;
  }
  found.header = std::move(*header);
  const std::string true_name = segment_name(found.header.first_offset, found.header.serial);
  if (true_name != name) {
    found.belongs_at = true_name;
    found.unusable = "by its header it is " + true_name + ": files were swapped or renamed";
  }
  if (found.bytes < found.header.head_end) found.unusable = "it is cut off within the state at its head";
  return found;
}

/// What no loss explains: files that do not belong together.
Result<void> check_one_log(const std::string& directory, const std::vector<SegmentFile>& usable) {
  for (std::size_t i = 1; i < usable.size(); ++i) {
    const SegmentFile& one = usable[i - 1];
    const SegmentFile& next = usable[i];
    if (one.header.spool_id != next.header.spool_id) {
      return fail(ErrorCode::corrupt, directory + " holds segments of two spools, that of " + one.name + " (" +
                                          one.header.spool_id + ") and that of " + next.name + " (" +
                                          next.header.spool_id + "): segment " + next.name +
                                          " does not belong to the spool of the one before it; move the files of "
                                          "one spool away");
    }
    if (one.header.serial == next.header.serial) {
      return fail(ErrorCode::corrupt, directory + " holds two segments with serial " +
                                          std::to_string(one.header.serial) + ", " + one.name + " and " + next.name +
                                          ": they are of different copies of the spool; move the wrong one away");
    }
    const bool falls = next.header.incarnation < one.header.incarnation + (one.header.copy ? 1 : 0) ||
                       next.header.first_offset < one.header.first_offset;
    if (falls) {
      return fail(ErrorCode::corrupt, "segment " + next.name + " does not continue " + one.name +
                                          ": they are of different copies of the spool; move the wrong one away");
    }
  }
  return {};
}

/// Builds a Chain from what is usable and what is not.
class ChainBuilder {
 public:
  ChainBuilder(Files& files, const std::string& directory) : files_(files), directory_(directory) {}

  Result<Chain> build(std::vector<SegmentFile> usable, std::vector<SegmentFile> unusable);

 private:
  void superfluous(const std::vector<SegmentFile>& usable);
  void unusable_before(std::uint64_t serial, std::uint64_t offset);
  void put_aside_until(std::vector<SegmentFile>::iterator end);
  Result<void> link(const SegmentFile& one, const SegmentFile& next);
  Result<void> bridge(const SegmentFile& one, const SegmentFile& next);
  Result<void> cut_off(const SegmentFile& one, const SegmentFile& next);
  Result<void> unusable_behind(const SegmentFile& newest);
  Result<Extent> extent_of(const std::string& name, const SegmentHeader& header, std::uint64_t from);

  Files& files_;
  const std::string& directory_;
  std::vector<SegmentFile> unusable_;  // those that are not dealt with yet, oldest first
  Chain chain_;
};

Result<Chain> ChainBuilder::build(std::vector<SegmentFile> usable, std::vector<SegmentFile> unusable) {
  unusable_ = std::move(unusable);
  superfluous(usable);
  if (usable.empty()) {
    unusable_before(~std::uint64_t{0}, Damage::to_unknown);
    return std::move(chain_);
  }
  unusable_before(usable.front().header.serial, usable.front().header.first_offset);
  for (std::size_t i = 0; i < usable.size(); ++i) {
    const SegmentFile& one = usable[i];
    chain_.segments.push_back({one.header, one.header.head_end, one.header.first_offset});
    auto done = i + 1 < usable.size() ? link(one, usable[i + 1]) : unusable_behind(one);
    if (!done) return fail(std::move(done.error()));
  }
  return std::move(chain_);
}

/// Files whose place is taken by one that is usable: nothing is lost by them, but somebody should know.
void ChainBuilder::superfluous(const std::vector<SegmentFile>& usable) {
  auto is_taken = [&](const SegmentFile& file) {
    return std::any_of(usable.begin(), usable.end(), [&](const SegmentFile& one) {
      return one.name == file.belongs_at || (file.belongs_at.empty() && one.named.serial == file.named.serial);
    });
  };
  for (const SegmentFile& file : unusable_) {
    if (!is_taken(file)) continue;
    chain_.to_put_aside.push_back(file.name);
    chain_.damages.push_back({file.name, 0, file.named.first_offset, file.named.first_offset,
                              file.unusable + "; another file has its place"});
  }
  std::erase_if(unusable_, is_taken);
}

/// Damages for the unusable files before the one with this serial, whose first offset is `offset`.
void ChainBuilder::unusable_before(std::uint64_t serial, std::uint64_t offset) {
  auto end = std::find_if(unusable_.begin(), unusable_.end(),
                          [serial](const SegmentFile& file) { return file.named.serial >= serial; });
  for (auto file = unusable_.begin(); file != end; ++file) {
    const auto next = file + 1;
    const std::uint64_t to = next == end ? offset : next->named.first_offset;
    chain_.damages.push_back(
        {file->name, 0, file->named.first_offset, std::max(file->named.first_offset, to), file->unusable});
  }
  put_aside_until(end);
}

/// Those before `end` are dealt with.
void ChainBuilder::put_aside_until(std::vector<SegmentFile>::iterator end) {
  for (auto file = unusable_.begin(); file != end; ++file) chain_.to_put_aside.push_back(file->name);
  unusable_.erase(unusable_.begin(), end);
}

/// `next` is the usable one that follows `one`, which stands at the end of the list.
Result<void> ChainBuilder::link(const SegmentFile& one, const SegmentFile& next) {
  Segment& segment = chain_.segments.back();
  if (next.header.serial != one.header.serial + 1) return bridge(one, next);
  segment.next_offset = next.header.first_offset;
  if (one.header.lost) return {};
  segment.end = std::max(next.header.previous_end, one.header.head_end);
  return one.bytes < segment.end ? cut_off(one, next) : Result<void>();
}

/// Segments are missing between the two: `lost` ones take their places.
Result<void> ChainBuilder::bridge(const SegmentFile& one, const SegmentFile& next) {
  auto extent = extent_of(one.name, one.header, one.header.head_end);
  if (!extent) return fail(std::move(extent.error()));
  if (!one.header.lost) {
    chain_.segments.back().end = extent->end;
    chain_.segments.back().next_offset = extent->next_offset;
  }
  const std::uint64_t from = std::min(chain_.segments.back().next_offset, next.header.first_offset);
  const std::uint64_t missing = next.header.serial - one.header.serial - 1;
  const bool unusable = !unusable_.empty() && unusable_.front().named.serial < next.header.serial;
  if (unusable) {
    // Where one that cannot be read ends is not known: the first speaks for all of them.
    std::string what = unusable_.front().unusable;
    if (missing > 1) what += "; of it and the " + std::to_string(missing - 1) + " behind it nothing can be read";
    chain_.damages.push_back({unusable_.front().name, 0, from, next.header.first_offset, what});
    put_aside_until(std::find_if(unusable_.begin(), unusable_.end(),
                                 [&](const SegmentFile& file) { return file.named.serial >= next.header.serial; }));
  } else {
    std::string what = "it is missing";
    if (missing > 1) what += ", and so are the " + std::to_string(missing - 1) + " behind it";
    chain_.damages.push_back({segment_name(from, one.header.serial + 1), 0, from, next.header.first_offset, what});
  }
  for (std::uint64_t i = 0; i < missing; ++i) {
    SegmentHeader header = one.header;
    header.copy = false;
    header.lost = true;
    header.serial += i + 1;
    header.first_offset = i == 0 ? from : next.header.first_offset;
    header.head_end = segment_header_bytes;
    header.file_bytes = segment_header_bytes;
    header.previous_end = i == 0 ? chain_.segments.back().end : std::uint64_t{segment_header_bytes};
    chain_.to_mark_lost.push_back(header);
    chain_.segments.push_back({header, header.head_end, next.header.first_offset});
  }
  return {};
}

/// The file is shorter than `next` says.
Result<void> ChainBuilder::cut_off(const SegmentFile& one, const SegmentFile& next) {
  auto extent = extent_of(one.name, one.header, one.header.head_end);
  if (!extent) return fail(std::move(extent.error()));
  const std::uint64_t end = next.header.previous_end;
  chain_.damages.push_back({one.name, one.bytes, std::min(extent->next_offset, next.header.first_offset),
                            next.header.first_offset,
                            "it is cut off, " + std::to_string(end - one.bytes) + " bytes are missing"});
  chain_.to_extend.push_back({one.name, end});
  return {};
}

/// What of the log's end is in files that cannot be used. Their records may tell how far it went.
Result<void> ChainBuilder::unusable_behind(const SegmentFile& newest) {
  for (std::size_t i = 0; i < unusable_.size(); ++i) {
    const SegmentFile& file = unusable_[i];
    chain_.to_put_aside_last.push_back(file.name);
    std::uint64_t to = Damage::to_unknown;
    if (i + 1 < unusable_.size()) {
      to = unusable_[i + 1].named.first_offset;
    } else if (file.bytes > segment_header_bytes) {
      SegmentHeader guess = newest.header;
      guess.serial = file.named.serial;
      guess.first_offset = file.named.first_offset;
      auto extent = extent_of(file.name, guess, segment_header_bytes);
      if (!extent) return fail(std::move(extent.error()));
      if (extent->end > segment_header_bytes && !extent->sealed) to = extent->next_offset;
    }
    chain_.damages.push_back(
        {file.name, 0, file.named.first_offset, std::max(to, file.named.first_offset), file.unusable});
  }
  unusable_.clear();
  return {};
}

Result<Extent> ChainBuilder::extent_of(const std::string& name, const SegmentHeader& header, std::uint64_t from) {
  if (header.lost) return Extent{header.head_end, header.first_offset, false};
  auto file = files_.open(directory_ + "/" + name, OpenMode::read);
  if (!file) return fail(std::move(file.error()));
  return find_extent(**file, header, from);
}

}  // namespace

Result<Chain> read_chain(Files& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return fail(std::move(names.error()));
  std::vector<SegmentFile> usable;
  std::vector<SegmentFile> unusable;
  for (const std::string& name : *names) {
    if (!parse_segment_name(name)) continue;
    auto file = read_file(files, directory, name);
    if (!file) return fail(std::move(file.error()));
    (file->unusable.empty() ? usable : unusable).push_back(std::move(*file));
  }
  auto by_serial = [](const SegmentFile& a, const SegmentFile& b) { return a.named.serial < b.named.serial; };
  std::stable_sort(usable.begin(), usable.end(), by_serial);
  while (!usable.empty() && usable.back().header.lost) {  // it says nothing without those behind it
    usable.back().unusable = "it stands in for one that was lost, and those behind it are missing";
    unusable.push_back(std::move(usable.back()));
    usable.pop_back();
  }
  std::stable_sort(unusable.begin(), unusable.end(), by_serial);
  if (auto checked = check_one_log(directory, usable); !checked) return fail(std::move(checked.error()));
  return ChainBuilder(files, directory).build(std::move(usable), std::move(unusable));
}

Result<Chain> read_chain_beside_writer(Files& files, const std::string& directory) {
  std::string before;
  for (int attempt = 1;; ++attempt) {
    auto chain = read_chain(files, directory);
    std::string wrong = chain ? "" : chain.error().message();
    if (chain) {
      for (const Damage& damage : chain->damages) wrong += damage.text() + "\n";
    }
    // The same twice in a row is no race.
    if (wrong.empty() || wrong == before || attempt == reads_max) return chain;
    before = std::move(wrong);
  }
}

Result<bool> is_followed(Files& files, const std::string& directory, const Segment& newest) {
  auto chain = read_chain_beside_writer(files, directory);
  if (!chain) return fail(std::move(chain.error()));
  return !chain->segments.empty() && chain->segments.back().header.serial > newest.header.serial;
}

}  // namespace spindle::spool
