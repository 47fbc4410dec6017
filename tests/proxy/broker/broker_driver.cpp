#include "broker_driver.hpp"

#include <variant>

#include "spindle/wire/limits.hpp"

namespace spindle::proxy {
BrokerDriver::BrokerDriver(Setup setup) : setup_(std::move(setup)), now_(setup_.now) {
  if (!setup_.disk.empty()) REQUIRE(files_.make_directory(directory));
  for (const auto& [name, bytes] : setup_.disk) REQUIRE(files_.set_contents(directory + "/" + name, bytes));
  start();
}

void BrokerDriver::start() {
  if (auto started = try_start(); !started) FAIL(started.error().message());
}

Result<void> BrokerDriver::try_start() {
  broker_ = std::make_unique<Broker>(setup_.config);
  if (!setup_.has_spool) {
    broker_->start(std::nullopt, now_);
    return {};
  }
  auto replay = [&](const spool::Record& record) { return broker_->replay(record, now_); };
  auto log = spool::recover(files_, directory, "0123456789abcdef", replay, setup_.segment_bytes,
                            setup_.accept_loss ? spool::Loss::accept : spool::Loss::refuse);
  if (!log) return fail(log.error());
  lock_ = std::move(log->lock);
  writer_ = std::make_unique<spool::Writer>(files_, directory);
  reader_ = std::make_unique<spool::Reader>(files_, directory, log->segments, setup_.tail_cache_bytes);
  broker_->start(Broker::Log{std::make_unique<spool::Appender>(std::move(log->appender)), log->spool_id,
                             log->incarnation, log->first_offset, log->restored, log->segments, setup_.free_bytes},
                 now_);
  if (auto written = write(); !written) return fail(written.error());
  broker_->on_durable(std::exchange(untold_, 0), now_);
  return {};
}

void leave_space(BrokerDriver& proxy, std::uint64_t bytes) {
  REQUIRE(bytes >= proxy.segment_bytes());
  proxy.broker().on_space(bytes - proxy.segment_bytes());
}

void BrokerDriver::kill() {
  broker_.reset();
  reader_.reset();
  writer_.reset();
  lock_.reset();
  inboxes_.clear();
  numbers_.clear();
  gone_.clear();
  untold_ = 0;
  files_.kill_process();
}

void BrokerDriver::power_cut(std::uint64_t seed) {
  files_.power_cut(seed);
  kill();
}

void BrokerDriver::advance(Duration by) {
  now_.instant += by;
  now_.wall_ns += by.count();
  broker_->on_tick(now_);
  if (!by_hand) settle();
}

void BrokerDriver::receive(const Peer& peer, const wire::Message& message) {
  std::vector<SharedBytes> frames{SharedBytes::own(message.head)};
  for (const wire::TopicPacket& packet : message.packets) {
    frames.push_back(packet.topic);
    frames.push_back(packet.packet);
  }
  broker_->on_message(peer, frames, now_);
  if (!by_hand) settle();
}

std::vector<Received> BrokerDriver::take(const Peer& peer) {
  auto inbox = std::exchange(inboxes_[peer], {});
  return {std::move_iterator(inbox.begin()), std::move_iterator(inbox.end())};
}

void BrokerDriver::settle() {
  for (bool busy = true; busy;) {
    busy = commit();
    busy = read() || busy;
    busy = collect() || busy;
  }
}

bool BrokerDriver::read() {
  if (!reader_) return false;
  const auto requests = broker_->take_reads(now_);
  for (const ReadRequest& request : requests) {
    REQUIRE(request.from_offset < broker_->durable_end());
    auto block = read_for(request, *reader_, broker_->durable_end());
    if (block) {
      broker_->on_block(request, *block, now_);
    } else {
      const auto& range = reader_->unreadable();
      if (range && (range->accepted || setup_.accept_loss)) {
        broker_->on_read_lost(request, block.error(), range->from_offset, range->to_offset, now_);
      } else {
        broker_->on_read_error(request, block.error(), now_);
      }
    }
  }
  return !requests.empty();
}

bool BrokerDriver::commit(bool tell) {
  auto written = write();
  if (!written) FAIL(written.error().message());
  if (!*written && (untold_ == 0 || !tell)) return false;
  if (tell) broker_->on_durable(std::exchange(untold_, 0), now_);
  if (after_batch) after_batch();
  return true;
}

Result<bool> BrokerDriver::write() {
  auto decided = broker_->take_batch(now_);
  if (!decided) return false;
  for (const spool::Step& step : decided->batch->steps) {
    if (std::holds_alternative<spool::NewSegmentStep>(step)) {
      ++segments_made;
      segment_bytes_left = setup_.segment_bytes;
    }
    if (const auto* append = std::get_if<spool::AppendStep>(&step)) segment_bytes_left -= append->bytes.size();
  }
  if (auto written = writer_->write(*decided->batch); !written) return fail(written.error());
  reader_->note_durable(decided->batch);
  untold_ = decided->number;
  return true;
}

/// Takes what leaves; every message keeps the limits of the wire, and a session's numbers have no gaps.
bool BrokerDriver::collect() {
  auto outgoing = broker_->take_outgoing();
  for (Outgoing& one : outgoing) {
    if (gone_.contains(one.peer)) {
      broker_->on_unreachable(one.peer, now_);
      continue;
    }
    Received received{{}, std::move(one.message.head), std::move(one.message.packets)};
    wire::Values values;
    const wire::Head head(received.head, values);
    REQUIRE(head.ok());
    REQUIRE(1 + 2 * received.packets.size() <= limits::message_frames_max);
    std::size_t bytes = received.head.size();
    for (const wire::TopicPacket& packet : received.packets) {
      bytes += packet.topic.view.size() + packet.packet.view.size();
    }
    REQUIRE(bytes <= limits::message_bytes_max);
    received.envelope = head.envelope();
    if (received.envelope.session != 0) {
      std::uint64_t& number = numbers_[{one.peer, received.envelope.session}];
      REQUIRE(received.envelope.number == number + 1);
      number = received.envelope.number;
    }
    inboxes_[one.peer].push_back(std::move(received));
  }
  return !outgoing.empty();
}

std::vector<BrokerDriver::Stored> BrokerDriver::stored() {
  std::vector<Stored> all;
  for (std::uint64_t from = reader_->first_offset(); from < broker_->durable_end();) {
    auto block = reader_->read(from, 1u << 20, broker_->durable_end());
    REQUIRE(block);
    for (const spool::Record& record : block->records) {
      all.push_back({record.offset, record.count, std::string(record.topic), Bytes(record.body)});
    }
    REQUIRE(block->next_offset > from);
    from = block->next_offset;
  }
  return all;
}

std::map<std::string, Bytes> BrokerDriver::disk() {
  std::map<std::string, Bytes> segments;
  const std::vector<std::string> names = files_.list(directory).value();
  for (const std::string& name : names) {
    segments[name] = files_.contents(directory + "/" + name).value();
  }
  return segments;
}

}  // namespace spindle::proxy
