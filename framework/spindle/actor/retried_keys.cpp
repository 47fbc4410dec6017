#include "spindle/actor/retried_keys.hpp"

#include <algorithm>

namespace spindle::actor {

void RetriedKeys::add(std::uint64_t member, std::uint32_t key, std::uint64_t offset, Ticket ticket) {
  entries_.push_back({member, key, offset, ticket});
}

void RetriedKeys::answered(Ticket first, std::uint64_t count, std::uint64_t newest) {
  for (Entry& entry : entries_) {
    const bool among = entry.ticket >= first && entry.ticket - first < count;
    if (among && entry.newest == unanswered) entry.newest = newest;
  }
}

bool RetriedKeys::took_back(std::uint64_t member, std::uint32_t key, std::uint64_t offset,
                            std::uint64_t parcel) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.key == key && entry.member == member && entry.offset < offset && parcel <= entry.newest;
  });
}

void RetriedKeys::forget(std::uint64_t member) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.member == member; });
}

void RetriedKeys::forget_before(std::uint64_t parcel) {
  std::erase_if(entries_, [&](const Entry& entry) { return entry.newest != unanswered && entry.newest < parcel; });
}

}  // namespace spindle::actor
