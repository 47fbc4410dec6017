#include "spindle/actor/turn.hpp"

#include "spindle/wire/topic.hpp"

namespace spindle::actor {

Result<void> check_own_topic(std::string_view topic) {
  if (auto checked = wire::check_topic(topic); !checked)
    return fail(ErrorCode::invalid_argument, checked.error().text);
  if (topic.starts_with('_'))
    return fail(ErrorCode::invalid_argument, "topics that begin with '_' are Spindle's own");
  return {};
}

void Turn::begin() {
  discard();
  open_ = true;
}

void Turn::discard() {
  buffer_.clear();
  topics_.clear();
  publications_.clear();
  durable_count_ = 0;
  settlements_.clear();
}

Result<void> Turn::add(std::string_view topic, std::size_t start, std::optional<std::uint32_t> key, bool durable) {
  auto refuse = [&](Error error) -> Result<void> {
    buffer_.resize(start);
    return fail(std::move(error));
  };
  if (!open_) {
    return refuse({ErrorCode::invalid_argument,
                   "publish works within a handler or timer only; elsewhere use Service::publish"});
  }
  const BytesView data = BytesView(buffer_).substr(start);
  if (auto checked = transport::check_sizes({topic, data, {}, key}); !checked) return refuse(checked.error());
  if (topics_.empty() || topics_.back() != topic) {
    if (auto checked = check_own_topic(topic); !checked) return refuse(checked.error());
    topics_.emplace_back(topic);
  }
  publications_.push_back({topics_.back(), start, buffer_.size(), key, durable});
  durable_count_ += durable ? 1 : 0;
  return {};
}

Result<void> Turn::settle(wire::Settlement settlement) {
  if (!open_) return fail(ErrorCode::invalid_argument, "a delivery is settled within a handler or timer only");
  settlements_.push_back(std::move(settlement));
  return {};
}

std::vector<transport::OutgoingEvent> Turn::select(bool durable) const {
  std::vector<transport::OutgoingEvent> events;
  for (const Publication& publication : publications_) {
    if (publication.durable != durable) continue;
    events.push_back({publication.topic,
                      BytesView(buffer_).substr(publication.begin, publication.end - publication.begin),
                      {},
                      publication.key});
  }
  return events;
}

}  // namespace spindle::actor
