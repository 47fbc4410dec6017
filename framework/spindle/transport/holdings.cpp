#include "spindle/transport/holdings.hpp"

#include <algorithm>

namespace spindle::transport {

void Holdings::insert(Ranges& ranges, std::uint64_t from, std::uint64_t to) {
  if (from < to) ranges[from] = to;
}

void Holdings::erase(Ranges& ranges, std::uint64_t from, std::uint64_t to) {
  auto at = ranges.upper_bound(from);
  if (at != ranges.begin()) --at;
  while (at != ranges.end() && at->first < to) {
    const auto [begin, end] = *at;
    if (end <= from) {
      ++at;
      continue;
    }
    at = ranges.erase(at);
    insert(ranges, begin, std::min(end, from));
    insert(ranges, std::max(begin, to), end);
  }
}

bool Holdings::contains(const Ranges& ranges, std::uint64_t from, std::uint64_t to) {
  while (from < to) {
    auto at = ranges.upper_bound(from);
    if (at == ranges.begin()) return false;
    --at;
    if (at->second <= from) return false;
    from = at->second;
  }
  return true;
}

void Holdings::add(const wire::DeliveryId& first, std::uint64_t count, std::uint64_t attempt) {
  Handout& handout = handouts_[{first.run, first.handout}];
  handout.generation = first.generation;
  handout.attempt = attempt;
  insert(handout.open, first.offset, first.offset + count);
}

bool Holdings::open(const wire::DeliveryId& first, std::uint64_t count) const {
  auto found = handouts_.find({first.run, first.handout});
  return found != handouts_.end() && contains(found->second.open, first.offset, first.offset + count);
}

void Holdings::submit(const wire::DeliveryId& first, std::uint64_t count) {
  auto found = handouts_.find({first.run, first.handout});
  if (found == handouts_.end()) return;
  Handout& handout = found->second;
  const std::uint64_t end = first.offset + count;
  erase(handout.open, first.offset, end);
  // Turns mostly go through a hand-out in order: then its submitted ones stay one range.
  auto before = handout.submitted.upper_bound(first.offset);
  if (before != handout.submitted.begin() && (--before)->second == first.offset) {
    before->second = end;
  } else {
    insert(handout.submitted, first.offset, end);
  }
}

void Holdings::settled(const wire::DeliveryId& first, std::uint64_t count) {
  auto found = handouts_.find({first.run, first.handout});
  if (found == handouts_.end()) return;
  Handout& handout = found->second;
  erase(handout.submitted, first.offset, first.offset + count);
  if (handout.open.empty() && handout.submitted.empty()) handouts_.erase(found);
}

void Holdings::forget(const wire::DeliveryId& delivery) {
  auto found = handouts_.find({delivery.run, delivery.handout});
  if (found == handouts_.end()) return;
  Handout& handout = found->second;
  erase(handout.open, delivery.offset, delivery.offset + 1);
  if (handout.open.empty() && handout.submitted.empty()) handouts_.erase(found);
}

std::vector<wire::Claim> Holdings::claims() const {
  std::vector<wire::Claim> claims;
  for (const auto& [key, handout] : handouts_) {
    for (const Ranges* ranges : {&handout.open, &handout.submitted}) {
      for (const auto& [from, to] : *ranges) {
        claims.push_back({{key.first, handout.generation, key.second, from}, to - from, handout.attempt});
      }
    }
  }
  return claims;
}

std::vector<wire::Claim> Holdings::keep_only(const std::vector<wire::Claim>& claimed) {
  generation_ = 0;  // it may be another log
  std::map<Key, Handout> before = std::exchange(handouts_, {});
  for (const wire::Claim& claim : claimed) {
    auto found = before.find({claim.first.run, claim.first.handout});
    if (found == before.end()) continue;
    const std::uint64_t from = claim.first.offset;
    const std::uint64_t to = from + claim.count;
    Handout& kept = handouts_[found->first];
    kept.generation = found->second.generation;
    kept.attempt = found->second.attempt;
    for (auto ranges : {&Handout::open, &Handout::submitted}) {
      for (const auto& [begin, end] : found->second.*ranges) {
        insert(kept.*ranges, std::max(begin, from), std::min(end, to));
      }
      erase(found->second.*ranges, from, to);
    }
    if (kept.open.empty() && kept.submitted.empty()) handouts_.erase(found->first);
  }
  std::vector<wire::Claim> lost;
  for (const auto& [key, handout] : before) list_open(key, handout, lost);
  return lost;
}

std::vector<wire::Claim> Holdings::drop_older(std::uint64_t generation) {
  std::vector<wire::Claim> lost;
  if (generation <= generation_) return lost;
  generation_ = generation;
  std::erase_if(handouts_, [&](const auto& entry) {
    if (entry.second.generation >= generation) return false;
    list_open(entry.first, entry.second, lost);
    return true;
  });
  return lost;
}

void Holdings::list_open(const Key& key, const Handout& handout, std::vector<wire::Claim>& claims) {
  for (const auto& [from, to] : handout.open) {
    claims.push_back({{key.first, handout.generation, key.second, from}, to - from, handout.attempt});
  }
}

}  // namespace spindle::transport
