#include "spindle/transport/live_publisher.hpp"

#include <array>
#include <utility>

#include "spindle/transport/context.hpp"
#include "spindle/wire/limits.hpp"
#include "spindle/wire/topic.hpp"

namespace spindle::transport {
namespace {

constexpr std::size_t event_overhead_bytes = 24;
/// The socket is tried again after this long when it was busy.
constexpr Duration busy_again_after = std::chrono::milliseconds(1);

Result<Socket> connected_socket(Context& context, const std::string& endpoint) {
  auto socket = Socket::open(context, SocketKind::pub);
  if (!socket) return socket;
  if (auto connected = socket->connect(endpoint); !connected) return fail(connected.error());
  return socket;
}

}  // namespace

LivePublisher::LivePublisher(Context& context, std::string endpoint, std::string source, std::uint64_t epoch,
                             Socket socket)
    : context_(&context),
      endpoint_(std::move(endpoint)),
      source_(std::move(source)),
      epoch_(epoch),
      socket_(std::move(socket)) {}

Result<LivePublisher> LivePublisher::open(Context& context, const std::string& endpoint, std::string source,
                                          std::uint64_t epoch) {
  auto socket = connected_socket(context, endpoint);
  if (!socket) return fail(socket.error());
  return LivePublisher(context, endpoint, std::move(source), epoch, std::move(*socket));
}

Result<void> LivePublisher::reconnect() {
  auto socket = connected_socket(*context_, endpoint_);
  if (!socket) return fail(socket.error());
  socket_ = std::move(*socket);
  return {};
}

Result<LivePublisher::Topic*> LivePublisher::topic_of(std::string_view name) {
  if (last_ != nullptr && last_->name == name) return last_;
  auto found = index_.find(name);
  if (found == index_.end()) {
    if (auto checked = wire::check_topic(name); !checked) return fail(checked.error());
    if (topics_.size() >= topics_per_source_max) {
      return fail(ErrorCode::too_many, "one source publishes on at most " + std::to_string(topics_per_source_max) +
                                           " topics (topics_per_source_max): put what varies into the event");
    }
    Topic& topic = topics_.emplace_back();
    topic.name = name;
    found = index_.emplace(topic.name, &topic).first;
  }
  return last_ = found->second;
}

Result<void> LivePublisher::publish(const OutgoingEvent& event, Now now) {
  if (auto checked = check_sizes(event); !checked) return checked;
  if (waiting_bytes_ >= live_backlog_bytes_max) {
    return fail(ErrorCode::outbox_full, "more than " + std::to_string(live_backlog_bytes_max) +
                                            " bytes of live events wait for the proxy (live_backlog_bytes_max): "
                                            "flush, and publish later");
  }
  auto found = topic_of(event.topic);
  if (!found) return fail(found.error());
  Topic& topic = **found;
  const std::size_t size = event.data.size() + event.attributes.size() + event_overhead_bytes;
  const bool full = topic.events.size() + size > limits::packet_bytes_target ||
                    topic.events.count() >= limits::packet_events_max ||
                    topic.events.has_keys() != event.key.has_value();
  if (full && !topic.events.empty()) {
    close_packet(topic);
    if (auto sent = send_ready(); !sent) return fail(sent.error());
  }
  if (!topic.listed) {
    topic.listed = true;
    filling_.push_back(&topic);
  }
  if (topic.events.empty()) topic.time_ns = now.wall_ns;
  const std::size_t before = topic.events.size();
  topic.events.add(event.data, event.attributes, event.key);
  waiting_bytes_ += topic.events.size() - before;
  last_published_ = now.instant;
  return {};
}

wire::PacketHeader LivePublisher::header(WallNs time) {
  wire::PacketHeader header;
  header.source = source_;
  header.epoch = epoch_;
  header.event_class = wire::EventClass::live;
  header.time_ns = time;
  return header;
}

void LivePublisher::close_packet(Topic& topic) {
  wire::PacketHeader header = this->header(topic.time_ns);
  header.sequence = ++sequence_;
  header.topic_count = topic.published;
  topic.published += topic.events.count();
  const std::size_t events_bytes = topic.events.size();
  Ready ready{topic.name, SharedBytes::own(topic.events.finish(header))};
  waiting_bytes_ += ready.packet.view.size();
  waiting_bytes_ -= events_bytes;
  ready_.push_back(std::move(ready));
  if (!topic.changed) {
    topic.changed = true;
    changed_.push_back(&topic);
  }
}

Result<bool> LivePublisher::send_ready() {
  while (!ready_.empty()) {
    const Ready& next = ready_.front();
    const std::array<SharedBytes, 2> frames{SharedBytes{nullptr, next.topic}, next.packet};
    auto sent = socket_.send(frames);
    if (!sent) return fail(sent.error());
    if (*sent != Sent::sent) return false;
    waiting_bytes_ -= next.packet.view.size();
    ready_.pop_front();
  }
  return true;
}

Result<bool> LivePublisher::flush(Now) {
  // While packets wait, events go on sharing the ones that are being filled.
  auto sent = send_ready();
  if (!sent || !*sent) return sent;
  for (Topic* topic : filling_) {
    topic->listed = false;
    if (!topic->events.empty()) close_packet(*topic);
  }
  filling_.clear();
  return send_ready();
}

Result<void> LivePublisher::on_tick(Now now) {
  if (auto flushed = flush(now); !flushed) return fail(flushed.error());
  if (changed_.empty() || !ready_.empty() || now.instant - last_published_ < live_totals_after) return {};
  for (Topic* topic : std::exchange(changed_, {})) {
    topic->changed = false;
    wire::PacketHeader header = this->header(now.wall_ns);
    header.sequence = ++sequence_;
    header.topic_count = topic->published;
    ready_.push_back({topic->name, SharedBytes::own(wire::totals_packet(header))});
    waiting_bytes_ += ready_.back().packet.view.size();
  }
  if (auto sent = send_ready(); !sent) return fail(sent.error());
  return {};
}

std::optional<Instant> LivePublisher::next_deadline() const {
  if (!ready_.empty()) return last_published_ + busy_again_after;
  if (!changed_.empty()) return last_published_ + live_totals_after;
  return std::nullopt;
}

Result<bool> LivePublisher::send_echo(std::string_view topic, std::uint64_t nonce, WallNs now) {
  if (!filling_.empty() || !ready_.empty()) return false;
  wire::PacketHeader header = this->header(now);
  header.sequence = nonce;
  const Bytes packet = wire::totals_packet(header);
  const std::array<BytesView, 2> frames{topic, packet};
  auto sent = socket_.send_copy(frames);
  if (!sent) return fail(sent.error());
  return *sent == Sent::sent;
}

}  // namespace spindle::transport
