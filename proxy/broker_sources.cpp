// Which sources the log remembers: who may say hello, epochs, and who is forgotten.
#include <algorithm>

#include "proxy/broker_state.hpp"
#include "proxy/log.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::proxy {
namespace {

constexpr const char* go_on_text = "to go on regardless say hello with acknowledged 0";

std::uint64_t in_ms(Duration duration) { return static_cast<std::uint64_t>(duration / std::chrono::milliseconds(1)); }

}  // namespace

/// The source that says hello; null when it is new, or when there is none (administration only).
Result<Source*> BrokerState::admit(const wire::Hello& hello) {
  if (hello.source.empty()) return nullptr;
  if (auto checked = wire::check_source(hello.source); !checked) return fail(checked.error());
  if (hello.source.starts_with('_'))
    return fail(ErrorCode::denied, "sources that begin with '_' are the proxy's own");
  Source* source = sources_.find(hello.source);
  if (!ledger_->has_log()) return source;  // it remembers nothing: every epoch is as good
  if (auto known = admit_past(hello, source); !known) return fail(known.error());
  if (source == nullptr) {
    if (sources_.size() < sources_max) return source;
    return fail(ErrorCode::too_many,
                "the proxy knows sources_max (100,000) sources already: let clients say goodbye when they are done, "
                "or forget idle ones sooner with --forget-sources-after");
  }
  if (hello.epoch != 0 && hello.epoch < source->epoch) {
    return fail(ErrorCode::fenced, "a newer process of source " + hello.source + " has taken over");
  }
  return source;
}

/// Whether the log has what the client believes to be in it: else a repeat would be stored twice, or a loss hidden.
Result<void> BrokerState::admit_past(const wire::Hello& hello, const Source* source) const {
  const bool other_spool = !hello.spool.empty() && hello.spool != spool_;
  if (other_spool && hello.acknowledged > 0) {
    return fail(ErrorCode::source_forgotten, "commits up to " + std::to_string(hello.acknowledged) + " of source " +
                                                 hello.source + " were acknowledged by spool " + hello.spool +
                                                 ", and this is spool " + spool_ + "; " + go_on_text);
  }
  const std::uint64_t last_number = source != nullptr ? source->last_number : 0;
  if (other_spool || (source != nullptr && hello.acknowledged <= last_number)) return {};
  const bool other_timeline = hello.spool == spool_ && hello.incarnation != 0 && hello.incarnation != incarnation_;
  if (source != nullptr || (other_timeline && hello.acknowledged > 0)) {
    return fail(ErrorCode::spool_rolled_back,
                "commits " + std::to_string(last_number + 1) + " to " + std::to_string(hello.acknowledged) +
                    " of source " + hello.source +
                    " were acknowledged but are not in this spool, which was restored from an older copy; " +
                    go_on_text);
  }
  // It was granted an epoch here, so it was known: what it sent may have been stored, and would be again.
  const bool was_known = hello.epoch != 0 && hello.spool == spool_ && !other_timeline;
  if (hello.acknowledged == 0 && !was_known) return {};
  return fail(ErrorCode::source_forgotten,
              "this spool does not know source " + hello.source +
                  " (any more): it was idle for longer than --forget-sources-after, or it or another process of it "
                  "said goodbye; " +
                  go_on_text);
}

/// A new epoch, logged before the welcome that tells of it can leave.
void BrokerState::grant_epoch(Source& source, Now now) {
  if (!ledger_->has_log()) {
    // Nothing is remembered, so the wall clock keeps epochs apart across restarts.
    last_epoch_ = std::max(last_epoch_ + 1, static_cast<std::uint64_t>(now.wall_ns / 1'000'000));
    source.epoch = last_epoch_;
    return;
  }
  log_sources({{std::string(source.name), last_epoch_ + 1, false}}, now);
  source.epoch = ++last_epoch_;
  sources_.touch(source);
}

void BrokerState::log_sources(const std::vector<SourceRecord>& records, Now now) {
  std::vector<Bytes> bodies;
  std::uint64_t commit_bytes = 0;
  for (const SourceRecord& record : records) {
    bodies.push_back(record.encode());
    commit_bytes += spool::record_bytes(0, bodies.back().size());
  }
  (void)ledger_->make_room(commit_bytes, now);
  ledger_->log().begin(now.wall_ns);
  for (const Bytes& body : bodies) ledger_->log().append(spool::Kind::source, {}, body, 0, true);
  ledger_->log().finish();
}

void BrokerState::forget(const std::vector<Source*>& sources, Now now) {
  if (sources.empty()) return;
  std::vector<SourceRecord> records;
  for (const Source* source : sources) records.push_back({std::string(source->name), source->epoch, true});
  if (ledger_->has_log()) log_sources(records, now);
  for (const SourceRecord& record : records) sources_.forget(record.source);
}

/// Before the log is used: the clock goes on from what is logged, and everybody may come back first.
void BrokerState::start_sources(Now now) {
  const std::uint64_t after_ms = in_ms(config_.forget_sources_after);
  sources_.limit_idleness(after_ms - std::min(after_ms, in_ms(forget_grace)));
  source_clock_since_ = now.instant;
}

Duration BrokerState::source_clock_interval() {
  const Duration shortest =
      std::min(config_.forget_sources_after, groups_.shortest_expiry().value_or(config_.forget_sources_after));
  return std::clamp<Duration>(shortest / 16, source_clock_interval_min, source_clock_interval_max);
}

/// While there is somebody whose idleness it measures.
bool BrokerState::clock_runs() { return sources_.size() > 0 || groups_.shortest_expiry(); }

/// The sources' clock goes on, logged so that a restart does not set it back; then idle sources are forgotten, some
/// at a time.
void BrokerState::tick_sources(Now now) {
  if (!ledger_->has_log() || full_) return;
  if (!clock_runs()) source_clock_since_ = now.instant;
  if (now.instant - source_clock_since_ >= source_clock_interval()) {
    const std::uint64_t passed_ms = in_ms(now.instant - std::exchange(source_clock_since_, now.instant));
    log_sources({{"", sources_.clock_ms() + passed_ms, false}}, now);
    set_clock(sources_.clock_ms() + passed_ms);
    expire_groups(now);
    forgetting_ = true;
  }
  if (forgetting_) forget_idle(now);
}

void BrokerState::forget_idle(Now now) {
  std::vector<Source*> idle;
  std::vector<Source*> present;
  forgetting_ = false;
  for (Source* source : sources_.by_use()) {
    if (sources_.clock_ms() - source->used_ms <= in_ms(config_.forget_sources_after)) break;
    forgetting_ = idle.size() + present.size() == sources_looked_at_max;
    if (forgetting_) break;
    (session_of_source(source->name) != nullptr ? present : idle).push_back(source);
  }
  for (Source* source : present) sources_.touch(*source);
  if (idle.empty()) return;
  log::info("forgot " + std::to_string(idle.size()) +
            " sources that were idle for longer than --forget-sources-after, from " +
            std::string(idle.front()->name) + " to " + std::string(idle.back()->name));
  forget(idle, now);
}

}  // namespace spindle::proxy
