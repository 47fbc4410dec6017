#include "proxy/storage.hpp"

#include <random>
#include <utility>

#include "proxy/log.hpp"
#include "spindle/spool/recovery.hpp"

namespace spindle::proxy {
namespace {

std::string new_spool_id() {
  std::random_device entropy;
  std::string id;
  while (id.size() < spool::spool_id_bytes) id += "0123456789abcdef"[entropy() % 16];
  return id;
}

std::string describe(const std::string& directory, const spool::RecoveredLog& log) {
  return (log.created ? "new spool " : "spool ") + directory + " id=" + log.spool_id +
         " incarnation=" + std::to_string(log.incarnation) + " next_offset=" + std::to_string(log.next_offset);
}

}  // namespace

Result<RecoveredBroker> recover_broker(Files& files, const std::string& directory, std::uint64_t segment_bytes,
                                       spool::Loss loss, BrokerConfig config, Now now) {
  RecoveredBroker made;
  made.broker = std::make_unique<Broker>(std::move(config));
  if (directory.empty()) {
    made.description = "no spool (live events only)";
    made.broker->start(std::nullopt, now);
    return made;
  }

  auto replay = [&](const spool::Record& record) { return made.broker->replay(record, now); };
  auto log = spool::recover(files, directory, new_spool_id(), replay, segment_bytes, loss, now.wall_ns,
                            static_cast<std::uint16_t>(std::random_device()()));
  if (!log) return fail(std::move(log.error()));
  for (const std::string& note : log->notes) log::warn("spool: " + note);
  for (const spool::Damage& damage : log->losses) log::error("spool: accepted as lost: " + damage.text());

  made.description = describe(directory, *log);
  auto appender = std::make_unique<spool::Appender>(std::move(log->appender));
  made.broker->start(
      Broker::Log{std::move(appender), log->spool_id, log->incarnation, log->first_offset, log->restored,
                  log->segments, files.free_bytes(directory).value_or(~std::uint64_t{0})},
      now);
  made.storage.reset(new Storage{.files = files,
                                 .directory = directory,
                                 .accept_loss = loss == spool::Loss::accept,
                                 .lock = std::move(log->lock),
                                 .reader = {files, directory, std::move(log->segments)},
                                 .committer = {files, directory}});
  return made;
}

}  // namespace spindle::proxy
