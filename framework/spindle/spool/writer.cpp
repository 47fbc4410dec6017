#include "spindle/spool/writer.hpp"

#include <cassert>

namespace spindle::spool {

Result<void> Writer::write(const Batch& batch) {
  if (failure_) return fail(*failure_);
  auto done = run(batch);
  if (!done) failure_ = done.error();
  return done;
}

Result<void> Writer::run(const Batch& batch) {
  for (const Step& step : batch.steps) {
    auto done = std::visit([this](const auto& one) { return run(one); }, step);
    if (!done) return done;
  }
  return sync();
}

Result<void> Writer::run(const AppendStep& step) {
  assert(file_ && step.serial == serial_);
  unsynced_ = true;
  return file_->write(step.position, step.bytes);
}

Result<void> Writer::run(const NewSegmentStep& step) {
  // A segment that has its name is the truth, its state included: so what came before must be durable first, and the
  // head before the name.
  if (auto synced = sync(); !synced) return synced;
  const std::string name = directory_ + "/" + segment_name(step.header.first_offset, step.header.serial);
  const std::string unfinished = name + std::string(unfinished_suffix);
  auto created = files_.open(unfinished, OpenMode::create_new);
  if (!created) return fail(std::move(created.error()));
  std::unique_ptr<File> next = std::move(*created);
  // Whoever decided the step looked for the room, but others use the disk too. Without it the log goes on: there may
  // be enough for what is written, and a spool that could not even be opened again would be worse.
  auto sized = step.preallocate ? next->allocate(step.header.file_bytes) : next->truncate(step.header.file_bytes);
  if (!sized && sized.error().code == ErrorCode::disk_full) {
    // What was found before the disk was full stays reserved, and may be all that there was.
    if (auto done = next->truncate(0); !done) return done;
    sized = next->truncate(step.header.file_bytes);
  }
  if (!sized) return sized;
  if (auto done = next->write(0, step.head); !done) return done;
  // With its size, since a newest segment that is shorter than its header says is refused as cut off.
  if (auto done = next->sync_all(); !done) return done;
  if (auto done = files_.rename(unfinished, name); !done) return done;
  if (auto done = files_.sync_directory(directory_); !done) return done;

  if (auto done = seal(step); !done) return done;
  // Opened anew by its name, so that errors name a file that exists; nothing of the old descriptor is unsynced.
  auto opened = files_.open(name, OpenMode::write);
  if (!opened) return fail(std::move(opened.error()));
  file_ = std::move(*opened);
  serial_ = step.header.serial;
  return {};
}

/// The seal says that a next segment exists; so it comes last. It guards against a file that goes missing, the log
/// does not depend on it, nor on the topic index: a disk without room for them is no reason to stop.
Result<void> Writer::seal(const NewSegmentStep& step) {
  if (step.seal.empty()) return {};
  std::uint64_t end = step.header.previous_end;
  if (!file_) {  // the first segment of this run: the one before it is another run's
    auto opened = files_.open(directory_ + "/" + step.sealed, OpenMode::write);
    if (!opened) return fail(std::move(opened.error()));
    file_ = std::move(*opened);
    // Not the newest any more, so its size says nothing: what it had reserved goes.
    if (auto done = file_->truncate(end + step.seal.size()); !done) return done;
  }
  bool torn = false;
  for (const Bytes* part : {&step.seal, &step.topic_index}) {
    if (part->empty() || torn) continue;
    auto written = file_->write(end, *part);
    if (!written && written.error().code != ErrorCode::disk_full) return written;
    torn = !written;
    if (written) end += part->size();
  }
  if (auto synced = file_->sync(); !synced) return synced;
  // What was preallocated and not used is free again; nothing depends on when that becomes durable. But part of a
  // seal or an index must not come back: it would look like damage.
  if (auto done = file_->truncate(end); !done || !torn) return done;
  return file_->sync_all();
}

Result<void> Writer::run(const RemoveStep& step) {
  // What is still needed of these segments must stand elsewhere for good before they go.
  if (auto synced = sync(); !synced) return synced;
  for (const std::string& name : step.names) {
    auto removed = files_.remove(directory_ + "/" + name);
    if (!removed && removed.error().code != ErrorCode::not_found) return removed;  // deleted by hand is gone as well
    // One after the other: a power cut must not leave an older one without its successor, which is a gap.
    if (auto done = files_.sync_directory(directory_); !done) return done;
  }
  return {};
}

Result<void> Writer::sync() {
  if (!unsynced_) return {};
  unsynced_ = false;
  return file_->sync();
}

}  // namespace spindle::spool
