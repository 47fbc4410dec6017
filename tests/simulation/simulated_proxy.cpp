#include "simulated_proxy.hpp"

#include <utility>

#include "broken.hpp"
#include "spindle/spool/backup.hpp"
#include "spindle/spool/recovery.hpp"

namespace spindle::simulation {

using namespace std::chrono_literals;

namespace {

constexpr const char* spool_id = "0123456789abcdef";

}  // namespace

SimulatedProxy::SimulatedProxy(const Scenario& scenario, Chance& chance, Network& network, Oracle& oracle)
    : scenario_(scenario), chance_(chance), network_(network), oracle_(oracle) {}

void SimulatedProxy::start(Now now) {
  recover(now);
  if (broker_ != nullptr) return;
  power_goes_ = false;
  files_.restart();  // whatever went wrong, the next one finds a machine that works
}

void SimulatedProxy::recover(Now now) {
  proxy::BrokerConfig config = scenario_.config;
  config.seed = chance_.draw();  // sessions of another run are others
  auto broker = std::make_unique<proxy::Broker>(config);
  oracle_.begin_recovery();
  auto replay = [&](const spool::Record& record) {
    oracle_.see_recovered(record);
    return broker->replay(record, now);
  };
  auto log = spool::recover(files_, directory_, spool_id, replay, scenario_.segment_bytes, spool::Loss::refuse,
                            now.wall_ns, static_cast<std::uint16_t>(chance_.draw()));
  if (!log) {
    if (log.error().code != ErrorCode::io_error && log.error().code != ErrorCode::disk_full) {
      broken("the proxy does not start: " + log.error().message());
    }
    return;
  }
  oracle_.end_recovery(*log);
  lock_ = std::move(log->lock);
  writer_ = std::make_unique<spool::Writer>(files_, directory_);
  reader_ = std::make_unique<spool::Reader>(files_, directory_, log->segments, scenario_.tail_cache_bytes);
  broker_ = std::move(broker);
  broker_->start(proxy::Broker::Log{std::make_unique<spool::Appender>(std::move(log->appender)), log->spool_id,
                                    log->incarnation, log->first_offset, log->restored, log->segments,
                                    files_.free_bytes(directory_).value_or(~std::uint64_t{0})},
                 now);
  oracle_.begin_run(now);
  oracle_.compare_log(*reader_);
  // What it decides at the start is durable before it serves.
  writing_.reset();
  commit(now);
  if (writing_) writing_->steps_left = 0;
  write(now);
  if (broker_ != nullptr && writing_) write(now);
}

void SimulatedProxy::die() {
  oracle_.see_death();
  broker_.reset();
  reader_.reset();
  writer_.reset();
  lock_.reset();
  writing_.reset();
  power_goes_ = false;
  network_.proxy_gone();
}

void SimulatedProxy::kill() {
  // The committer may have been anywhere in its work.
  if (writing_ && !writing_->written && chance_.one_in(2)) {
    files_.fail_from(files_.operations() + 1 + chance_.below(4), ErrorCode::io_error);
    (void)writer_->write(*writing_->batch.batch);
  }
  die();
  files_.kill_process();
}

void SimulatedProxy::cut_power() {
  if (writing_ && !writing_->written && chance_.one_in(2)) {
    files_.cut_power_at(files_.operations() + 1 + chance_.below(4), chance_.draw());
    (void)writer_->write(*writing_->batch.batch);
  }
  files_.power_cut(chance_.draw());
  die();
  files_.restart();
}

void SimulatedProxy::stop(Now now) {
  for (int i = 0; i < 4 && broker_ != nullptr; ++i) {
    commit(now);
    if (writing_) writing_->steps_left = 0;
    write(now);
  }
  if (broker_ == nullptr) return;
  send(now);
  broker_->say_goodbye(now);
  send(now);
  die();
  files_.kill_process();
}

void SimulatedProxy::damage_state() {
  if (damaged_) return;
  std::optional<std::string> newest;
  std::size_t segments = 0;
  const std::vector<std::string> names = files_.list(directory_).value();
  for (const std::string& name : names) {
    if (!spool::parse_segment_name(name)) continue;
    newest = name;
    ++segments;
  }
  if (segments < 2 || spool::parse_segment_name(*newest)->serial != oracle_.truth().serial) return;
  const std::string path = directory_ + "/" + *newest;
  const auto header = spool::parse_header(files_.contents(path).value(), path);
  if (!header) return;
  const std::uint64_t begin = spool::segment_header_bytes + spool::record_header_bytes;
  files_.flip_bit(path,
                  (begin + chance_.below(header->head_end - begin - spool::record_alignment)) * 8 + chance_.below(8));
  damaged_ = true;
  oracle_.see_damage(header->serial);
}

void SimulatedProxy::back_up() {
  const std::string to = "copy" + std::to_string(++copies_tried_);
  if (auto copied = spool::backup(files_, directory_, to); !copied) {
    // On a full disk, or one that fails, there may be none.
    if (scenario_.disk_fills || scenario_.disk_fails) return;
    broken("the spool cannot be copied: " + copied.error().message());
  }
  copy_ = to;
  oracle_.see_copy();
}

void SimulatedProxy::start_from_copy(Now now) {
  directory_ = std::exchange(copy_, {});  // there is one life in each
  oracle_.go_back_to_copy();
  start(now);
}

bool SimulatedProxy::receive(Now now) {
  auto arrived = network_.arrive_at_proxy(now.instant);
  if (!arrived || broker_ == nullptr) return false;
  std::vector<SharedBytes> frames{SharedBytes::own(std::move(arrived->message.head))};
  for (const wire::TopicPacket& packet : arrived->message.packets) {
    frames.push_back(packet.topic);
    frames.push_back(packet.packet);
  }
  oracle_.see_received(arrived->peer, frames, now);
  broker_->on_message(arrived->peer, frames, now);
  return true;
}

void SimulatedProxy::tick(Now now) {
  if (now.instant >= space_due_) {
    space_due_ = now.instant + 1s;
    if (auto bytes = files_.free_bytes(directory_)) broker_->on_space(*bytes);
  }
  oracle_.see_tick(now);
  broker_->on_tick(now);
}

void SimulatedProxy::commit(Now now) {
  if (writing_) return;
  auto decided = broker_->take_batch(now);
  if (!decided) return;
  oracle_.see_batch(decided->batch);
  const std::uint64_t most = calm_ || chance_.one_in(3) ? 0 : scenario_.disk_steps_max;
  writing_ = Writing{std::move(*decided), most == 0 ? 0 : chance_.below(most)};
}

void SimulatedProxy::write(Now now) {
  if (!writing_) return;
  if (writing_->steps_left > 0) {
    --writing_->steps_left;
    return;
  }
  if (!writing_->written) {
    auto written = writer_->write(*writing_->batch.batch);
    if (!written) return fail(written.error(), now);
    writing_->written = true;
    oracle_.see_durable(now);
    if (!calm_ && chance_.one_in(6)) return;  // the committer has done it, the loop has not looked yet
  }
  reader_->note_durable(writing_->batch.batch);
  const std::uint64_t number = writing_->batch.number;
  writing_.reset();
  broker_->on_durable(number, now);
  send(now);
  oracle_.end_round();
}

/// The disk failed: everybody hears of it, and the process ends.
void SimulatedProxy::fail(const Error& why, Now now) {
  const bool power = std::exchange(power_goes_, false);
  if (!power) {
    broker_->say_failed(why);
    send(now);
  }
  die();
  if (power) {
    files_.restart();
  } else if (chance_.one_in(3)) {
    files_.power_cut(chance_.draw());
    files_.restart();
  } else {
    files_.kill_process();
  }
}

bool SimulatedProxy::read(Now now) {
  const auto requests = broker_->take_reads(now);
  for (const proxy::ReadRequest& request : requests) {
    if (request.from_offset >= broker_->durable_end()) broken("a group reads what is not durable");
    auto block = reader_->read(request.from_offset, request.bytes_max, broker_->durable_end());
    if (!block && power_goes_) return fail(block.error(), now), false;
    if (!block) broken("a group cannot read: " + block.error().message());
    broker_->on_block(request, *block, now);
  }
  return !requests.empty();
}

void SimulatedProxy::send(Now now) {
  std::set<proxy::Peer> lost;
  for (proxy::Outgoing& outgoing : broker_->take_outgoing()) {
    if (lost.contains(outgoing.peer)) continue;
    oracle_.see_sent(outgoing, now);
    if (!network_.to_client(outgoing.peer, std::move(outgoing.message), now.instant)) lost.insert(outgoing.peer);
  }
  for (const proxy::Peer& peer : lost) {
    oracle_.see_unreachable(peer);
    broker_->on_unreachable(peer, now);
  }
}

void SimulatedProxy::run(Now now) {
  for (bool busy = true; busy && broker_ != nullptr;) {
    busy = false;
    while (receive(now)) busy = true;
    tick(now);
    commit(now);
    if (writing_) {
      writing_->steps_left = 0;
      write(now);
      busy = true;
    }
    if (broker_ == nullptr) return;
    busy = read(now) || busy;
    send(now);
  }
}

void SimulatedProxy::set_free_bytes(std::uint64_t bytes) { files_.set_free_bytes(bytes); }

void SimulatedProxy::cut_power_soon() {
  power_goes_ = true;
  files_.cut_power_at(files_.operations() + 1 + chance_.below(12), chance_.draw());
}

void SimulatedProxy::fail_soon() {
  const std::uint64_t operation = files_.operations() + 1 + chance_.below(12);
  if (chance_.one_in(2)) {
    files_.fail_at(operation, ErrorCode::io_error, chance_.draw());
  } else {
    files_.fail_at(operation, ErrorCode::io_error);
  }
}

void SimulatedProxy::end_misfortunes() {
  calm_ = true;
  files_.set_free_bytes(1ull << 40);
}

}  // namespace spindle::simulation
