#include "proxy/key_order.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace spindle::proxy {
namespace {

void insert(std::vector<std::uint64_t>& sorted, std::uint64_t offset) {
  if (sorted.empty() || sorted.back() < offset) return sorted.push_back(offset);
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), offset);
  if (*at != offset) sorted.insert(at, offset);
}

void erase(std::vector<std::uint64_t>& sorted, std::uint64_t offset) {
  const auto at = std::lower_bound(sorted.begin(), sorted.end(), offset);
  if (at != sorted.end() && *at == offset) sorted.erase(at);
}

}  // namespace

KeyOrder::Leave KeyOrder::leave(std::uint32_t key, std::uint64_t offset) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return {};
  const Key& same = found->second;
  if (!same.waits.empty() && same.waits.front() < offset) return {false, std::nullopt};
  if (same.out.empty()) return {};
  // A later one that is out would be overtaken: it was claimed, or given out before this one was known.
  if (same.out.back() > offset) return {false, std::nullopt};
  return {true, same.seat};
}

bool KeyOrder::may_keep(std::uint32_t key, std::uint64_t offset, Seat seat) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return true;
  const Key& same = found->second;
  if (!same.waits.empty() && same.waits.front() < offset) return false;
  return same.out.empty() || same.seat == seat;
}

void KeyOrder::hand_out(std::uint64_t offset, const Out& out) {
  forget_wait(offset);
  Key& same = keys_[out.key];
  same.seat = out.seat;
  insert(same.out, offset);
  outs_[offset] = out;
  release(out.key);
}

void KeyOrder::hold(std::uint32_t key, std::uint64_t offset, Until until) {
  if (const Out* was = out(offset)) forget_out(offset, Out(*was));
  Key& same = keys_[key];
  Wait& wait = waits_[offset];
  if (wait.released) --same.released;
  wait = {key, until, false};
  insert(same.waits, offset);
  if (until == Until::room) {
    if (same.listed != same.seat) for_room_[same.seat].push_back(key);
    same.listed = same.seat;
  }
  if (until == Until::turn || until == Until::alone) release(key);
}

const KeyOrder::Out* KeyOrder::out(std::uint64_t offset) const {
  const auto found = outs_.find(offset);
  return found == outs_.end() ? nullptr : &found->second;
}

std::vector<std::uint64_t> KeyOrder::out_behind(std::uint64_t offset) const {
  std::uint32_t key = 0;
  if (const Out* here = out(offset)) {
    key = here->key;
  } else if (const auto waits = waits_.find(offset); waits != waits_.end()) {
    key = waits->second.key;
  } else {
    return {};
  }
  const std::vector<std::uint64_t>& all = keys_.at(key).out;
  return {std::upper_bound(all.begin(), all.end(), offset), all.end()};
}

void KeyOrder::settle(std::uint64_t offset) {
  if (const Out* was = out(offset)) {
    const std::uint32_t key = was->key;
    forget_out(offset, Out(*was));
    release(key);
    return forget_if_idle(key);
  }
  const auto waits = waits_.find(offset);
  if (waits == waits_.end()) return;
  const std::uint32_t key = waits->second.key;
  forget_wait(offset);
  release(key);
  forget_if_idle(key);
}

void KeyOrder::settle(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> known;
  for (const auto& [offset, out] : outs_) {
    if (begin <= offset && offset < end) known.push_back(offset);
  }
  for (std::uint64_t offset : known) settle(offset);
  settle_waiting(begin, end);
}

void KeyOrder::settle_waiting(std::uint64_t begin, std::uint64_t end) {
  std::vector<std::uint64_t> known;
  for (auto at = waits_.lower_bound(begin); at != waits_.end() && at->first < end; ++at) known.push_back(at->first);
  for (std::uint64_t offset : known) settle(offset);
}

void KeyOrder::give_back(std::uint64_t offset) {
  if (const Out* was = out(offset)) hold(was->key, offset, Until::turn);
}

void KeyOrder::due(std::uint64_t offset) {
  const auto waits = waits_.find(offset);
  if (waits == waits_.end() || waits->second.until != Until::due) return;
  waits->second.until = Until::turn;
  release(waits->second.key);
}

void KeyOrder::room(Seat seat, std::uint64_t events) {
  const auto found = for_room_.find(seat);
  if (found == for_room_.end()) return;
  std::vector<std::uint32_t>& keys = found->second;
  while (!keys.empty() && events > 0) {
    const std::uint32_t key = keys.back();
    keys.pop_back();
    const auto same = keys_.find(key);
    if (same == keys_.end()) continue;
    if (same->second.listed == seat) same->second.listed.reset();
    for (std::uint64_t offset : same->second.waits) {
      Wait& wait = waits_.at(offset);
      if (wait.until == Until::room) wait.until = Until::turn;
    }
    const std::size_t before = released_.size();
    release(key, static_cast<std::size_t>(std::min<std::uint64_t>(events, released_events_max)));
    events -= std::min<std::uint64_t>(events, std::max<std::size_t>(released_.size() - before, 1));
    forget_if_idle(key);
  }
  if (keys.empty()) for_room_.erase(found);
}

void KeyOrder::forget(Seat seat) {
  const auto found = for_room_.find(seat);
  if (found == for_room_.end()) return;
  for (const std::uint32_t key : found->second) {
    const auto same = keys_.find(key);
    if (same == keys_.end() || same->second.listed != seat) continue;
    same->second.listed.reset();
    forget_if_idle(key);
  }
  for_room_.erase(found);
}

std::vector<std::uint64_t> KeyOrder::take_released() {
  std::vector<std::uint64_t> released = std::exchange(released_, {});
  std::erase_if(released, [&](std::uint64_t offset) {
    const auto waits = waits_.find(offset);
    return waits == waits_.end() || !waits->second.released;
  });
  std::sort(released.begin(), released.end());
  released.erase(std::unique(released.begin(), released.end()), released.end());
  return released;
}

std::optional<std::uint64_t> KeyOrder::oldest_held() const {
  if (waits_.empty()) return std::nullopt;
  return waits_.begin()->first;
}

std::size_t KeyOrder::held_by_others() const {
  return static_cast<std::size_t>(std::count_if(waits_.begin(), waits_.end(), [](const auto& entry) {
    return entry.second.until != Until::due && !entry.second.released;
  }));
}

void KeyOrder::clear() { *this = KeyOrder(); }

void KeyOrder::forget_out(std::uint64_t offset, const Out& out) {
  outs_.erase(offset);
  erase(keys_.at(out.key).out, offset);
}

void KeyOrder::forget_wait(std::uint64_t offset) {
  const auto waits = waits_.find(offset);
  if (waits == waits_.end()) return;
  Key& same = keys_.at(waits->second.key);
  if (waits->second.released) --same.released;
  erase(same.waits, offset);
  waits_.erase(waits);
}

void KeyOrder::forget_if_idle(std::uint32_t key) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  const Key& same = found->second;
  if (same.out.empty() && same.waits.empty() && !same.listed) keys_.erase(found);
}

/// Lets go what waits for nothing but its turn, if it is the next of its key. The rest follows when these are out.
void KeyOrder::release(std::uint32_t key, std::size_t most) {
  const auto found = keys_.find(key);
  if (found == keys_.end() || found->second.released > 0) return;
  Key& same = found->second;
  for (std::uint64_t offset : same.waits) {
    Wait& wait = waits_.at(offset);
    const bool for_holder = wait.until == Until::room || wait.until == Until::alone;
    if (wait.until == Until::due || (for_holder && !same.out.empty()) || same.released >= most) return;
    if (!same.out.empty() && same.out.back() > offset) return;
    wait.released = true;
    ++same.released;
    released_.push_back(offset);
  }
}

}  // namespace spindle::proxy
