#include "spindle/actor/turn.hpp"

#include <algorithm>

#include "spindle/base/concat.hpp"
#include "spindle/transport/outbox.hpp"
#include "spindle/wire/topic.hpp"
#include "spindle/wire/values.hpp"

namespace spindle::actor {
namespace {

/// A reason comes from anywhere (an exception's text): the proxy takes UTF-8 only, and not much of it.
std::string clean_reason(std::string reason) {
  if (reason.size() > reason_bytes_max) {
    std::size_t end = reason_bytes_max;
    while (end > 0 && (reason[end] & 0xc0) == 0x80) --end;  // not in the middle of a character
    reason.resize(end);
  }
  if (!wire::is_utf8(reason)) {
    std::replace_if(
        reason.begin(), reason.end(), [](char c) { return (c & 0x80) != 0; }, '?');
  }
  return reason;
}

bool same_delivery(const wire::Settlement& a, const wire::Settlement& b) {
  return a.member == b.member && a.first.run == b.first.run && a.first.handout == b.first.handout &&
         a.first.offset == b.first.offset;
}

}  // namespace

Result<void> check_own_topic(std::string_view topic) {
  if (auto checked = wire::check_topic(topic); !checked)
    return fail(ErrorCode::invalid_argument, checked.error().text);
  if (topic.starts_with('_'))
    return fail(ErrorCode::invalid_argument, "topics that begin with '_' are Spindle's own");
  return {};
}

void Turn::begin() {
  if (!buffer_.empty()) forget_publications();
  settlements_.clear();
  keys_.clear();
  open_ = true;
}

void Turn::forget_publications() {
  buffer_.clear();
  topics_.clear();
  publications_.clear();
  durable_count_ = 0;
}

void Turn::undo(const std::string& reason) {
  forget_publications();
  for (wire::Settlement& settlement : settlements_) {
    settlement.verdict = wire::Verdict::retry;
    settlement.retry_after_ms.reset();
    settlement.reason = clean_reason(reason);
  }
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
  if (buffer_.size() > transport::commit_bytes_max) {
    return refuse(
        {ErrorCode::too_large, concat("one turn publishes at most commit_bytes_max (", transport::commit_bytes_max,
                                      " bytes): split the work into several")});
  }
  if (topics_.empty() || topics_.back() != topic) {
    if (auto checked = check_own_topic(topic); !checked) return refuse(checked.error());
    topics_.emplace_back(topic);
  }
  publications_.push_back({topics_.back(), start, buffer_.size(), key, durable});
  durable_count_ += durable ? 1 : 0;
  return {};
}

Result<void> Turn::settle(wire::Settlement settlement, std::optional<std::uint32_t> key) {
  if (!open_) return fail(ErrorCode::invalid_argument, "a delivery is settled within a handler or timer only");
  settlement.reason = clean_reason(std::move(settlement.reason));
  if (key) keys_.push_back({settlement.member, settlement.first.offset, *key});
  settlements_.push_back(std::move(settlement));
  return {};
}

std::vector<Turn::Retried> Turn::retried() const {
  std::vector<Retried> retried;
  for (const Retried& event : keys_) {
    const bool again = std::any_of(settlements_.begin(), settlements_.end(), [&](const wire::Settlement& settlement) {
      return settlement.verdict == wire::Verdict::retry && settlement.member == event.member &&
             settlement.first.offset == event.offset;
    });
    if (again) retried.push_back(event);
  }
  return retried;
}

void Turn::settle_instead(wire::Settlement settlement, std::optional<std::uint32_t> key) {
  std::erase_if(settlements_, [&](const wire::Settlement& other) { return same_delivery(settlement, other); });
  (void)settle(std::move(settlement), key);
}

std::vector<transport::OutgoingEvent> Turn::select(bool durable) const {
  std::vector<transport::OutgoingEvent> events;
  const std::size_t count = durable ? durable_count_ : publications_.size() - durable_count_;
  if (count == 0) return events;
  events.reserve(count);
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
