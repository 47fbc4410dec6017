// Writes the golden spools of this format version: run once for a release, and never again for it. What it wrote
// stays as it is, so that all later versions must read it.
//   make_golden DIRECTORY      (tests/spool/golden/v1)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "golden.hpp"
#include "spindle/spool/backup.hpp"
#include "spindle/spool/writer.hpp"

namespace {

namespace fs = std::filesystem;
using namespace spindle;
using namespace spindle::spool;

constexpr WallNs begin_ns = 1'700'000'000'000'000'000;

/// A log with a fixed id and fixed times.
class GoldenLog {
 public:
  explicit GoldenLog(std::string directory)
      : directory_(std::move(directory)), log_(open()), writer_(posix_files(), directory_) {
    log_.appender.roll("the state", time_ns_);
    write();
  }

  void commit(int records, std::size_t body_bytes) {
    time_ns_ += 1'000'000;
    if (!log_.appender.fits(static_cast<std::uint64_t>(records + 1) * record_bytes(20, body_bytes))) {
      log_.appender.roll("the state at " + std::to_string(log_.appender.next_offset()), time_ns_);
    }
    log_.appender.begin(time_ns_);
    for (int i = 0; i < records; ++i) {
      const std::string body = "packet " + std::to_string(log_.appender.next_offset()) + std::string(body_bytes, '.');
      log_.appender.append(Kind::events, i % 2 == 0 ? "orders.placed" : "stock.moved", body,
                           1 + static_cast<std::uint32_t>(i) % 3);
    }
    log_.appender.append(Kind::settle, "", "settled", 0, true);
    log_.appender.finish();
    write();
  }

 private:
  RecoveredLog open() {
    return recover(
               posix_files(), directory_, "0123456789abcdef", [](const Record&) { return Result<void>(); },
               segment_bytes_min)
        .value();
  }
  void write() {
    if (!writer_.write(*log_.appender.take_batch())) std::abort();
  }

  std::string directory_;
  WallNs time_ns_ = begin_ns;
  RecoveredLog log_;
  Writer writer_;
};

std::vector<fs::path> segments_of(const fs::path& directory) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// The zeros at the end of older segments are only there because space was reserved.
void cut_zeros(const fs::path& directory) {
  std::vector<fs::path> paths = segments_of(directory);
  std::erase_if(paths, [](const fs::path& path) { return !parse_segment_name(path.filename().string()); });
  for (const fs::path& path : paths) {
    if (path == paths.back()) continue;
    const auto used = read_text(path).find_last_not_of('\0') + 1;
    fs::resize_file(path, (used + record_alignment - 1) / record_alignment * record_alignment);
  }
}

void plain(const std::string& directory) {
  GoldenLog log(directory);
  for (int i = 0; i < 3; ++i) log.commit(2, 30);
}

void several(const std::string& directory) {
  GoldenLog log(directory);
  for (int i = 0; i < 20; ++i) log.commit(3, 300);
}

void torn(const std::string& directory) {
  plain(directory);
  const fs::path newest = segments_of(directory).back();
  const auto size = fs::file_size(newest);
  fs::resize_file(newest, read_text(newest).find_last_not_of('\0') - 100);
  fs::resize_file(newest, size);
}

void unfinished(const std::string& directory) {
  plain(directory);
  const fs::path newest = segments_of(directory).back();
  fs::copy_file(newest, directory + "/" + segment_name(12, 2) + std::string(unfinished_suffix));
}

void lost(const std::string& directory) {
  several(directory);
  fs::remove(segments_of(directory)[1]);
  (void)recover(
      posix_files(), directory, "0123456789abcdef", [](const Record&) { return Result<void>(); }, segment_bytes_min,
      Loss::accept, begin_ns)
      .value();
}

void copy(const std::string& directory) {
  const std::string original = directory + "-original";
  several(original);
  (void)backup(posix_files(), original, directory).value();
  fs::remove_all(original);
}

/// Each but the newest with a topic index behind its seal, one of them written by the run that came next.
void indexed(const std::string& directory) {
  several(directory);
  GoldenLog log(directory);
  for (int i = 0; i < 5; ++i) log.commit(4, 200);
}

void make(const fs::path& where, const std::string& name, void (*write)(const std::string&)) {
  const fs::path directory = where / name / "spool";
  fs::create_directories(directory.parent_path());
  write(directory.string());
  cut_zeros(directory);
  const fs::path work = fs::temp_directory_path() / ("golden-" + name);
  fs::remove_all(work);
  fs::copy(directory, work);
  std::ofstream(where / name / "expected.txt", std::ios::binary) << describe_spool(work.string());
  fs::remove_all(work);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("make_golden DIRECTORY\n", stderr);
    return 2;
  }
  make(argv[1], "plain", plain);
  make(argv[1], "several", several);
  make(argv[1], "torn", torn);
  make(argv[1], "unfinished", unfinished);
  make(argv[1], "lost", lost);
  make(argv[1], "copy", copy);
  make(argv[1], "indexed", indexed);
}
