#include "member.hpp"

#include <algorithm>

#include "broken.hpp"
#include "spindle/wire/packet.hpp"

namespace spindle::simulation {

wire::Attach Member::attach(const wire::GroupOptions& options, std::uint64_t credit_events) {
  wire::Attach message;
  message.member = number_;
  message.group = group_;
  message.patterns = patterns_;
  message.create = !known_;
  message.options = options;
  message.credit_events = credit_events;
  message.credit_bytes = credit_events * 100;
  auto claim = [&](const Delivery& delivery) {
    if (!message.claims.empty()) {
      wire::Claim& last = message.claims.back();
      if (last.first.handout == delivery.id.handout && last.first.offset + last.count == delivery.id.offset &&
          last.attempt == delivery.attempt) {
        ++last.count;
        return;
      }
    }
    message.claims.push_back({delivery.id, 1, delivery.attempt});
  };
  for (const auto& [place, delivery] : held_) claim(delivery);
  for (const auto& [commit, delivery] : settling_) claim(delivery);
  return message;
}

void Member::take(const wire::Attached& attached) {
  known_ = true;
  joined_ = true;
  std::set<Place> granted;
  for (const wire::Claim& claim : attached.claimed) {
    for (std::uint64_t i = 0; i < claim.count; ++i) granted.insert({claim.first.handout, claim.first.offset + i});
  }
  std::erase_if(held_, [&](const auto& held) { return !granted.contains(held.first); });
}

void Member::take(const wire::Deliver& deliver, const std::vector<wire::TopicPacket>& packets) {
  if (!joined_) return;  // it has left
  wire::Values values;
  for (std::size_t i = 0; i < deliver.entries.size(); ++i) {
    const wire::Deliver::Entry& entry = deliver.entries[i];
    const auto packet = wire::Packet::parse(packets.at(i).packet.view, values);
    if (!packet) broken("a delivered packet cannot be read");
    std::uint64_t k = 0;
    for (const wire::PacketEvent& event : packet->events()) {
      Delivery delivery{number_,
                        group_,
                        {deliver.run, deliver.generation, entry.handout, entry.offset + k},
                        entry.attempt,
                        event_number(event.data),
                        std::string(packets[i].topic.view),
                        packet->key(k)};
      ++k;
      if (past_.size() < 100) past_.push_back(delivery);
      const auto taken_back = [&](const auto& retried) { return is_behind(delivery, retried.second); };
      if (std::ranges::any_of(retried_, taken_back)) continue;
      held_.insert_or_assign(place(delivery), std::move(delivery));
    }
  }
}

void Member::take(const wire::Lost& lost) {
  for (const wire::Lost::Range& range : lost.ranges) {
    std::erase_if(held_, [&](const auto& held) { return held.first.second - range.offset < range.count; });
  }
}

wire::Detach Member::detach() {
  joined_ = false;
  held_.clear();
  return {number_};
}

void Member::suspend() { joined_ = false; }

void Member::forget() {
  suspend();
  known_ = false;
  held_.clear();
  settling_.clear();
  retried_.clear();
}

std::vector<Delivery> Member::held() const {
  std::vector<Delivery> all;
  for (const auto& [place, delivery] : held_) all.push_back(delivery);
  return all;
}

void Member::let_go(const Delivery& delivery, std::uint64_t commit) {
  held_.erase(place(delivery));
  settling_.emplace(commit, delivery);
}

void Member::drop_later_of_key(const Delivery& failed, std::uint64_t commit) {
  if (!failed.key) return;
  retried_.emplace(commit, failed);
  std::erase_if(held_, [&](const auto& held) { return is_behind(held.second, failed); });
}

void Member::outcome(std::uint64_t commit) {
  settling_.erase(commit);
  retried_.erase(commit);
}

}  // namespace spindle::simulation
